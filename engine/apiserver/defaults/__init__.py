"""Values that Kubernetes gives to absent fields of its own kinds."""
