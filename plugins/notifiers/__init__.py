"""Services that are told of events: a file a type of Provider, and what they share (posting)."""
