"""Whether a live object differs from what applying the desired one would make of it.

The API server decides: `predicted` is the result of a dry-run apply.  Fields that other managers
own are the same in both, so what differs is ours.
Source: fluxcd/pkg ssa (drift test); ownership: design section 3, rule 2.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from engine.api.meta import LAST_APPLIED
from engine.objects.patch import is_same
from engine.objects.redact import MASK
from engine.objects.ref import Object

_HIDDEN = (".data", ".stringData", f".metadata.annotations.{LAST_APPLIED}")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field: its JSON path `.spec.replicas`, the live and the desired value (None: absent).

    Values of a Secret are masked.
    """

    path: str
    live: Any
    desired: Any


def differences(live: Object, predicted: Object) -> list[Difference]:
    """What an apply would change, field by field; metadata counts by labels and annotations."""
    found = _walk("", _compared(live), _compared(predicted))
    is_secret = live.get("kind") == "Secret"
    return [_masked(each) if is_secret else each for each in found]


def is_owned_alike(live: Object, predicted: Object, manager: str) -> bool:
    """Whether our entry in managedFields would stay as it is.

    A field that we no longer own could be edited later without anybody noticing.
    """
    return _owned_by(live, manager) == _owned_by(predicted, manager)


def _owned_by(obj: Object, manager: str) -> bytes | None:
    for entry in obj["metadata"].get("managedFields") or ():
        is_ours = entry.get("manager") == manager and entry.get("operation") == "Apply"
        if is_ours and not entry.get("subresource"):
            return orjson.dumps(entry.get("fieldsV1"), option=orjson.OPT_SORT_KEYS)
    return None


def _masked(difference: Difference) -> Difference:
    if not difference.path.startswith(_HIDDEN):
        return difference
    shown = (None if v is None else MASK for v in (difference.live, difference.desired))
    return Difference(difference.path, *shown)


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


def _walk(path: str, live: Any, desired: Any) -> Iterator[Difference]:
    if is_same(live, desired):
        return
    if isinstance(live, Mapping) and isinstance(desired, Mapping):
        for key in sorted(live.keys() | desired.keys()):
            yield from _walk(f"{path}.{key}", live.get(key), desired.get(key))
    elif isinstance(live, list) and isinstance(desired, list) and len(live) == len(desired):
        for index, (one, other) in enumerate(zip(live, desired, strict=True)):
            yield from _walk(f"{path}[{index}]", one, other)
    else:
        yield Difference(path, live, desired)
