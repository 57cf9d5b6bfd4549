"""Nexus, which signs the body with the token.

Source: Sonatype, "Working with HMAC payloads".
"""

from engine.hooks import Genuine, Hit
from engine.hooks.payload import check_fields, object_of
from engine.hooks.proof import check_digest

_FIELDS = {"action": str, "repositoryName": str}


def verify(hit: Hit) -> Genuine:
    """Raises Refused unless it is signed."""
    check_digest(hit, "X-Nexus-Webhook-Signature")
    check_fields(object_of(hit.body), _FIELDS)
    return Genuine(payload=hit.body)
