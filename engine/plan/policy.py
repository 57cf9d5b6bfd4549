"""What annotations, labels and the Kustomization's spec say about single objects."""

from dataclasses import dataclass
from typing import Any

from engine.api.meta import (
    DISABLED,
    ENABLED,
    FORCE,
    KUSTOMIZE_OWNER_NAME,
    KUSTOMIZE_OWNER_NAMESPACE,
    PRUNE,
    RECONCILE,
    SSA,
    SSA_IGNORE,
    SSA_MERGE,
    has_mark,
)
from engine.objects.ref import Object

OWNER_LABELS = (KUSTOMIZE_OWNER_NAME, KUSTOMIZE_OWNER_NAMESPACE)


@dataclass(frozen=True, slots=True)
class Owner:
    """The Kustomization that objects belong to."""

    name: str
    namespace: str

    def labels(self) -> dict[str, str]:
        """The labels that every applied object carries."""
        return dict(zip(OWNER_LABELS, (self.name, self.namespace), strict=True))

    def owns(self, live: Object) -> bool:
        """Whether the live object carries this owner's labels."""
        labels = live["metadata"].get("labels") or {}
        return all(labels.get(key) == value for key, value in self.labels().items())


@dataclass(frozen=True, slots=True)
class Policy:
    """How one Kustomization plans.

    custom: `group/Kind` of the custom stage.  brake: whether mass deletions are held back;
    approved: digest of the deletions that a person approved, "" = none.
    """

    owner: Owner
    prune: bool = True
    force: bool = False
    custom: frozenset[str] = frozenset()
    brake: bool = True
    approved: str = ""


def labelled(obj: Object, owner: Owner) -> dict[str, Any]:
    """The object with its owner's labels."""
    metadata = dict(obj["metadata"])
    metadata["labels"] = {**(metadata.get("labels") or {}), **owner.labels()}
    return {**obj, "metadata": metadata}


def is_unmanaged(obj: Object | None) -> bool:
    """Whether the object asks to be left alone: neither applied nor pruned."""
    return _is_marked(obj, RECONCILE, DISABLED) or _is_marked(obj, SSA, SSA_IGNORE)


def is_kept(live: Object) -> bool:
    """Whether the live object must never be pruned."""
    return is_unmanaged(live) or has_mark(live, PRUNE, DISABLED)


def is_forced(desired: Object, live: Object | None, policy: Policy) -> bool:
    """Whether the object may be deleted and created anew when a field is immutable."""
    marked = has_mark(desired, FORCE, ENABLED) or _is_marked(live, FORCE, ENABLED)
    return policy.force or marked


def is_merged(desired: Object, live: Object | None) -> bool:
    """Whether fields of other managers are kept (`ssa: Merge`)."""
    return has_mark(desired, SSA, SSA_MERGE) or _is_marked(live, SSA, SSA_MERGE)


def _is_marked(obj: Object | None, key: str, value: str) -> bool:
    return obj is not None and has_mark(obj, key, value)
