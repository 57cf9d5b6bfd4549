"""Harbor, which sends the token itself."""

from engine.hooks import Genuine, Hit
from engine.hooks.proof import check_token


def verify(hit: Hit) -> Genuine:
    """Raises Refused unless it has the token."""
    check_token(hit, "Authorization")
    return Genuine(payload=hit.body)
