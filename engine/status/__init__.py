"""Stage 5: what the object says about its outcome: conditions, history, events."""
