"""Who owns which field: metadata.managedFields, server-side apply and its conflicts."""
