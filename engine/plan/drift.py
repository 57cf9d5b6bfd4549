"""Whether a live object differs from what applying the desired one would make of it.

The API server decides: `predicted` is the result of a dry-run apply.  Fields that other managers
own are the same in both, so what differs is ours.
Source: fluxcd/pkg ssa (drift test); ownership: design section 3, rule 2.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from engine.api.meta import LAST_APPLIED
from engine.objects.patch import is_same
from engine.objects.redact import MASK
from engine.objects.ref import Object
from engine.plan.observation import owned_fields
from engine.plan.policy import OWNER_LABELS
from engine.plan.projection import selects

_HIDDEN = (".data", ".stringData", f".metadata.annotations.{LAST_APPLIED}")


Steps = tuple[int | str, ...]
"""The way to a field: names, `[name]` of a list's named item, or the place of one without."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field: its path `.spec.replicas`, the live and the desired value (None: absent).

    Values of a Secret are masked.
    """

    path: str
    live: Any
    desired: Any
    steps: Steps = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Writer:
    """Who wrote a field; at: RFC 3339, "" where that is not kept: of a `kubectl scale`."""

    manager: str
    at: str

    def __str__(self) -> str:
        """`kubectl at 2026-01-02T03:04:05Z`."""
        return f"{self.manager} at {self.at}" if self.at else self.manager


def differences(live: Object, predicted: Object) -> list[Difference]:
    """What an apply would change, field by field; metadata counts by labels and annotations."""
    found = _walk((), _compared(live), _compared(predicted))
    is_secret = live.get("kind") == "Secret"
    return [_masked(each) if is_secret else each for each in found]


def is_owned_alike(live: Object, predicted: Object, manager: str) -> bool:
    """Whether our entry in managedFields would stay as it is.

    A field that we no longer own could be edited later without anybody noticing.
    """
    return owned_fields(live, manager) == owned_fields(predicted, manager)


def _masked(difference: Difference) -> Difference:
    if not difference.path.startswith(_HIDDEN):
        return difference
    live, desired = (None if v is None else MASK for v in (difference.live, difference.desired))
    return replace(difference, live=live, desired=desired)


def _compared(obj: Object) -> dict[str, Any]:
    """The parts of an object that count: no status, no server-written metadata."""
    metadata = obj["metadata"]
    marks = {key: metadata.get(key) or {} for key in ("labels", "annotations")}
    rest = {key: value for key, value in obj.items() if key not in ("metadata", "status")}
    if obj.get("kind") == "HorizontalPodAutoscaler":
        rest = _with_sorted_metrics(rest)
    return {**rest, "metadata": marks}


def _with_sorted_metrics(hpa: dict[str, Any]) -> dict[str, Any]:
    """The API server stores an autoscaler's metrics in an order of its own."""
    metrics = (hpa.get("spec") or {}).get("metrics")
    if not metrics:
        return hpa
    ordered = sorted(metrics, key=lambda m: orjson.dumps(m, option=orjson.OPT_SORT_KEYS))
    return {**hpa, "spec": {**hpa["spec"], "metrics": ordered}}


def _walk(steps: Steps, live: Any, desired: Any) -> Iterator[Difference]:
    if _is_same(live, desired):
        return
    if isinstance(live, Mapping) and isinstance(desired, Mapping):
        for key in sorted(live.keys() | desired.keys()):
            yield from _walk((*steps, key), live.get(key), desired.get(key))
        return
    pairs = _paired(live, desired)
    if pairs is None:
        yield Difference(_text(steps), live, desired, steps)
        return
    for step, one, other in pairs:
        yield from _walk((*steps, step), one, other)
    yield from _reordered(steps, live, desired)


def _is_same(live: Any, desired: Any) -> bool:
    """As `is_same`; what differs, and most of what does not, is known without Python's loops."""
    if live != desired:
        return False
    return repr(live) == repr(desired) or is_same(live, desired)  # 1 == True, but not for JSON


def _reordered(steps: Steps, live: list[Any], desired: list[Any]) -> Iterator[Difference]:
    """The names of a list's items, if those that stay change places.

    It may matter, as of init containers, and the API server writes it.
    """
    names, others = _named(live) or {}, _named(desired) or {}
    before = [name for name in names if name in others]
    after = [name for name in others if name in names]
    if before != after:
        yield Difference(_text(steps), before, after, steps)


def _paired(live: Any, desired: Any) -> list[tuple[int | str, Any, Any]] | None:
    """Items of two lists that belong together: by name, else by place; None if nothing tells."""
    if not isinstance(live, list) or not isinstance(desired, list):
        return None
    names, others = _named(live), _named(desired)
    if names is not None and others is not None:
        both = dict.fromkeys((*others, *names))
        return [(f"[{name}]", names.get(name), others.get(name)) for name in both]
    if len(live) != len(desired):
        return None
    return [(place, *pair) for place, pair in enumerate(zip(live, desired, strict=True))]


def _named(items: list[Any]) -> dict[str, Any] | None:
    named = {item["name"]: item for item in items if isinstance(item, Mapping) and "name" in item}
    return named if len(named) == len(items) else None


def _text(steps: Steps) -> str:
    """`.spec.containers[web].args[0]`."""
    parts = (f"[{step}]" if isinstance(step, int) else step for step in steps)
    return "".join(part if part.startswith("[") else f".{part}" for part in parts)


def writer_of(live: Object, difference: Difference, manager: str) -> Writer | None:
    """Who last wrote the field of a live object, as its managedFields say; None if nobody does.

    manager: our own, which is asked for only where another Kustomization took the object over.
    """
    found: list[Writer] = []
    for entry in live["metadata"].get("managedFields") or ():
        if entry.get("manager") == manager and entry.get("operation") == "Apply":
            found += _other_owner(live, difference.steps, entry.get("time", ""))
            continue
        if _owns(entry.get("fieldsV1") or {}, live, difference.steps):
            found.append(Writer(entry.get("manager", ""), entry.get("time", "")))
    return max(found, key=lambda writer: writer.at, default=None)


def _other_owner(live: Object, steps: Steps, at: str) -> list[Writer]:
    """The Kustomization whose labels the object carries, if it is them that differ."""
    labels = live["metadata"].get("labels") or {}
    if steps[:2] != ("metadata", "labels") or steps[2:] not in [(key,) for key in OWNER_LABELS]:
        return []
    name, namespace = (labels.get(key, "") for key in OWNER_LABELS)
    return [Writer(f"Kustomization/{namespace}/{name}", at)]


def _owns(node: Mapping[str, Any], value: Any, steps: Steps) -> bool:
    for step in steps:
        if not node:
            return True  # it owns all of what is above
        key, value = _element(node, value, step)
        if key is None:
            return False
        node = node[key]
    return True


def _element(node: Mapping[str, Any], value: Any, step: int | str) -> tuple[str | None, Any]:
    """The key of a fieldsV1 node that stands for a step, and the value there."""
    if isinstance(value, Mapping):
        key = f"f:{step}"
        return (key, value.get(str(step))) if key in node else (None, None)
    if not isinstance(value, list):
        return None, None
    item = next((each for place, each in enumerate(value) if _is_at(step, place, each)), None)
    return next((key for key in node if selects(key, item)), None), item


def _is_at(step: int | str, place: int, item: Any) -> bool:
    if isinstance(step, int):
        return step == place
    return isinstance(item, Mapping) and f"[{item.get('name')}]" == step
