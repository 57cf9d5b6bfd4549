"""From a request's bytes to an object of its kind: formats, unknown fields, defaults of schemas."""
