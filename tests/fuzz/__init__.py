"""Hostile input to what reads and builds: `python -m tests.fuzz TARGET --seconds 60`."""
