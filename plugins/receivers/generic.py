"""Anybody who knows the path: nothing else is asked."""

from engine.hooks import Genuine, Hit


def verify(hit: Hit) -> Genuine:
    """Nothing is proven."""
    return Genuine(payload=hit.body, is_by_path=True)
