"""What must be in a cluster before the engine works there: Flux's definitions."""

from contextlib import suppress

from engine.api import KINDS, Kind
from engine.api.crd import definition
from engine.cluster import AlreadyExists, Client, Resource, UnknownKind
from engine.cluster.resource import DEFINITIONS
from engine.runtime import Clock, SystemClock
from engine.telemetry import logger

_NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
_MANAGER = "lockstep"
_LOOKS, _PAUSE = 100, 0.1  # how often, and every how many seconds, it is looked for a new kind


async def install_crds(client: Client, namespace: str = "") -> None:
    """Applies the definitions of all kinds, and waits until they are served.  Raises ApiError.

    What others added to them stays.

    namespace: created too if it is not there, as the engine's Leases need it; empty: none.
    """
    if namespace and await client.get(_NAMESPACES, "", namespace) is None:
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        with suppress(AlreadyExists):
            await client.create(_NAMESPACES, made)
    for kind in KINDS.values():
        wanted = definition(kind)
        await client.apply(DEFINITIONS, wanted, manager=_MANAGER, force=True)
    client.discovery.invalidate()
    for kind in KINDS.values():
        await _served(kind, client, SystemClock())
    logger.info("installed %d custom resource definitions", len(KINDS))


async def _served(kind: Kind, client: Client, clock: Clock) -> None:
    """Returns once the API server serves the kind: a moment after its definition was accepted."""
    for _ in range(_LOOKS):
        with suppress(UnknownKind):
            await client.discovery.resource(kind.group, kind.version, kind.name)
            return
        await clock.sleep(_PAUSE)
        client.discovery.invalidate()
    logger.warning("%s.%s is installed, but not served yet", kind.plural, kind.group)
