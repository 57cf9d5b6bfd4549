"""What kinds of object exist, built in or from CRDs, with their schemas and versions."""
