"""What a client can do with objects: read, write, delete, watch, scale, review."""
