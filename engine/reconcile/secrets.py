"""Values of Secrets and ConfigMaps that objects refer to: read when needed, never kept."""

import base64
import binascii
from dataclasses import dataclass, field

from engine.cluster import Forbidden
from engine.errors import BuildFailed
from engine.objects.ref import Object, Ref
from engine.reconcile.run import Run


@dataclass(frozen=True, slots=True)
class Config:
    """A Secret or ConfigMap.  values: decoded, by key.

    uid: of the object; random, and of a Secret only those know it who may read that.
    """

    values: dict[str, bytes] = field(repr=False)
    uid: str = field(default="", repr=False)


async def values_of(kind: str, namespace: str, name: str, run: Run) -> dict[str, bytes] | None:
    """The decoded values of a Secret or ConfigMap by key, None if there is no such object.

    See `config_of`.
    """
    found = await config_of(kind, namespace, name, run)
    return None if found is None else found.values


async def config_of(kind: str, namespace: str, name: str, run: Run) -> Config | None:
    """A Secret or ConfigMap, None if there is no such object.

    A ConfigMap's `binaryData` is not read, as Flux does not read it.
    Once it changes the object that runs is queued, if it has the label that is watched.
    """
    resource = await run.client.discovery.resource("", "v1", kind)
    with run.engine.configs.reading(run.turn.key, Ref("", kind, namespace, name)) as reading:
        obj = await run.client.get(resource, namespace, name)
        reading.answered(obj)
    return None if obj is None else config_in(obj, kind, name)


def config_in(obj: Object, kind: str, name: str) -> Config:
    """A live Secret or ConfigMap, decoded.  Raises BuildFailed."""
    data, uid = obj.get("data") or {}, str(obj["metadata"].get("uid", ""))
    if kind == "ConfigMap":
        return Config({key: str(value).encode() for key, value in data.items()}, uid)
    return Config(_decoded(data, kind, name), uid)


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
