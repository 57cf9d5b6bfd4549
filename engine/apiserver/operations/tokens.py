"""Bearer tokens: the administrator's, and those that service accounts are given.

A client without a token is the administrator too: kubectl and flux keep theirs to themselves
unless the server speaks TLS, which this one does not.
Source: authentication.k8s.io/v1 TokenRequest; RFC 7515 for the form of what is issued.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import orjson

from engine.apiserver.errors import unauthorized
from engine.apiserver.state import State, timestamp
from engine.objects.ref import Object

_HOUR = 3600
AUDIENCE = "https://kubernetes.default.svc"
"""This server itself, as the one that is to accept a token."""
ADMIN = {"username": "system:admin", "groups": ["system:masters", "system:authenticated"]}
_HEAD = orjson.dumps({"alg": "HS256", "typ": "JWT"})


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens that are good at one server, while its process lives."""

    state: State
    admin: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def user_of(self, header: str) -> dict[str, Any]:
        """The userInfo that an `Authorization` header proves.  Raises Refused (401)."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            return ADMIN
        user = self.holder(token.strip())
        if user is None:
            raise unauthorized()
        return user

    def holder(self, token: str, audiences: Collection[str] = (AUDIENCE,)) -> dict[str, Any] | None:
        """The userInfo of whom a token was issued to; None if it is not good (any longer).

        audiences: one of them must be the token's.
        """
        if _equal(token, self.admin):
            return ADMIN
        text, _, signature = token.rpartition(".")
        if not _equal(signature, self._signature(text)):
            return None
        claims = orjson.loads(_decoded(text.partition(".")[2]))
        is_meant = not set(audiences).isdisjoint(claims["aud"])
        return claims["user"] if is_meant and claims["exp"] > self.state.clock() else None

    def issued(self, account: Object, request: Any) -> dict[str, Any]:
        """A TokenRequest for a service account, with its answer."""
        given = request if isinstance(request, dict) else {}
        spec = given.get("spec") or {}
        expires_at = self.state.clock() + (spec.get("expirationSeconds") or _HOUR)
        metadata = account["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
        user = {
            "username": f"system:serviceaccount:{namespace}:{name}",
            "uid": metadata["uid"],
            "groups": [*groups, "system:authenticated"],
        }
        audiences = spec.get("audiences") or [AUDIENCE]
        claims = {"sub": user["username"], "user": user, "exp": int(expires_at), "aud": audiences}
        text = ".".join(
            _encoded(each)
            for each in (_HEAD, orjson.dumps({**claims, "jti": self.state.new_uid()}))
        )
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"expirationSeconds": _HOUR, **spec, "audiences": audiences},
            "status": {
                "token": f"{text}.{self._signature(text)}",
                "expirationTimestamp": timestamp(expires_at),
            },
        }

    def _signature(self, text: str) -> str:
        data = text.encode(errors="surrogateescape")
        return _encoded(hmac.digest(self._key, data, hashlib.sha256))


def _equal(given: str, wanted: str) -> bool:
    """Whether two texts are the same, in a time that does not tell how far they are."""
    return hmac.compare_digest(given.encode(errors="surrogateescape"), wanted.encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
