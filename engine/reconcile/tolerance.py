"""Drift that is left as it is, and a field that an autoscaler will take back: what is told of them.

Source: flux-behaviour 5.7 (reason DriftDetected); design section 3, rule 11.
"""

from collections.abc import Collection, Mapping

from engine.apply import ChangeSet, Outcome
from engine.apply.changes import Done
from engine.objects.redact import masker
from engine.objects.ref import Object, Ref
from engine.plan.drift import Difference, writer_of
from engine.plan.observation import Observation
from engine.plan.tolerance import ANNOTATION, Tolerance, left, tolerance
from engine.reconcile.builds import Desired
from engine.reconcile.run import Run
from engine.reconcile.telling import FIELDS, discreet, shown


def tolerated(
    known: Mapping[Ref, Observation], wanted: Mapping[Ref, Object], desired: Desired, run: Run
) -> tuple[frozenset[Ref], frozenset[Ref]]:
    """Of objects that are not as they should be: what stays so, and of that what is to be told.

    known: those objects that exist.  What is desired anew is not tolerated but applied.
    """
    claims, owner = run.cluster.claims, run.turn.key
    stays: set[Ref] = set()
    told: set[Ref] = set()
    for ref, found in known.items():
        content = desired.contents.get(ref)
        mode = tolerance(wanted[ref], run.given) if content is not None else Tolerance.CORRECT
        if content is None or mode is Tolerance.CORRECT:
            continue
        mark = left(content)
        if claims.is_settled(owner, ref, mark, found):
            stays.add(ref)
        elif _was_applied(owner, ref, content, desired, run):
            stays.add(ref)
            if mode is Tolerance.WARN:
                told.add(ref)
            else:
                claims.settle(owner, ref, mark, found.signature)
    return frozenset(stays), frozenset(told)


def _was_applied(owner: Ref, ref: Ref, content: bytes, desired: Desired, run: Run) -> bool:
    """Whether just this was applied before: by this engine, or by one before it."""
    claims = run.cluster.claims
    if claims.is_known(owner, ref, content) or claims.is_known(owner, ref, left(content)):
        return True
    history = (run.given.get("status") or {}).get("history") or [{}]
    newest = history[0]
    is_success = newest.get("lastReconciledStatus") == "ReconciliationSucceeded"
    return bool(is_success and desired.digest and newest.get("digest") == desired.digest)


def tell_left(changes: ChangeSet, desired: Desired, run: Run) -> None:
    """A Warning for each object that has drifted and is left so; it is not told again."""
    manager, hide = run.engine.settings.field_manager, masker(run.secrets)
    for done in changes.done:
        if done.outcome is not Outcome.LEFT or done.live is None:
            continue
        run.emit(
            "Warning", "DriftDetected", _described(discreet(done, hide), desired, manager), run.told
        )
        signature = run.cluster.live.observed(done.live).signature
        run.cluster.claims.settle(
            run.turn.key, done.ref, left(desired.contents[done.ref]), signature
        )


def _described(done: Done, desired: Desired, manager: str) -> str:
    fields = [standing(each, done.live or {}, manager) for each in done.differences[:FIELDS]]
    if len(done.differences) > FIELDS:
        fields.append(f"and {len(done.differences) - FIELDS} more fields")
    origin = desired.origins.get(done.ref)
    where = f" ({origin})" if origin else ""
    return (
        f"drift of {done.ref} left as it is{where}, because of the annotation {ANNOTATION}: "
        f"{'; '.join(fields) or 'a field that cannot be changed, or its field owners'}"
    )


def standing(difference: Difference, live: Object, manager: str) -> str:
    """How a field is, who wrote it, and what Git says."""
    writer = writer_of(live, difference, manager)
    by = f" (written by {writer})" if writer else ""
    is_live, in_git = (
        "absent" if value is None else shown(value)
        for value in (difference.live, difference.desired)
    )
    return f"{difference.path} is {is_live}{by}, in Git {in_git}"


def tell_scaled(changes: ChangeSet, desired: Desired, run: Run) -> None:
    """Says of each workload written that an autoscaler of the same build will scale it again."""
    written = {done.ref for done in changes.changed()}
    if run.is_correction or not written:
        return
    ignored = run.cluster.live.ignored
    spared = {Ref.of(obj) for obj in desired.objects if ("spec", "replicas") in ignored.of(obj)}
    for autoscaler, ref in _scaled(desired.objects, written):
        if ref not in spared:
            run.emit("Warning", "DriftDetected", _advice(autoscaler, ref), run.told)


def _scaled(objects: Collection[Object], written: set[Ref]) -> list[tuple[Ref, Ref]]:
    """(autoscaler, its workload) where `spec.replicas` of the workload is in Git."""
    fixed = {
        Ref.of(obj)
        for obj in objects
        if obj["apiVersion"].startswith("apps/")
        and (obj.get("spec") or {}).get("replicas") is not None
    }
    found: list[tuple[Ref, Ref]] = []
    for obj in objects:
        if obj["kind"] != "HorizontalPodAutoscaler":
            continue
        own, target = Ref.of(obj), (obj.get("spec") or {}).get("scaleTargetRef") or {}
        ref = Ref("apps", str(target.get("kind")), own.namespace, str(target.get("name")))
        if ref in fixed and written & {own, ref}:
            found.append((own, ref))
    return found


def _advice(autoscaler: Ref, ref: Ref) -> str:
    return (
        f"{ref} has spec.replicas in Git and {autoscaler} scales it: each will undo the other's "
        "change; remove spec.replicas from Git, or add /spec/replicas to spec.ignore"
    )
