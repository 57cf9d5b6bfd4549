"""What is left of an object once fields of older tools are ours: asked by a dry-run."""

from typing import Protocol

from engine.cluster import Client, Resource
from engine.objects.patch import diff_merge_patch
from engine.objects.ref import Object
from engine.plan.relinquish import relinquished

_SERVER_WRITTEN = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")


class Asking(Protocol):
    """Who asks, and by which field manager."""

    @property
    def client(self) -> Client:
        """Asks the API server."""

    @property
    def manager(self) -> str:
        """Its name in managedFields."""


async def adopted_after(
    resource: Resource, live: Object, adopted: Object, after: Object, who: Asking
) -> Object:
    """`after` without what only older tools wrote; the API server puts defaults back in."""
    marks = adopted["metadata"]
    metadata = dict(after["metadata"])
    for name in ("annotations", "labels"):  # legacy marks go, too
        old, left = live["metadata"].get(name) or {}, marks.get(name) or {}
        gone = old.keys() - left.keys()
        kept = {key: value for key, value in (metadata.get(name) or {}).items() if key not in gone}
        metadata[name] = kept
    wanted = relinquished({**after, "metadata": metadata}, adopted, who.manager)
    patch = diff_merge_patch(_values(live), _values(wanted))
    if patch == diff_merge_patch(_values(live), _values(after)):
        return after
    name = live["metadata"]["name"]
    namespace = live["metadata"].get("namespace", "")
    answer = await who.client.merge_patch(
        resource, namespace, name, patch, field_manager=who.manager, dry_run=True
    )
    owners = after["metadata"].get("managedFields")
    return {**answer, "metadata": {**answer["metadata"], "managedFields": owners}}


def _values(obj: Object) -> Object:
    metadata = {key: v for key, v in obj["metadata"].items() if key not in _SERVER_WRITTEN}
    return {**{key: v for key, v in obj.items() if key != "status"}, "metadata": metadata}
