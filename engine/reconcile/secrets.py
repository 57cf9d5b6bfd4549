"""Values of Secrets and ConfigMaps that objects refer to: read when needed, never kept."""

import base64
import binascii

from engine.errors import BuildFailed
from engine.reconcile.run import Run


async def values_of(kind: str, namespace: str, name: str, run: Run) -> dict[str, bytes] | None:
    """The decoded values of a Secret or ConfigMap by key, None if there is no such object."""
    resource = await run.client.discovery.resource("", "v1", kind)
    obj = await run.client.get(resource, namespace, name)
    if obj is None:
        return None
    if kind == "ConfigMap":
        values = {key: str(value).encode() for key, value in (obj.get("data") or {}).items()}
        return values | _decoded(obj.get("binaryData") or {}, kind, name)
    return _decoded(obj.get("data") or {}, kind, name)


def _decoded(data: dict[str, str], kind: str, name: str) -> dict[str, bytes]:
    try:
        return {key: base64.b64decode(value or "") for key, value in data.items()}
    except binascii.Error:
        raise BuildFailed(f"{kind} '{name}' holds a value that is not base64") from None


async def has_service_account(namespace: str, name: str, run: Run) -> bool:
    """Whether the service account exists; an empty name stands for the engine's own identity."""
    if not name:
        return True
    resource = await run.client.discovery.resource("", "v1", "ServiceAccount")
    return await run.client.get(resource, namespace, name) is not None
