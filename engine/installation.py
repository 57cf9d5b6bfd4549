"""What must be in a cluster before the engine works there: Flux's definitions."""

from contextlib import suppress

from engine.api import KINDS
from engine.api.crd import definition
from engine.cluster import AlreadyExists, Client, Resource
from engine.telemetry import logger

_DEFINITIONS = Resource(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    namespaced=False,
)
_NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
_MANAGER = "lockstep"


async def install_crds(client: Client, namespace: str = "") -> None:
    """Applies the definitions of all kinds; what others added to them stays.  Raises ApiError.

    namespace: created too if it is not there, as the engine's Leases need it; empty: none.
    """
    if namespace and await client.get(_NAMESPACES, "", namespace) is None:
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        with suppress(AlreadyExists):
            await client.create(_NAMESPACES, made)
    for kind in KINDS.values():
        wanted = definition(kind)
        await client.apply(_DEFINITIONS, wanted, manager=_MANAGER, force=True)
    client.discovery.invalidate()
    logger.info("installed %d custom resource definitions", len(KINDS))
