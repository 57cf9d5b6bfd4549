"""Stage 1: from a source to an Artifact.  Exports its nouns only; each transport has a fetch."""
