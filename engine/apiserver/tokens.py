"""Tokens of service accounts: enough to be told apart, worth nothing elsewhere.

Source: authentication.k8s.io/v1 TokenRequest.
"""

import base64
from typing import Any

import orjson

from engine.apiserver.state import State, timestamp
from engine.objects.ref import Object

_HOUR = 3600


def token_of(account: Object, request: Any, state: State) -> dict[str, Any]:
    """A TokenRequest with its answer.  The token is not signed: this server believes everybody."""
    given = request if isinstance(request, dict) else {}
    spec = given.get("spec") or {}
    expires_at = state.clock() + (spec.get("expirationSeconds") or _HOUR)
    metadata = account["metadata"]
    user = f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}"
    claims = {"sub": user, "exp": int(expires_at), "jti": state.new_uid()}
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    text = ".".join(
        base64.urlsafe_b64encode(orjson.dumps(each)).decode().rstrip("=") for each in parts
    )
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "spec": {"expirationSeconds": _HOUR, "audiences": [], **spec},
        "status": {"token": f"{text}.", "expirationTimestamp": timestamp(expires_at)},
    }
