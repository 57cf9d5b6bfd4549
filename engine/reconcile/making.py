"""What a run has applied counts for others at once, not only when a watch tells of it."""

from engine.api.meta import KUSTOMIZE_GROUP, SOURCE_GROUP
from engine.apply import ChangeSet, Outcome
from engine.objects.labels import selector_test
from engine.objects.ref import Object
from engine.reconcile.run import Run

_KINDS = (KUSTOMIZE_GROUP, "Kustomization"), (SOURCE_GROUP, "GitRepository")
_WRITTEN = Outcome.CREATED, Outcome.CONFIGURED


def hand_over(changes: ChangeSet, run: Run) -> None:
    """Labels have changed hands: wakes who waited for that.

    First the Kustomizations and sources that were written are queued and have a say: others could
    else delete what a new one is to take over, before a watch has told of it.
    """
    if run.cluster is run.engine.clusters.own:
        for done in changes.done:
            is_kind = (done.ref.group, done.ref.kind) in _KINDS
            if is_kind and done.outcome in _WRITTEN and done.live and _is_watched(done.live, run):
                run.engine.triggers.changed(done.live)
    run.engine.reservations.applied(run.turn.key)


def _is_watched(obj: Object, run: Run) -> bool:
    """Whether this engine's own watch would tell of it; of another shard's it must not know."""
    settings, metadata = run.engine.settings, obj["metadata"]
    is_near = settings.watch_all_namespaces or (
        metadata.get("namespace", "") == settings.runtime_namespace
    )
    return is_near and selector_test(settings.watch_label_selector)(metadata.get("labels") or {})
