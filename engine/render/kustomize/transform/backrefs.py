"""Repair references to resources whose names have changed.

Source: kustomize api/filters/nameref, api/internal/accumulator/namereferencetransformer.go.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.render.kustomize.config.references import NameReference
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.fields import FieldSpec, change_field
from engine.render.kustomize.model.ids import Gvk, Id
from engine.render.kustomize.model.remembered import by_identity
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.model.scalars import described, text_of

Alike = Callable[[Sequence[Resource]], bool]


@dataclass(frozen=True, slots=True)
class _Known:
    """A resource and its ids, which stay the same while references are repaired."""

    resource: Resource
    id: Id
    previous: list[Id]

    @classmethod
    def of(cls, resource: Resource) -> "_Known":
        return cls(resource, resource.id, resource.previous_ids)

    @property
    def original(self) -> Id:
        return self.previous[0] if self.previous else self.id


class _Index:
    """All resources, by their earlier names and by the namespace that they began in."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.all = [_Known.of(resource) for resource in resources]
        self.by_name: dict[str, list[_Known]] = defaultdict(list)
        self.by_namespace: dict[str, list[_Known]] = defaultdict(list)
        for known in self.all:
            self.by_namespace[known.original.effective_namespace].append(known)
            for name in {previous.name for previous in known.previous}:
                self.by_name[name].append(known)


def fix_references(resources: ResMap, references: Sequence[NameReference]) -> None:
    """Write today's names wherever a resource is named by an earlier one.

    Raises KustomizeError if an earlier name could mean several resources.
    """
    index = _Index(resources)
    for referrer in index.all:
        original, resource = referrer.original.gvk, referrer.resource
        if not index.by_name:  # nothing has another name: only what is no reference is found
            gvk = referrer.id.gvk
            if resource.kind == "RoleBinding" and _about(references, original):
                _subject_namespaces(resource)
            for spec, _ in _of_kind(references, original.kind):
                if gvk.is_selected_by(spec.gvk):
                    change_field(resource, spec.path, _checked)
            continue
        namespaces = _subject_namespaces(resource)
        for spec, target in _about(references, original):
            repair = _Repair(referrer, spec.path, target, index, namespaces)
            change_field(resource, spec.path, repair)


_Referrers = Sequence[tuple[FieldSpec, Gvk]]
"""(a field that may name a resource, the kind that it names)."""


@by_identity
def _about(references: Sequence[NameReference], gvk: Gvk) -> _Referrers:
    """The fields of the kind."""
    return [each for each in _of_kind(references, gvk.kind) if gvk.is_selected_by(each[0].gvk)]


@by_identity
def _of_kind(references: Sequence[NameReference], kind: str) -> _Referrers:
    """The fields of the kind, whatever its group and version, and of those that any kind has."""
    every = [(spec, each.target) for each in references for spec in each.referrers]
    return [
        *(each for each in every if each[0].gvk.kind == kind),
        *(each for each in every if not each[0].gvk.kind),
    ]


def _checked(value: Any) -> Any:
    """The value of a field that names a resource.  Raises KustomizeError if it cannot be one."""
    for item in value if isinstance(value, list) else (value,):
        _check_entry(item)
    return value


def _check_entry(value: Any) -> None:
    if isinstance(value, list):
        raise KustomizeError(f"a name or a map with a name was expected, got {described(value)}")
    if isinstance(value, dict) and "name" not in value:
        raise KustomizeError("path config error; no 'name' field in node")


def _subject_namespaces(referrer: Resource) -> set[str]:
    subjects = referrer.obj.get("subjects")
    if referrer.kind != "RoleBinding" or not isinstance(subjects, list):
        return set()
    found = set()
    for subject in subjects:
        if not isinstance(subject, dict) or subject.get("kind") != "ServiceAccount":
            continue
        if "namespace" in subject:
            if not isinstance(subject["namespace"], str):
                raise KustomizeError(
                    f"the namespace of a subject is blank in {referrer.id} ({referrer.position}): "
                    "name one, or leave the field out"
                )
            found.add(subject["namespace"])
    return found


@dataclass(frozen=True, slots=True)
class _Repair:
    """One field of one referrer, and the resources that it could name.

    path: of the field.  namespaces: those of a role binding's subjects.
    """

    referrer: _Known
    path: str
    target: Gvk
    index: _Index
    namespaces: set[str]

    def __call__(self, value: Any) -> Any:
        """The value of the field, with today's names."""
        if isinstance(value, list):
            return [item if item is None else self._entry(item) for item in value]
        return value if value is None else self._entry(value)

    def _entry(self, value: Any) -> Any:
        _check_entry(value)
        if isinstance(value, dict):
            return self._map(value)
        name = text_of(value)
        referral = self._referral(name, self.index.by_name.get(name, ()), _same_names)
        return value if referral is None else referral.name

    def _map(self, value: dict[str, Any]) -> dict[str, Any]:
        name = text_of(value["name"])
        candidates: Iterable[_Known] = self.index.by_name.get(name, ())
        if "namespace" in value:
            candidates = self._in_namespace(candidates, text_of(value["namespace"]))
        referral = self._referral(name, candidates, _same_names_and_namespaces)
        if referral is None:
            return value
        value["name"] = referral.name
        if referral.namespace:
            value["namespace"] = referral.namespace
        return value

    def _in_namespace(self, candidates: Iterable[_Known], namespace: str) -> list[_Known]:
        """Those that began in the namespace; if nothing did, those that are there now."""
        if any(self._can_reach(known) for known in self.index.by_namespace.get(namespace, ())):
            return [k for k in candidates if k.original.effective_namespace == namespace]
        return [k for k in candidates if k.id.effective_namespace == namespace]

    def _referral(self, name: str, candidates: Iterable[_Known], alike: Alike) -> Resource | None:
        """The one resource that is meant, None if there is none."""
        found = [known.resource for known in candidates if self._could_mean(known)]
        if len(found) == 1:
            return found[0]
        found = [r for r in found if self._has_same_ends(r, is_empty_equal=True)]
        if len(found) > 1:
            found = [r for r in found if self._has_same_ends(r, is_empty_equal=False)]
        if len(found) > 1 and not alike(found):
            names = ", ".join(f"{r.id} ({r.position})" for r in found)
            raise KustomizeError(f"found multiple possible referrals to {name!r}: {names}")
        return found[0] if found else None

    def _could_mean(self, known: _Known) -> bool:
        """True if the kind is right and the resource near enough."""
        wanted = [self.target]
        if self.path.endswith("roleRef/name") and (role := self._role()) is not None:
            wanted.append(role)
        is_right = all(any(id_.gvk.is_selected_by(gvk) for id_ in known.previous) for gvk in wanted)
        return is_right and self._can_reach(known) and self._is_near(known)

    def _role(self) -> Gvk | None:
        role = self.referrer.resource.obj.get("roleRef")
        if not isinstance(role, dict) or "apiGroup" not in role or "kind" not in role:
            return None
        return Gvk(group=text_of(role["apiGroup"]), kind=text_of(role["kind"]))

    def _can_reach(self, known: _Known) -> bool:
        """True if either has no namespace, or both the same, or it is one of a binding's."""
        own, other = self.referrer.id, known.id
        return (
            own.is_cluster
            or other.is_cluster
            or own.effective_namespace == other.effective_namespace
            or other.namespace in self.namespaces
        )

    def _is_near(self, known: _Known) -> bool:
        own, other = self.referrer.id, known.id
        if own.is_cluster or other.is_cluster or other.gvk.kind == "ServiceAccount":
            return True
        return own.effective_namespace == other.effective_namespace

    def _has_same_ends(self, other: Resource, *, is_empty_equal: bool) -> bool:
        own = self.referrer.resource
        pairs = ((other.prefixes, own.prefixes), (other.suffixes, own.suffixes))
        return all(
            (is_empty_equal and not (mine and theirs)) or _same_end(mine, theirs)
            for theirs, mine in pairs
        )


def _same_end(one: list[str], other: list[str]) -> bool:
    shorter = min(len(one), len(other))
    if not shorter:
        return len(one) == len(other)
    return one[-shorter:] == other[-shorter:]


def _same_names(resources: Sequence[Resource]) -> bool:
    return len({resource.name for resource in resources}) == 1


def _same_names_and_namespaces(resources: Sequence[Resource]) -> bool:
    return len({(resource.name, resource.namespace) for resource in resources}) == 1
