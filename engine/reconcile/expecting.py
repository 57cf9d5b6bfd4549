"""After a start: what inventories name is watched while the sources are fetched and built.

The first lists of a large cluster take seconds, and no plan is made before them.
"""

import anyio

from engine.api.meta import KUSTOMIZE_GROUP
from engine.cluster import ApiError, Resource, UnknownKind
from engine.objects.ref import Ref
from engine.plan.inventory import parse_inventory
from engine.reconcile.run import Engine
from engine.runtime.slices import turn

_NOBODY = Ref(KUSTOMIZE_GROUP, "Kustomization", "", "")
"""Needs the watches for a moment: what no Kustomization needs either ends after a while."""


async def expect(engine: Engine) -> None:
    """Begins the watches of its own cluster that the first runs need, once it is known which."""
    await engine.reservations.known.wait()
    resources = await _served(engine)
    live = engine.clusters.own.live
    with anyio.move_on_after(0):  # they begin at once, and nobody waits for them here
        await live.follow(_NOBODY, resources)
    live.release(_NOBODY)


async def _served(engine: Engine) -> list[Resource]:
    """What the Kustomizations of its own cluster have applied, as far as it is served now."""
    wanted: set[tuple[str, str, str]] = set()  # group, version, kind
    for ks in engine.mirror.of_kind(KUSTOMIZE_GROUP, "Kustomization"):
        if not (ks.get("spec") or {}).get("kubeConfig"):
            inventory = parse_inventory(ks.get("status") or {})
            wanted |= {(ref.group, version, ref.kind) for ref, version in inventory.items()}
            await turn()
    found: list[Resource] = []
    for group, version, kind in sorted(wanted):
        try:
            found.append(await engine.client.discovery.resource(group, version, kind))
        except (ApiError, UnknownKind):  # whoever needs it says so
            continue
    return found
