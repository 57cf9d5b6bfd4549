"""Correct what drifted while a run only waits for health.

The same steps as those of a run that drift has queued, but for the build, which is the one that the
run has just applied; no condition changes, and the wait goes on.
Source: design section 3, rule 8.
"""

from dataclasses import replace

from engine.api.kustomize import Kustomization
from engine.apply import Executor, apply
from engine.cluster import ApiError
from engine.errors import DependencyNotReady
from engine.plan import make_plan
from engine.plan.inventory import parse_inventory
from engine.reconcile.announcing import announce
from engine.reconcile.builds import Desired
from engine.reconcile.dependencies import ready_dependencies
from engine.reconcile.outcome import requested_at
from engine.reconcile.run import Run
from engine.reconcile.sources import Source
from engine.reconcile.target import policy_of
from engine.reconcile.telling import tell_applied
from engine.reconcile.tolerance import tell_left
from engine.reconcile.triggers import DRIFT
from engine.reconcile.view import live_view
from engine.runtime import Priority, Turn
from engine.runtime.workqueue import Item
from engine.telemetry import because, logger, span


async def corrected(
    desired: Desired, ks: Kustomization, source: Source, executor: Executor, run: Run
) -> None:
    """Everything as the run has left it, unless something newer is asked for by now.

    Raises ReconciliationFailed if the API server refuses.
    """
    run.cluster.drift.correcting(run.turn.key)
    if not await _is_still_wanted(ks, source, run):
        return
    own, inventory = _correction_in(run), parse_inventory(run.status)
    executor = replace(executor, client=executor.client.at(Priority.DRIFT))
    with span("correct"):
        live = await live_view(desired, inventory, executor, own)
        plan = make_plan(desired.objects, live, inventory, policy_of(ks, own))
        await announce(plan, desired, ks, executor, own)
        changes = await apply(plan, executor)
    await tell_applied(changes, desired, own)
    tell_left(changes, desired, own)


def _correction_in(run: Run) -> Run:
    """A run with drift for its reason, and a draft of the status that nobody commits."""
    item = Item(run.turn.key, 0.0, Priority.DRIFT, (DRIFT,))
    turn = Turn(item, run.turn.slots, run.turn.freed)
    own = Run(run.engine, turn, run.resource, run.obj, run.controller, run.manager)
    own.told, own.secrets, own.digest = run.told, run.secrets, run.digest
    own.built, own.cluster = run.built, run.cluster
    return own


async def _is_still_wanted(ks: Kustomization, source: Source, run: Run) -> bool:
    """Whether the Kustomization, read anew, asks for nothing newer, and its dependencies are ready.

    The watches of two kinds keep no order: it may be suspended, changed or gone.
    """
    key, triggers = run.turn.key, run.engine.triggers
    try:
        found = await run.client.at(Priority.DRIFT).get(run.resource, key.namespace, key.name)
    except ApiError as error:  # the correction itself will say so
        logger.debug("%s not read before a correction", key, extra=because(error))
        return True
    if found is None:
        triggers.deleted(run.obj)
        return False
    triggers.changed(found)  # ends the wait if that is newer
    is_same = found["metadata"].get("generation") == run.given["metadata"].get("generation")
    if not is_same or requested_at(found) != requested_at(run.given):
        return False
    try:
        ready_dependencies(ks, source, run)
    except DependencyNotReady:
        return False
    return True
