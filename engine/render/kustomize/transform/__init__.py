"""What a kustomization does to resources, a module a kind of change."""
