"""The objects that the entries of a Receiver name, as they are now."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.api import KINDS
from engine.api.notification import ReceiverResource
from engine.cluster import Client, NotFound, Resource
from engine.cluster.resource import resource_of
from engine.errors import AccessDenied, ValidationFailed
from engine.objects.ref import Object, Ref
from engine.reconcile.run import Engine
from engine.runtime.slices import turn

_IMAGES = "image.toolkit.fluxcd.io/v1"
_OPERATOR = "fluxcd.controlplane.io/v1"
_VERSIONS: Mapping[str, str] = {
    **dict.fromkeys(("ImageRepository", "ImagePolicy", "ImageUpdateAutomation"), _IMAGES),
    "ArtifactGenerator": "source.extensions.fluxcd.io/v1beta1",
    **dict.fromkeys(("FluxInstance", "ResourceSet", "ResourceSetInputProvider"), _OPERATOR),
    **{kind.name: kind.api_version for kind in KINDS.values()},
}
"""{kind: where an entry means that names no apiVersion}; Flux knows fewer."""
ALL = "*"


@dataclass(frozen=True, slots=True)
class Target:
    """An object to be reconciled.  index: of the entry that names it."""

    ref: Ref
    resource: Resource
    obj: Object
    index: int


async def targets_of(
    index: int, entry: ReceiverResource, home: str, engine: Engine, client: Client
) -> list[Target]:
    """The objects that one entry names.

    home: the Receiver's namespace.   Raises AccessDenied, ValidationFailed, ApiError, UnknownKind.
    """
    namespace = entry.namespace or home
    if not is_home(entry, home) and engine.settings.no_cross_namespace_refs:
        raise AccessDenied(f"{entry.kind}/{namespace}/{entry.name}: another namespace is forbidden")
    resource = await _resource(entry, client)
    if entry.name == ALL:
        found = await _labelled(entry, resource, namespace, engine, client)
    else:
        found = [await _named(entry, resource, namespace, engine, client)]
    return [Target(Ref.of(obj), resource, obj, index) for obj in found]


def is_home(entry: ReceiverResource, home: str) -> bool:
    """Whether an entry names objects of the Receiver's own namespace."""
    return (entry.namespace or home) == home


async def _resource(entry: ReceiverResource, client: Client) -> Resource:
    """The kind that an entry names; of ours without asking the API server what it serves."""
    named = entry.api_version or _VERSIONS.get(entry.kind)
    if named is None:
        raise ValidationFailed(f"apiVersion must be specified for kind {entry.kind!r}")
    group, _, version = named.rpartition("/")
    kind = KINDS.get((group, entry.kind))
    if kind is not None:
        return resource_of(kind)  # whichever version is named: it is the same object
    return await client.discovery.resource(group, version, entry.kind)


async def _named(
    entry: ReceiverResource, resource: Resource, namespace: str, engine: Engine, client: Client
) -> Object:
    ref = Ref(resource.group, resource.kind, namespace, entry.name)
    obj = engine.mirror.get(ref)
    if obj is None:
        obj = await client.get(resource, namespace, entry.name, metadata_only=True)
    if obj is None:
        raise NotFound(404, "NotFound", f"{ref} not found")
    return obj


async def _labelled(
    entry: ReceiverResource, resource: Resource, namespace: str, engine: Engine, client: Client
) -> list[Object]:
    labels = entry.match_labels
    if not labels:
        raise ValidationFailed("matchLabels field not set when using wildcard '*' as name")
    if (resource.group, resource.kind) in engine.hooks.whole:
        await turn()  # there may be thousands, and as many entries
        known = engine.mirror.of_kind(resource.group, resource.kind)
        return [obj for obj in known if _is_in(obj, namespace) and _has(obj, labels)]
    selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    listing = await client.list(resource, namespace, label_selector=selector, metadata_only=True)
    return list(listing.items)


def _is_in(obj: Object, namespace: str) -> bool:
    return bool(obj["metadata"].get("namespace", "") == namespace)


def _has(obj: Object, labels: Mapping[str, str]) -> bool:
    own = obj["metadata"].get("labels") or {}
    return all(own.get(name) == value for name, value in labels.items())
