"""The end of a Kustomization: a plan with nothing desired, as `deletionPolicy` asks for it.

Source: flux-behaviour 4.12.
"""

from collections.abc import Sequence
from dataclasses import replace

from engine.api.kustomize import Kustomization
from engine.api.meta import PROGRESSING
from engine.apply import Executor, prune
from engine.apply.changes import Done, Outcome, lines_of
from engine.apply.executor import each
from engine.apply.pruning import messages_of, told
from engine.cluster import UnknownKind
from engine.errors import PruneFailed, PrunePending
from engine.plan import make_plan
from engine.plan.brake import check_brake
from engine.plan.inventory import format_inventory, parse_inventory
from engine.plan.reservation import listed
from engine.reconcile.access import horizon_of
from engine.reconcile.builds import Desired
from engine.reconcile.claiming import reserve_of
from engine.reconcile.consequences import consequences_of_the_end
from engine.reconcile.reaching import reach
from engine.reconcile.run import Run
from engine.reconcile.secrets import has_service_account
from engine.reconcile.sources import Outdated
from engine.reconcile.target import policy_of, remover_of
from engine.reconcile.view import live_view
from engine.telemetry import logger

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds; Flux polls every 2 s


async def finalize(ks: Kustomization, run: Run) -> None:
    """Deletes what the Kustomization owns, if its policy says so.  Raises PruneFailed."""
    run.engine.clusters.release(run.turn.key)
    inventory = parse_inventory(run.status)
    revision = str(run.status.get("lastAppliedRevision", ""))
    run.told = {"revision": revision} if revision else {}
    if ks.spec.suspend or not inventory or not is_wanted(ks):
        return
    await reach(ks, run)  # ReconciliationFailed
    account = ks.spec.service_account_name or run.engine.settings.default_service_account
    if not await has_service_account(ks.metadata.namespace, account, run):
        run.emit(
            "Warning",
            "PruneFailed",
            f"unable to prune objects: service account '{account}' not found:\n"
            + "\n".join(str(ref) for ref in inventory),
            run.told,
        )
        return
    _check_dependants(ks, run)
    if not run.engine.reservations.is_current(run.turn.key):
        raise Outdated("what was changed just before the deletion has not been told yet")
    nothing = Desired()
    executor, policy = remover_of(ks, run, nothing), replace(policy_of(ks, run), prune=True)
    live = await live_view(nothing, inventory, executor, run)
    reserve = await reserve_of(inventory, ks.timeout, executor, run, is_last=True)
    plan = make_plan([], live, inventory, policy, reserve)
    check_brake(plan, await consequences_of_the_end(plan, inventory, run), revision)
    pruned = await prune(plan, executor, reserve)
    lines = told(pruned.done)
    if lines:
        run.emit("Normal", PROGRESSING, lines_of(lines), run.told)
    run.status["inventory"] = format_inventory(pruned.left())
    if pruned.survivors:
        raise PruneFailed(f"pruning for deleted resource failed: {messages_of(pruned.survivors)}")
    if pruned.deferred:
        listed = "\n".join(
            f"{ref} stays for now: {why}" for ref, (_, why) in pruned.deferred.items()
        )
        after = run.engine.reservations.remaining(run.turn.key)
        raise PrunePending(listed, retry_after=after)
    if ks.spec.deletion_policy == "WaitForTermination":
        deleted = [done for done in lines if done.outcome is Outcome.DELETED]
        await _wait_gone(deleted, ks.timeout, executor, run)


def is_wanted(ks: Kustomization) -> bool:
    """Whether the objects are to be deleted with the Kustomization."""
    policy = ks.spec.deletion_policy
    return ks.spec.prune if policy == "MirrorPrune" else policy != "Orphan"


def _check_dependants(ks: Kustomization, run: Run) -> None:
    """Raises PrunePending while others must be deleted first, Outdated while that may yet come."""
    reservations = run.engine.reservations
    first, after = reservations.dependants(run.turn.key, ks.timeout)
    if not first:
        return
    horizon = horizon_of(run.given, run.engine.settings.default_service_account)
    named = listed(first, horizon, most=len(first))
    if not all(map(reservations.is_deleted, first)):
        raise Outdated(f"{named} may be deleted by the same command")
    text = f"the objects are deleted once {named}, which depend on this, are deleted"
    raise PrunePending(text, retry_after=after)


async def _wait_gone(deleted: Sequence[Done], limit: float, executor: Executor, run: Run) -> None:
    """Returns when nothing is left or the time is over: then the finalizer goes all the same."""
    deadline, pause = executor.clock.monotonic() + limit, _FIRST_PAUSE
    left = list(deleted)

    async def is_left(done: Done) -> bool:
        ref, discovery = done.ref, executor.client.discovery
        try:
            resource = await discovery.existing(ref.group, done.version, ref.kind)
        except UnknownKind:
            return False
        found = await executor.client.get(resource, ref.namespace, ref.name)
        return (
            found is not None
            and found["metadata"]["uid"] == (done.live or found)["metadata"]["uid"]
        )

    async with run.turn.yielded():
        while True:
            states = await each(left, is_left, executor.in_flight)
            left = [done for done, state in zip(left, states, strict=True) if state is not False]
            if not left:
                return
            if executor.clock.monotonic() > deadline:
                break
            await executor.clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
    listed = ", ".join(str(done.ref) for done in left)
    text = f"failed to wait for resources termination: timeout waiting for: [{listed}]"
    logger.error("%s", text)
    run.emit("Warning", "PruneFailed", text, run.told)
