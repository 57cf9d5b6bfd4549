"""Docker Hub, which proves nothing: only the path is secret, and the body must look like its own.

Source: Docker, "Docker Hub webhooks".
"""

from engine.hooks import Genuine, Hit
from engine.hooks.payload import check_fields, object_of

_FIELDS = {"push_data": {"tag": str}, "repository": {"repo_url": str}}


def verify(hit: Hit) -> Genuine:
    """Raises Refused unless it looks like one."""
    check_fields(object_of(hit.body), _FIELDS)
    return Genuine(payload=hit.body, is_by_path=True)
