"""`spec.ignore`: fields of our objects that others may change without being corrected.

A pointer (RFC 6901) names a field of the live object.  Below it nothing is drift, and what is
applied leaves the field as it is: it is left out where another manager holds it by Apply too, else
the live value is sent, as leaving it out would remove it (design section 3, rule 11).
Source: flux-behaviour 4.8; fluxcd/pkg ssa (drift ignore rules), ssa/jsondiff (selector).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.api.applier import IgnoreRule, Selector
from engine.errors import ReconciliationFailed
from engine.objects.labels import SelectorError, selector_test
from engine.objects.ref import Object, Ref, version_of
from engine.objects.regex import InvalidExpression, compiled
from engine.plan.observation import owned_fields
from engine.plan.policy import OWNER_LABELS
from engine.plan.projection import selects

Pointer = tuple[str, ...]
"""The steps of a JSON pointer."""

Fields = Mapping[str, Any]
"""Decoded fieldsV1."""

_ABSENT: Final = object()
_MOST_TEXT: Final = 64 * 1024
_MOST_LOOKS: Final = 500_000
"""Rules and paths times objects: half a second, in which nobody else has a turn."""


class Ignored:
    """The pointers of each object, by what its owner last said; empty for almost all.

    An object's owner is the one that its labels name: nobody else has fields of it ignored.
    """

    def __init__(self) -> None:
        # {name and namespace of the owner: {object: pointers}}
        self._of: dict[tuple[str, str], dict[Ref, tuple[Pointer, ...]]] = {}

    def set(self, owner: Ref, found: Mapping[Ref, tuple[Pointer, ...]]) -> frozenset[Ref]:
        """From here on these hold for the objects of `owner`; the objects for which that is news.

        What was seen of these objects before was seen with other eyes.
        """
        key = owner.name, owner.namespace
        before = self._of.pop(key, {})
        if found:
            self._of[key] = dict(found)
        touched = before.keys() | found.keys()
        return frozenset(ref for ref in touched if before.get(ref, ()) != found.get(ref, ()))

    def of(self, obj: Object) -> tuple[Pointer, ...]:
        """The pointers of an object, desired or live, with the labels of its owner."""
        if not self._of:
            return ()
        labels = obj["metadata"].get("labels") or {}
        owner = labels.get(OWNER_LABELS[0], ""), labels.get(OWNER_LABELS[1], "")
        return self._of.get(owner, {}).get(Ref.of(obj), ())

    def is_any(self, ref: Ref) -> bool:
        """Whether somebody who wants the object has fields of it ignored."""
        return any(ref in pointers for pointers in self._of.values())

    def spare(self, obj: Object) -> Callable[[Fields], Fields] | None:
        """What takes the ignored fields out of those that we own; None if there are none."""
        pointers = self.of(obj)
        if not pointers:
            return None
        return lambda owned: spared(owned, obj, pointers)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Ignored in {sum(map(len, self._of.values()))} objects>"


def ignored_fields(
    rules: Sequence[IgnoreRule], desired: Iterable[Object]
) -> dict[Ref, tuple[Pointer, ...]]:
    """The pointers of each object that a rule matches.

    Raises ReconciliationFailed for a rule that cannot be understood.
    """
    if not rules:
        return {}
    wanted = list(desired)
    if sum(map(_length, rules)) > _MOST_TEXT:
        raise ReconciliationFailed(
            f"spec.ignore: its targets have more than {_MOST_TEXT // 1024} KiB of text in all: "
            "name the objects by expressions"
        )
    cost = (len(rules) + sum(len(rule.paths) for rule in rules)) * len(wanted)
    if cost > _MOST_LOOKS:
        raise ReconciliationFailed(
            f"spec.ignore: {len(rules)} rules with their paths are too many for {len(wanted)} "
            f"objects (at most {_MOST_LOOKS:,} looks): give several paths to one rule, or split "
            "the Kustomization"
        )
    compiled_rules = [_Rule.of(rule, index) for index, rule in enumerate(rules)]
    found: dict[Ref, tuple[Pointer, ...]] = {}
    for obj in wanted:
        pointers = [p for rule in compiled_rules if rule.matches(obj) for p in rule.pointers]
        if pointers:
            found[Ref.of(obj)] = tuple(dict.fromkeys(pointers))
    return found


def _length(rule: IgnoreRule) -> int:
    names = (*_PARTS, "label_selector", "annotation_selector")
    return sum(len(getattr(rule.target, name)) for name in names) if rule.target else 0


@dataclass(frozen=True, slots=True)
class _Rule:
    pointers: tuple[Pointer, ...]
    tests: tuple[Callable[[Object], bool], ...]

    @classmethod
    def of(cls, rule: IgnoreRule, index: int) -> "_Rule":
        where = f"spec.ignore[{index}]"
        pointers = tuple(_pointer(text, where) for text in rule.paths)
        return cls(pointers, tuple(_tests(rule.target, where)) if rule.target else ())

    def matches(self, obj: Object) -> bool:
        return all(test(obj) for test in self.tests)


def _pointer(text: str, where: str) -> Pointer:
    if not text.startswith("/"):
        raise ReconciliationFailed(
            f"{where}.paths: {text!r} is not a JSON pointer: it must begin with a slash, as in "
            "/spec/replicas"
        )
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/"))


def _tests(target: Selector, where: str) -> Iterable[Callable[[Object], bool]]:
    for name, read in _PARTS.items():
        pattern = getattr(target, name)
        if pattern:
            yield _part_test(pattern, read, f"{where}.target.{name}")
    for name, field in (("label_selector", "labels"), ("annotation_selector", "annotations")):
        text = getattr(target, name)
        if text:
            yield _marks_test(text, field, f"{where}.target.{name.replace('_s', 'S')}")


_PARTS: Final[dict[str, Callable[[Object], str]]] = {
    "namespace": lambda obj: obj["metadata"].get("namespace") or "",
    "name": lambda obj: str(obj["metadata"]["name"]),
    "group": lambda obj: str(obj["apiVersion"]).rpartition("/")[0],
    "version": version_of,
    "kind": lambda obj: str(obj["kind"]),
}


def _part_test(pattern: str, read: Callable[[Object], str], where: str) -> Callable[[Object], bool]:
    try:
        expression = compiled(pattern)
    except InvalidExpression as error:
        raise ReconciliationFailed(f"{where}: {error}") from error
    return lambda obj: expression.fullmatch(read(obj)) is not None


def _marks_test(text: str, field: str, where: str) -> Callable[[Object], bool]:
    try:
        test = selector_test(text)
    except SelectorError as error:
        raise ReconciliationFailed(f"{where}: {error}") from error
    return lambda obj: test(obj["metadata"].get(field) or {})


def spared(owned: Fields, obj: Object, pointers: Iterable[Pointer]) -> Fields:
    """The owned fields without those at the pointers, and without what is below them."""
    for pointer in pointers:
        owned = _without(owned, obj, pointer)
    return owned


def _without(owned: Fields, value: Any, pointer: Pointer) -> Fields:
    element = _element(owned, value, pointer[0])
    if element is None:
        return owned
    rest = {key: below for key, below in owned.items() if key != element}
    if len(pointer) > 1:
        below = _without(owned[element], _child(value, pointer[0]), pointer[1:])
        if below or not owned[element]:  # an empty set would mean the whole value
            return {**owned, element: below}
    return rest


def _element(owned: Fields, value: Any, step: str) -> str | None:
    """The element of fieldsV1 that a step leads to, None if it is not owned."""
    if isinstance(value, list):
        item = _child(value, step)
        found = (key for key in owned if key[:2] in ("k:", "v:") and selects(key, item))
        return next(found, None) if item is not _ABSENT else None
    name = f"f:{step}"
    return name if name in owned else None


def _child(value: Any, step: str) -> Any:
    if isinstance(value, list):
        is_there = step.isdecimal() and int(step) < len(value)
        return value[int(step)] if is_there else _ABSENT
    return value.get(step, _ABSENT) if isinstance(value, Mapping) else _ABSENT


def yielded(
    desired: Object, live: Object, pointers: Iterable[Pointer], manager: str
) -> dict[str, Any]:
    """What to apply so that the ignored fields of the live object stay as they are.

    It carries the resourceVersion: a value that somebody writes meanwhile must not be undone.
    """
    own = owned_fields(live, manager) or {}
    others = [
        entry.get("fieldsV1") or {}
        for entry in live["metadata"].get("managedFields") or ()
        if entry.get("operation") == "Apply"
        and entry.get("manager") != manager
        and not entry.get("subresource")
    ]
    body: Any = desired
    for pointer in pointers:
        body = _yielded(body, live, pointer, own, others)
    return _identified(body, desired, live)


def _yielded(
    desired: Any, live: Any, pointer: Pointer, own: Fields, others: Sequence[Fields]
) -> Any:
    """The desired value with what the pointer leads to as it is live.

    An item of a list that is not ours is none of ours to leave as it is.
    """
    step, element = pointer[0], _element(own, live, pointer[0])
    is_keyed = any(name[:2] in ("k:", "v:") for name in own)
    place = None if is_keyed and element is None else _place(desired, live, step, element)
    if place is None:
        return desired
    held = [fields[name] for fields in others if (name := _element(fields, live, step))]
    found, wanted = _child(live, step), _child(desired, place)
    if len(pointer) > 1:
        if wanted is _ABSENT:
            if element is None or not isinstance(found, Mapping):
                return desired
            wanted = {}
        below = own.get(element or "", {})
        value = _yielded(wanted, found, pointer[1:], below, held)
        return desired if value == wanted else _with(desired, place, value)
    if wanted is _ABSENT and element is None:
        return desired
    return _with(desired, place, _ABSENT if held else found)


def _place(desired: Any, live: Any, step: str, element: str | None) -> str | None:
    """Where in the desired value the step leads to; an item of a list by what identifies it."""
    if isinstance(desired, list):
        if element is None or not isinstance(live, list):
            # A list that is one value to the API server: by its place.
            return step if _child(desired, step) is not _ABSENT else None
        places = (str(n) for n, item in enumerate(desired) if selects(element, item))
        return next(places, None)
    return step if isinstance(desired, Mapping) else None


def _with(desired: Any, place: str, value: Any) -> Any:
    """A copy with that value at the place; absent: without it."""
    if isinstance(desired, list):
        items = [value if n == int(place) else item for n, item in enumerate(desired)]
        return [item for item in items if item is not _ABSENT]
    rest = {key: each for key, each in desired.items() if key != place}
    return rest if value is _ABSENT else {**rest, place: value}


def _identified(body: Any, desired: Object, live: Object) -> dict[str, Any]:
    """The body with what makes it this object of its owner, whatever the pointers say."""
    wanted = desired["metadata"]
    metadata = dict(body.get("metadata") or {})
    labels = {key: value for key, value in wanted.get("labels", {}).items() if key in OWNER_LABELS}
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    metadata |= {key: wanted[key] for key in ("name", "namespace") if key in wanted}
    metadata["resourceVersion"] = live["metadata"]["resourceVersion"]
    for key in _SERVER_WRITTEN:
        metadata.pop(key, None)
    identity = {key: desired[key] for key in ("apiVersion", "kind")}
    return {**body, **identity, "metadata": metadata}


_SERVER_WRITTEN: Final = ("managedFields", "creationTimestamp", "generation", "uid")
