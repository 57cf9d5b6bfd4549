"""HTTP in: probes, metrics, artifacts."""
