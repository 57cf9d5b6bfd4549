"""Quay, which proves nothing: only the path is secret, and the body must look like its own.

Source: Quay.io, "Repository notifications", webhook POST.
"""

from engine.hooks import Genuine, Hit
from engine.hooks.payload import check_fields, object_of

_FIELDS = {"docker_url": str, "updated_tags": [str]}


def verify(hit: Hit) -> Genuine:
    """Raises Refused unless it looks like one."""
    check_fields(object_of(hit.body), _FIELDS)
    return Genuine(payload=hit.body, is_by_path=True)
