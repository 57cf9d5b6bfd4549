"""Repair references to resources whose names have changed.

Source: kustomize api/filters/nameref, api/internal/accumulator/namereferencetransformer.go.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.fields import FieldSpec, change_fields
from engine.render.kustomize.ids import Gvk
from engine.render.kustomize.references import NameReference
from engine.render.kustomize.resmap import ResMap
from engine.render.kustomize.resource import Resource
from engine.render.kustomize.scalars import text_of

Alike = Callable[[Sequence[Resource]], bool]


def fix_references(resources: ResMap, references: Iterable[NameReference]) -> None:
    """Write today's names wherever a resource is named by an earlier one.

    Raises KustomizeError if an earlier name could mean several resources.
    """
    renamed = [resource for resource in resources if resource.history]
    if not renamed:
        return
    by_kind: dict[str, list[tuple[FieldSpec, Gvk]]] = {}
    for reference in references:
        for spec in reference.referrers:
            by_kind.setdefault(spec.gvk.kind, []).append((spec, reference.target))
    for referrer in resources:
        candidates = _reachable(referrer, renamed)
        original = referrer.original_id.gvk
        for spec, target in [*by_kind.get(original.kind, ()), *by_kind.get("", ())]:
            if original.is_selected_by(spec.gvk):
                _Repair(referrer, spec, target, candidates).run()


def _reachable(referrer: Resource, renamed: list[Resource]) -> list[Resource]:
    """Those that the referrer could name: of its namespace, of none, or a binding's subjects."""
    own = referrer.id
    if own.is_cluster:
        return renamed
    namespaces = _subject_namespaces(referrer)
    return [
        resource
        for resource in renamed
        if resource.id.is_cluster
        or resource.id.effective_namespace == own.effective_namespace
        or resource.namespace in namespaces
    ]


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
                raise KustomizeError(f"namespace of a subject is blank in {referrer.id}")
            found.add(subject["namespace"])
    return found


@dataclass(frozen=True, slots=True)
class _Repair:
    """One field of one referrer, and the renamed resources that it could name."""

    referrer: Resource
    spec: FieldSpec
    target: Gvk
    candidates: list[Resource]

    def run(self) -> None:
        # The referrer's kind was selected by its first id; today's kind may be another.
        spec = FieldSpec(self.spec.path, self.referrer.gvk, self.spec.create)
        change_fields(self.referrer, (spec,), self._field)

    def _field(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item if item is None else self._entry(item) for item in value]
        return value if value is None else self._entry(value)

    def _entry(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self._map(value)
        if isinstance(value, list):
            raise KustomizeError(f"{value!r} is expected to be a name or a map with a name")
        referral = self._referral(text_of(value), self.candidates, _same_names)
        return value if referral is None else referral.name

    def _map(self, value: dict[str, Any]) -> dict[str, Any]:
        if "name" not in value:
            raise KustomizeError("path config error; no 'name' field in node")
        candidates = self._in_named_namespace(value)
        referral = self._referral(text_of(value["name"]), candidates, _same_names_and_namespaces)
        if referral is None:
            return value
        value["name"] = referral.name
        if referral.namespace:
            value["namespace"] = referral.namespace
        return value

    def _in_named_namespace(self, value: dict[str, Any]) -> list[Resource]:
        if "namespace" not in value:
            return self.candidates
        namespace = text_of(value["namespace"])
        before = [r for r in self.candidates if r.original_id.effective_namespace == namespace]
        return before or [r for r in self.candidates if r.id.effective_namespace == namespace]

    def _referral(self, name: str, candidates: Iterable[Resource], alike: Alike) -> Resource | None:
        """The one resource that is meant, None if there is none."""
        found = [r for r in candidates if self._could_mean(r, name)]
        if len(found) == 1:
            return found[0]
        found = [r for r in found if self._has_same_ends(r, is_empty_equal=True)]
        if len(found) > 1:
            found = [r for r in found if self._has_same_ends(r, is_empty_equal=False)]
        if len(found) > 1 and not alike(found):
            names = ", ".join(f"{r.id} ({r.position})" for r in found)
            raise KustomizeError(f"found multiple possible referrals to {name!r}: {names}")
        return found[0] if found else None

    def _could_mean(self, resource: Resource, name: str) -> bool:
        previous = resource.previous_ids
        if not any(item.name == name for item in previous):
            return False
        wanted = [self.target]
        if self.spec.path.endswith("roleRef/name") and (role := self._role()) is not None:
            wanted.append(role)
        return all(
            any(item.gvk.is_selected_by(gvk) for item in previous) for gvk in wanted
        ) and self._is_near(resource)

    def _role(self) -> Gvk | None:
        role = self.referrer.obj.get("roleRef")
        if not isinstance(role, dict) or "apiGroup" not in role or "kind" not in role:
            return None
        return Gvk(group=text_of(role["apiGroup"]), kind=text_of(role["kind"]))

    def _is_near(self, resource: Resource) -> bool:
        own, other = self.referrer.id, resource.id
        if own.is_cluster or other.is_cluster or resource.kind == "ServiceAccount":
            return True
        return own.effective_namespace == other.effective_namespace

    def _has_same_ends(self, other: Resource, *, is_empty_equal: bool) -> bool:
        pairs = (
            (other.prefixes, self.referrer.prefixes),
            (other.suffixes, self.referrer.suffixes),
        )
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
