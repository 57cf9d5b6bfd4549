"""One status patch an outcome: only what differs is sent, and nothing if nothing does."""

from collections.abc import Mapping
from typing import Any

from engine.cluster import Client, Resource
from engine.objects.patch import diff_merge_patch
from engine.objects.ref import Object


async def commit(
    client: Client,
    resource: Resource,
    obj: Object,
    status: Mapping[str, Any],
    *,
    manager: str,
    guarded: bool = False,
) -> Object:
    """The object with its new status; `obj` itself if the status says nothing new.

    manager: field manager of the write.  guarded: the write fails with Conflict if anybody changed
    the object since it was read (the fence of design section 6).
    The patch carries the uid, so an object deleted and created anew is never written to.
    """
    old = obj.get("status") or {}
    changed = diff_merge_patch(old, status)
    if not changed:
        return obj
    metadata = obj["metadata"]
    identity = {"uid": metadata["uid"]}
    if guarded:
        identity["resourceVersion"] = metadata["resourceVersion"]
    return await client.merge_patch(
        resource,
        metadata.get("namespace", ""),
        metadata["name"],
        {"metadata": identity, "status": changed},
        subresource="status",
        field_manager=manager,
    )
