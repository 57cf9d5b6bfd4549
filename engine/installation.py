"""What must be in a cluster before the engine works there: Flux's definitions."""

from engine.api import KINDS
from engine.api.crd import definition
from engine.cluster import Client, Resource
from engine.telemetry import logger

_DEFINITIONS = Resource(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    namespaced=False,
)
_MANAGER = "lockstep"


async def install_crds(client: Client) -> None:
    """Applies the definitions of all kinds; what others added to them stays.  Raises ApiError."""
    for kind in KINDS.values():
        wanted = definition(kind)
        await client.apply(_DEFINITIONS, wanted, manager=_MANAGER, force=True)
    client.discovery.invalidate()
    logger.info("installed %d custom resource definitions", len(KINDS))
