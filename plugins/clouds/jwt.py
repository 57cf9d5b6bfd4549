"""Signed statements about oneself (RFC 7519), as clouds and GitHub want them shown."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson
from anyio import to_thread
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from plugins.clouds.private_keys import private_key


async def signed(
    claims: Mapping[str, Any],
    pem: bytes,
    *,
    header: Mapping[str, Any] | None = None,
    password: bytes = b"",
) -> str:
    """The claims as a JWT, signed by RS256.  pem: of the private key.  Raises BadKey."""
    head = {"alg": "RS256", "typ": "JWT", **(header or {})}
    text = f"{encoded(orjson.dumps(head))}.{encoded(orjson.dumps(claims))}"
    # Checking a key takes 50 ms, so that a thread does it.
    signature = await to_thread.run_sync(_signature, text.encode(), pem, password)
    return f"{text}.{encoded(signature)}"


def _signature(text: bytes, pem: bytes, password: bytes) -> bytes:
    return private_key(pem, password).sign(text, padding.PKCS1v15(), hashes.SHA256())


def claims_of(token: str) -> Mapping[str, Any]:
    """What a token says of itself, not verified; empty for what is no JWT."""
    parts = token.split(".")
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = orjson.loads(payload)
    except (IndexError, binascii.Error, orjson.JSONDecodeError):
        return {}
    return claims if isinstance(claims, dict) else {}


def encoded(data: bytes) -> str:
    """Base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
