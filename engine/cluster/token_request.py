"""Tokens of service accounts, issued by the API server for others than itself.

Source: authentication.k8s.io/v1 TokenRequest.
"""

from collections.abc import Sequence
from datetime import datetime

from engine.cluster.client import Client
from engine.cluster.errors import ApiError

_KIND = "authentication.k8s.io/v1", "TokenRequest"


async def requested_token(
    client: Client, namespace: str, name: str, audiences: Sequence[str]
) -> tuple[str, float]:
    """A token of the service account, and when it ends (seconds since 1970).

    audiences: who is to accept it; none: the API server itself.  Raises ApiError.
    """
    api_version, kind = _KIND
    spec = {"audiences": list(audiences)} if audiences else {}
    accounts = await client.resource("v1", "ServiceAccount")
    answer = await client.create(
        accounts,
        {"apiVersion": api_version, "kind": kind, "spec": spec},
        namespace,
        name,
        subresource="token",
    )
    status = answer.get("status") or {}
    token, until = status.get("token"), status.get("expirationTimestamp")
    if not token or not until:
        raise ApiError(0, "", f"the TokenRequest for '{namespace}/{name}' was answered without one")
    return token, datetime.fromisoformat(until).timestamp()
