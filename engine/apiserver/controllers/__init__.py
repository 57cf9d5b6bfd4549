"""What the server does by itself after a change: garbage, namespaces, definitions, workloads."""
