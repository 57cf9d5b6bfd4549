"""Checks of the installation: a file a check, each giving `check`."""
