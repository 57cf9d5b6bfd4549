"""Bring a cluster to the state that one Kustomization describes.  Read this file first.

The happy path, top to bottom; what goes wrong is raised in the stages and turned into a status by
`lifecycle.py`.  Order of steps: flux-behaviour 4.4.
"""

from engine.api.kustomize import Kustomization
from engine.apply import Executor, apply, prune
from engine.plan import Plan, planning
from engine.plan.brake import check_brake
from engine.plan.inventory import format_inventory, parse_inventory, union
from engine.plan.reservation import Reserve
from engine.reconcile.announcing import announce
from engine.reconcile.builds import Desired
from engine.reconcile.claiming import claim, reserve_of, stale_of
from engine.reconcile.consequences import consequences_of
from engine.reconcile.dependencies import ready_dependencies
from engine.reconcile.desired import rendered
from engine.reconcile.health import healthy_targets, targets_of
from engine.reconcile.outcome import Result
from engine.reconcile.reaching import reach
from engine.reconcile.run import Run
from engine.reconcile.sources import check_path, current_artifact, source_of
from engine.reconcile.target import check_supported, executor_of, policy_of
from engine.reconcile.telling import phase, success, tell_applied, tell_pruned
from engine.reconcile.tolerance import tell_left, tell_scaled
from engine.reconcile.untouched import keep_order, noted
from engine.reconcile.view import live_view
from engine.runtime.slices import stepwise, turn
from engine.telemetry import span


async def reconcile(ks: Kustomization, run: Run) -> Result:
    """Applies what the source holds, prunes what it no longer holds, and waits for health."""
    check_supported(ks)
    source = await source_of(ks, run)  # ArtifactFailed, AccessDenied
    run.told = source.told()
    ready_dependencies(ks, source, run)  # DependencyNotReady
    await run.progress(phase("Fetching manifests", ks, source), from_here=True)
    with span("fetch", revision=source.revision):
        artifact = await current_artifact(source, ks, run)  # ArtifactFailed
    check_path(artifact, ks)  # ArtifactFailed
    run.status["lastAttemptedRevision"] = source.revision
    await reach(ks, run)  # ReconciliationFailed
    if noted(ks, source, artifact, run):
        return success(ks, source, run)

    await run.progress(phase("Building manifests", ks, source))
    with span("render", path=ks.spec.path):
        desired = await rendered(artifact, ks, run)  # BuildFailed
    run.digest = desired.digest

    await run.progress(phase("Detecting drift", ks, source))
    executor = executor_of(ks, run, desired)  # ReconciliationFailed
    with span("plan"):
        await claim(desired, source.revision, executor, run)
        plan, reserve = await planned(desired, ks, executor, run)  # ReconciliationFailed
        check_brake(plan, await consequences_of(plan, run), source.revision)  # PruneFailed
        await announce(plan, desired, ks, executor, run)  # ReconciliationFailed
    await remember(plan, run)
    with span("apply", objects=len(plan.applies)):
        changes = await apply(plan, executor)  # ReconciliationFailed
    run.engine.reservations.applied(run.turn.key)
    await tell_applied(changes, desired, run)
    tell_left(changes, desired, run)
    tell_scaled(changes, desired, run)
    with span("prune", objects=len(plan.prunes)):
        pruned = await prune(plan, executor, reserve)
    await turn()
    run.status["inventory"] = format_inventory(union(pruned.left(), plan.inventory()))
    tell_pruned(pruned, run)  # PruneFailed

    targets = targets_of(ks, changes)
    with span("health", objects=len(targets)):
        # HealthCheckFailed, HealthCheckCanceled
        await healthy_targets(targets, desired, ks, source, executor, run)
    await turn()
    keep_order(ks, desired, run)
    return success(ks, source, run)


async def planned(
    desired: Desired, ks: Kustomization, executor: Executor, run: Run
) -> tuple[Plan, Reserve]:
    """What is to be done, and who else has a say before something is deleted."""
    inventory = parse_inventory(run.status)
    live = await live_view(desired, inventory, executor, run)
    stale = stale_of(inventory, desired.contents)
    reserve = await reserve_of(stale, ks.timeout, executor, run)
    steps = planning(desired.objects, live, inventory, policy_of(ks, run), reserve)
    return await stepwise(steps), reserve


async def remember(plan: Plan, run: Run) -> None:
    """Write the inventory ahead of the first create, old and new together: nothing can be orphaned.

    The write fails if anybody changed the object since it was read, which makes it the fence
    against a second engine (design section 6).
    """
    await turn()
    old = parse_inventory(run.status)
    both = union(old, plan.inventory())
    run.status["inventory"] = format_inventory(both)
    if both.keys() - old.keys():
        await run.write_ahead()
