"""Whoever signs the body with the token (`X-Signature`)."""

from engine.hooks import Genuine, Hit
from engine.hooks.proof import check_signature


def verify(hit: Hit) -> Genuine:
    """Raises Refused unless it is signed."""
    check_signature(hit, "X-Signature")
    return Genuine(payload=hit.body)
