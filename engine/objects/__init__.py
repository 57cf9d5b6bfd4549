"""The algebra of Kubernetes objects: pure functions on decoded JSON."""
