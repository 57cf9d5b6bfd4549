"""What a commit would change in each Kustomization of a repository, without a cluster."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from engine.apply.prediction import Prediction, Prospect
from engine.objects.ref import Object, Ref
from engine.plan.drift import differences
from engine.plan.policy import Owner, is_kept, labelled
from engine.reconcile.deletion import is_wanted
from engine.rehearsal.rehearsal import Part

_UNKNOWN: Final = "what it was is not known: the older side cannot be built"

Key: TypeAlias = tuple[str, Ref]
"""(cluster, Kustomization)"""


@dataclass(frozen=True, slots=True)
class Change:
    """One Kustomization.   before, after: None if it is not there then."""

    key: Key
    before: Part | None
    after: Part | None
    predictions: tuple[Prediction, ...]

    @property
    def title(self) -> str:
        """`clusters/prod: Kustomization/flux-system/apps`."""
        cluster, ref = self.key
        return f"{cluster}: {ref}" if cluster else str(ref)


def comparison(before: Sequence[Part], after: Sequence[Part]) -> list[Change]:
    """What is another in `after`, for every Kustomization that is in either, in order."""
    old, new = _by_key(before), _by_key(after)
    owners = {
        (part.place, ref): part.ref for part in after for ref in _objects(part)
    }  # {(where, object): who wants it}
    changes = []
    for key in sorted({*old, *new}):
        one, other = old.get(key), new.get(key)
        found = tuple(_predictions(one, other, owners))
        changes.append(Change(key, one, other, found))
    return changes


def _by_key(parts: Sequence[Part]) -> dict[Key, Part]:
    return {(part.cluster, part.ref): part for part in parts}


def _predictions(
    before: Part | None, after: Part | None, owners: Mapping[Any, Ref]
) -> Iterator[Prediction]:
    old, new = _objects(before), _objects(after)
    if after is not None and after.rendered is None:
        return  # what it would be is not known
    if before is not None and before.rendered is None:
        for ref, obj in sorted(new.items(), key=lambda item: item[0]):
            yield Prediction(ref, Prospect.CONFIGURED, (), _UNKNOWN, after=obj)
        return
    for ref in sorted({*old, *new}):
        if ref not in old:
            yield Prediction(ref, Prospect.CREATED, after=new[ref])
        elif ref in new:
            found = tuple(differences(old[ref], new[ref]))
            prospect = Prospect.CONFIGURED if found else Prospect.UNCHANGED
            yield Prediction(ref, prospect, found, "", old[ref], new[ref])
        else:
            heir = owners.get((before.place, ref)) if before is not None else None
            why = f"{heir} takes it over" if heir else _why_kept(old[ref], before, after)
            prospect = Prospect.KEPT if why else Prospect.DELETED
            yield Prediction(ref, prospect, (), why, old[ref])


def _why_kept(obj: Object, before: Part | None, after: Part | None) -> str:
    """Why what left Git is not deleted, "" if it is: its Kustomization as it is then decides."""
    if is_kept(obj):
        return "it is protected"
    if after is not None and after.ks is not None:
        return "" if after.ks.spec.prune else "prune is off"
    if before is not None and before.ks is not None and not is_wanted(before.ks):
        return "its Kustomization leaves what it made"
    return ""


def _objects(part: Part | None) -> dict[Ref, Object]:
    """The objects with their owner's labels."""
    if part is None or part.rendered is None:
        return {}
    owner = Owner(part.ref.name, part.ref.namespace)
    return {each.ref: labelled(each.obj, owner) for each in part.rendered.objects}
