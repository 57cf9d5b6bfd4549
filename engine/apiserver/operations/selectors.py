"""Label and field selectors of lists, watches and deletecollection.

Source: apimachinery labels.Parse and fields.ParseSelector.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.apiserver.errors import bad_request
from engine.objects.ref import Object

_TERM = re.compile(
    r"""\s*(?:
      !\s*(?P<absent>[A-Za-z0-9][-A-Za-z0-9_./]*)
    | (?P<key>[A-Za-z0-9][-A-Za-z0-9_./]*)
      (?:\s*(?P<op>==|!=|=|>|<)\s*(?P<value>[-A-Za-z0-9_.]*)
       | \s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\)
      )?
    )\s*(?:,|$)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term of a label selector; operator: in, notin, exists, absent, > or <."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels fulfil this term; `notin` holds where the label is missing."""
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case "exists":
                return value is not None
            case "absent":
                return value is None
        return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        try:
            left, right = int(value), int(next(iter(self.values)))
        except ValueError:
            return False
        return left > right if self.operator == ">" else left < right


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All terms must hold; without any it matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, obj: Object) -> bool:
        """Whether the object's labels fulfil every term."""
        if not self.requirements:
            return True
        labels = obj["metadata"].get("labels") or {}
        return all(requirement.matches(labels) for requirement in self.requirements)


def parse_labels(text: str) -> LabelSelector:
    """The selector of `a=b,c in (d,e),!f`.  Raises Refused (400)."""
    requirements, position = [], 0
    while position < len(text):
        term = _TERM.match(text, position)
        if term is None or term.end() == position:
            raise bad_request(
                f"unable to parse requirement: found {text[position:]!r},"
                f" in label selector {text!r}"
            )
        requirements.append(_requirement(term))
        position = term.end()
    return LabelSelector(tuple(requirements))


def _requirement(term: re.Match[str]) -> Requirement:
    if term["absent"]:
        return Requirement(term["absent"], "absent")
    if term["set"]:
        values = frozenset(value.strip() for value in term["values"].split(","))
        return Requirement(term["key"], term["set"], values)
    if not term["op"]:
        return Requirement(term["key"], "exists")
    operator = {"=": "in", "==": "in", "!=": "notin"}.get(term["op"], term["op"])
    return Requirement(term["key"], operator, frozenset((term["value"],)))


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One term of a field selector: path, wanted value, and whether it must differ."""

    path: str
    value: str
    negated: bool
    read: Callable[[Object], str]

    def matches(self, obj: Object) -> bool:
        """Whether the object's field fulfils this term."""
        return (self.read(obj) == self.value) != self.negated


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All terms must hold; without any it matches everything."""

    terms: tuple[FieldTerm, ...] = ()

    def matches(self, obj: Object) -> bool:
        """Whether every term holds."""
        return all(term.matches(obj) for term in self.terms)


_ANY = ("metadata.name", "metadata.namespace")
_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_EVENTS = (
    *(f"involvedObject.{name}" for name in _INVOLVED),
    *(f"regarding.{name}" for name in _INVOLVED),
    "reason",
    "reportingComponent",
    "reportingController",
    "source",
    "type",
)
SELECTABLE: Mapping[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
    "services": ("spec.clusterIP", "spec.type"),
    "events": _EVENTS,
    "replicasets.apps": ("status.replicas",),
    "replicationcontrollers": ("status.replicas",),
    "jobs.batch": ("status.successful",),
    "certificatesigningrequests.certificates.k8s.io": ("spec.signerName",),
}
"""Fields of built-in kinds beside name and namespace that a selector may name."""

# Where a field is kept under another name than the selector gives it.
_KEPT_AT = {
    "source": ("source", "component"),
    "reportingController": ("reportingComponent",),
    "status.successful": ("status", "succeeded"),
}


def parse_fields(text: str, resource: str, extra: tuple[str, ...] = ()) -> FieldSelector:
    """The selector of `metadata.name=a,status.phase!=b`.

    extra: paths that a CRD declares as selectable.  Raises Refused (400) for any other field.
    """
    allowed = (*_ANY, *SELECTABLE.get(resource, ()), *extra)
    terms = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        found = re.fullmatch(r"([^=!]+?)\s*(!=|==|=)\s*(.*)", part)
        if found is None:
            raise bad_request(f"invalid selector: {text!r}; can't understand {part!r}")
        path, operator, value = found.groups()
        if path not in allowed:
            raise bad_request(_unknown_field(path, resource, extra))
        terms.append(FieldTerm(path, value, operator == "!=", _reader(path)))
    return FieldSelector(tuple(terms))


def _unknown_field(path: str, resource: str, extra: tuple[str, ...]) -> str:
    # Kinds with fields of their own, and CRDs, answer in other words than the rest.
    if resource in SELECTABLE or extra or "." in resource:
        return f"field label not supported: {path}"
    return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'


def _reader(path: str) -> Callable[[Object], str]:
    steps = _KEPT_AT.get(path) or tuple(path.replace("regarding.", "involvedObject.").split("."))

    def read(obj: Object) -> str:
        value: Any = obj
        for step in steps:
            value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, bool):
            return str(value).lower()
        return "" if value is None else str(value)

    return read
