"""A revision that changes nothing here: noted without a plan.

A Kustomization whose last whole run left everything in order needs no other one, as long as what
that run saw is still so: its spec, what its build has read, its inventory, and every object that
it wants, as the watches show them.  Whatever is not known for sure is looked at by the whole story;
so is everything at the next regular look, which a revision that is only noted does not put off.
"""

import hashlib
from collections.abc import Iterable

import orjson

from engine.api.kustomize import Kustomization
from engine.api.meta import HEALTHY
from engine.objects.kstatus import Health, Status
from engine.objects.ref import Object, Ref
from engine.plan.inventory import parse_inventory
from engine.reconcile.builds import Desired
from engine.reconcile.order import Order
from engine.reconcile.run import Run
from engine.reconcile.sources import Source
from engine.reconcile.triggers import INTERVAL
from engine.source.artifact import Artifact
from engine.status.conditions import find


def noted(ks: Kustomization, source: Source, artifact: Artifact, run: Run) -> bool:
    """Whether the run has only to note the revision; False: the whole story is to be told."""
    order, key = run.engine.orderly.get(run.turn.key), run.turn.key
    if order is None or not _is_in_order(order, ks, source, artifact, run):
        run.engine.orderly.forget(key)
        return False
    run.is_noting, run.digest = True, order.digest
    run.engine.orderly.count()
    reservations = run.engine.reservations
    reservations.claim(run.given, source.revision, run.cluster.claims.wanted(key))
    reservations.judge(key, ks.timeout)  # nothing left Git: it waits for nobody
    reservations.applied(key)
    return True


def keep_order(ks: Kustomization, desired: Desired, run: Run) -> None:
    """Remembers that the run has ended well, if it leaves nothing open."""
    claims, owner = run.cluster.claims, run.turn.key
    is_all = parse_inventory(run.status) == desired.versions()
    if is_all and all(claims.is_known(owner, *each) for each in desired.contents.items()):
        metadata = run.given["metadata"]
        order = Order(
            metadata.get("uid", ""), ks.metadata.generation, desired.digest, _inventory(run)
        )
        run.engine.orderly.keep(owner, order)


def _is_in_order(
    order: Order, ks: Kustomization, source: Source, artifact: Artifact, run: Run
) -> bool:
    key, engine, metadata = run.turn.key, run.engine, run.given["metadata"]
    is_same = (order.uid, order.generation) == (metadata.get("uid", ""), ks.metadata.generation)
    return (
        is_same
        and run.is_only_noted
        and set(run.turn.reasons) - {INTERVAL} == {str(source.ref)}
        and not engine.verification.is_look_due(key)
        and not _asks_for_more(ks)
        and not engine.builds.sealed(key)  # its keys may have gone: then nothing is as it was
        and not engine.readers.concerned([key], source.ref, artifact.tree)
        and order.inventory == _inventory(run)
        and _is_health_told(ks, run.given)
        and _are_as_left(run.cluster.claims.wanted(key), ks, run)
    )


def _asks_for_more(ks: Kustomization) -> bool:
    """Whether something else than its source and its own objects has a say."""
    is_filled = ks.spec.post_build is not None and bool(ks.spec.post_build.substitute_from)
    return bool(is_filled or ks.spec.health_checks or ks.spec.health_check_exprs)


def _is_health_told(ks: Kustomization, obj: Object) -> bool:
    """Whether Healthy is as a success leaves it."""
    healthy = find((obj.get("status") or {}).get("conditions") or [], HEALTHY)
    return (healthy is not None and healthy["status"] == "True") if ks.spec.wait else not healthy


def _are_as_left(refs: Iterable[Ref], ks: Kustomization, run: Run) -> bool:
    """Whether watches show the objects as the owner alone left them, and nothing is awaited."""
    claims, live, owner = run.cluster.claims, run.cluster.live, run.turn.key
    fresh: set[tuple[str, str, str]] = set()  # group, kind, version: of one, all are told
    for ref in refs:
        seen = live.get(ref)
        if seen is None or not claims.is_as_left(owner, ref, seen):
            return False
        if seen.is_adoptable or seen.is_terminating or (ks.spec.wait and not _is_well(seen.health)):
            return False
        watch = ref.group, ref.kind, seen.api_version
        if watch not in fresh and live.current(ref) is None:
            return False
        fresh.add(watch)
    return True


def _is_well(health: Health) -> bool:
    return health.status is Status.CURRENT and health.recheck_at is None


def _inventory(run: Run) -> bytes:
    text = orjson.dumps(run.status.get("inventory"), option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=16).digest()
