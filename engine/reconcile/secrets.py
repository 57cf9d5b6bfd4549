"""Values of Secrets and ConfigMaps that objects refer to: read when needed, never kept."""

import base64
import binascii

from engine.cluster import Forbidden
from engine.errors import BuildFailed
from engine.objects.ref import Ref
from engine.reconcile.run import Run


async def values_of(kind: str, namespace: str, name: str, run: Run) -> dict[str, bytes] | None:
    """The decoded values of a Secret or ConfigMap by key, None if there is no such object.

    A ConfigMap's `binaryData` is not read, as Flux does not read it.
    Once it changes the object that runs is queued, if it has the label that is watched.
    """
    resource = await run.client.discovery.resource("", "v1", kind)
    with run.engine.configs.reading(run.turn.key, Ref("", kind, namespace, name)) as reading:
        obj = await run.client.get(resource, namespace, name)
        reading.answered(obj)
    if obj is None:
        return None
    if kind == "ConfigMap":
        return {key: str(value).encode() for key, value in (obj.get("data") or {}).items()}
    return _decoded(obj.get("data") or {}, kind, name)


def _decoded(data: dict[str, str], kind: str, name: str) -> dict[str, bytes]:
    try:
        return {key: base64.b64decode(value or "") for key, value in data.items()}
    except binascii.Error:
        raise BuildFailed(f"{kind} '{name}' holds a value that is not base64") from None


async def has_service_account(namespace: str, name: str, run: Run) -> bool:
    """Whether the service account exists where the objects are; no name: nobody is impersonated.

    Where that may not be known it does: what it may not do will be said then.
    """
    if not name:
        return True
    resource = await run.reader.discovery.resource("", "v1", "ServiceAccount")
    try:
        return await run.reader.get(resource, namespace, name) is not None
    except Forbidden:
        return True
