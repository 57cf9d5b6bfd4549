"""Stage 2: from a tree of files to the objects to apply.  Pure."""
