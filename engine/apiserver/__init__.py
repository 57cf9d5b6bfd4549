"""A small Kubernetes API in one process, for the demo, simulation and fast tests."""
