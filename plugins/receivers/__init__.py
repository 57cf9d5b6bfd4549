"""Who may call a webhook, and how each proves to be genuine: one file a type."""
