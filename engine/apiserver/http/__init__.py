"""From HTTP to operations and back: paths, media types, discovery, OpenAPI, streams."""
