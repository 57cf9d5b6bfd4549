"""Under which path a Receiver is called."""

from hashlib import sha256
from typing import Final

PREFIX: Final = "/hook/"


def path_of(token: bytes, name: str, namespace: str) -> str:
    """The path of a Receiver, which nobody can guess without its token.

    Source: notification-controller api/v1, GetWebhookPath.
    """
    return PREFIX + sha256(token + name.encode() + namespace.encode()).hexdigest()
