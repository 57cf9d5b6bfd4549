"""What a run makes for this engine to reconcile counts at once, not when a watch tells of it."""

from collections.abc import Callable

from engine.api.meta import KUSTOMIZE_GROUP, SOURCE_GROUP
from engine.objects.labels import selector_test
from engine.objects.ref import Object, Ref
from engine.reconcile.run import Run

# In the versions that are watched: Git may have them in another one, and so is the answer then.
_KINDS = {
    (KUSTOMIZE_GROUP, "Kustomization"): f"{KUSTOMIZE_GROUP}/v1",
    (SOURCE_GROUP, "GitRepository"): f"{SOURCE_GROUP}/v1",
}


def teller(run: Run) -> Callable[[Ref, Object], None]:
    """What is told of each answer to a write: a Kustomization or source has its say from then on.

    Else others could delete what a new one is to take over, before a watch has told of it.
    """
    settings, triggers = run.engine.settings, run.engine.triggers
    is_own = run.cluster is run.engine.clusters.own
    is_ours = selector_test(settings.watch_label_selector)

    def tell(ref: Ref, answer: Object) -> None:
        version = _KINDS.get((ref.group, ref.kind))
        if not is_own or version != answer.get("apiVersion"):
            return
        # Of another shard's this engine must not know.
        is_near = settings.watch_all_namespaces or ref.namespace == settings.runtime_namespace
        if is_near and is_ours(answer["metadata"].get("labels") or {}):
            triggers.changed(answer)

    return tell
