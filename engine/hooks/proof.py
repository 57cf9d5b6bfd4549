"""Proofs that a call is genuine, each checked in constant time and before the body is read."""

import hmac
from collections.abc import Callable
from hashlib import sha1, sha256, sha512
from typing import Any, Final

from engine.hooks.hit import Hit, Refused

_HASHES: Final[dict[str, Callable[..., Any]]] = {"sha1": sha1, "sha256": sha256, "sha512": sha512}
_LINE_BREAK: Final = (
    "; the token in the Secret ends in a line break, which no header holds: store it without"
)


def check_signature(hit: Hit, *names: str) -> None:
    """Raises Refused unless the first of these headers that is there signs the body.

    It reads `sha1|sha256|sha512=<hex>`.
    Source: google/go-github github/messages.go, which Flux uses.
    """
    name = next((each for each in names if hit.header(each)), names[0])
    text = hit.header(name)
    if not text:
        raise Refused(f"header {name} is missing: set the Receiver's token at the sender")
    kind, _, digits = text.partition("=")
    if kind not in _HASHES:
        raise Refused(f"header {name} does not begin with {', '.join(_HASHES)} and '='")
    try:
        given = bytes.fromhex(digits)
    except ValueError:
        raise Refused(f"header {name} is not hexadecimal") from None
    if not hmac.compare_digest(given, hmac.digest(hit.token, hit.body, _HASHES[kind])):
        raise Refused(f"header {name} does not sign the body with the Receiver's token")


def check_digest(hit: Hit, name: str) -> None:
    """Raises Refused unless the header is the body's HMAC-SHA1 in lower hexadecimal digits."""
    text = hit.header(name)
    if not text:
        raise Refused(f"header {name} is missing: set the Receiver's token at the sender")
    wanted = hmac.digest(hit.token, hit.body, sha1).hex()
    if not hmac.compare_digest(_bytes(text), wanted.encode()):
        raise Refused(f"header {name} does not sign the body with the Receiver's token")


def check_token(hit: Hit, name: str) -> None:
    """Raises Refused unless the header is the token."""
    text = hit.header(name)
    if not text:
        raise Refused(f"header {name} is missing: set the Receiver's token at the sender")
    if not hmac.compare_digest(_bytes(text), hit.token):
        hint = _LINE_BREAK if hit.token.endswith((b"\n", b"\r")) else ""
        raise Refused(f"header {name} is not the Receiver's token{hint}")


def _bytes(text: str) -> bytes:
    """The bytes as they came: what is no UTF-8 in a header was read with surrogates."""
    return text.encode("utf-8", "surrogateescape")
