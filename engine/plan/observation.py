"""What is kept of a live object once its event was read: enough to plan, and to see drift.

The value signature is a digest of the live values at exactly the paths that our apply entry in
managedFields owns, together with these paths.  A foreign field never changes it; a changed value,
a lost or an added path, and a new order of our list items do (design section 3).
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson

from engine.api.meta import FORCE, PRUNE, RECONCILE, SSA
from engine.objects.kstatus import Health, Status, health
from engine.objects.ref import Object, Ref
from engine.plan.adoption import is_adoptable
from engine.plan.policy import OWNER_LABELS
from engine.plan.quantities import stored

_MARKS: Final = (RECONCILE, SSA, FORCE, PRUNE)
_SIZE: Final = 16  # bytes of a digest
_ABSENT: Final = {"\0": "absent"}  # a value that no object can hold

Marks = Mapping[str, Mapping[str, str]]
"""The labels and annotations that planning reads, by `labels` and `annotations`."""

Spare = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Decoded fieldsV1 without some of its fields."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A live object as last seen.

    version: its resourceVersion, -1 if that is no number: then nothing tells which is newer.
    signature: of values and paths that we own, b"" if we own nothing or in other words than the
    object was told in (`api_version`).  content: of the values alone, comparable with `content_of`
    a desired object.  is_adoptable: others' marks and fields are to be folded into ours by the next
    apply.  api_version: in which we applied it last, "" if we never did.
    """

    uid: str
    version: int
    signature: bytes
    content: bytes
    marks: Marks
    health: Health
    is_adoptable: bool = False
    is_terminating: bool = False
    api_version: str = ""

    @property
    def owner(self) -> tuple[str, str]:
        """Name and namespace of the Kustomization that the labels name, "" where they do not."""
        labels = self.marks["labels"]
        return labels.get(OWNER_LABELS[0], ""), labels.get(OWNER_LABELS[1], "")

    def partial(self, ref: Ref) -> Object:
        """The object as far as planning and deleting need it."""
        metadata = {
            "name": ref.name,
            "namespace": ref.namespace,
            "uid": self.uid,
            "resourceVersion": str(self.version),
            **self.marks,
        }
        return {"kind": ref.kind, "metadata": metadata}


def observe(
    obj: Object, manager: str, overridden: Sequence[str], now: float, spare: Spare | None = None
) -> Observation:
    """What is to be kept of a live object.

    manager: our field manager.  overridden: managers whose fields are taken over.
    now: epoch seconds.  spare: takes those out of the owned fields that others may change.
    """
    metadata, state = obj["metadata"], health(obj, now)
    entry = _entry(obj, manager)
    api_version = sys.intern((entry or {}).get("apiVersion") or "")
    signature = content = b""
    # The paths of one version say nothing about the values of another.
    if entry is not None and api_version in ("", obj.get("apiVersion")):
        owned = entry.get("fieldsV1") or {}
        if spare is not None:
            owned = spare(owned)
        values = orjson.dumps(projected(obj, owned), option=orjson.OPT_SORT_KEYS)
        content = _digest(values)
        paths = orjson.dumps(owned, option=orjson.OPT_SORT_KEYS)
        signature = _digest(values, paths)
    return Observation(
        uid=metadata.get("uid", ""),
        version=version_number(metadata.get("resourceVersion")),
        signature=signature,
        content=content,
        marks=_marks_of(metadata),
        health=_health(state.status, state.message, state.recheck_at),
        is_adoptable=is_adoptable(obj, manager, overridden),
        is_terminating=bool(metadata.get("deletionTimestamp")),
        api_version=api_version,
    )


def version_number(text: str | None) -> int:
    """A resourceVersion as a number, 0 if there is none, -1 if it is no number.

    Kubernetes 1.35 made them comparable; aggregated API servers may write what they like.
    """
    if not text:
        return 0
    return int(text) if text.isdecimal() else -1


def is_partial(live: Object) -> bool:
    """Whether it is what `partial` gave, and not the whole object."""
    return "apiVersion" not in live


def content_of(desired: Object) -> bytes:
    """The digest that the live object's `content` has if it holds just what is desired.

    Equal: nothing is to be done.  Not equal: the API server is to be asked, as it may write the
    same value in another way.
    """
    metadata = {
        key: value
        for key, value in desired["metadata"].items()
        if key not in ("name", "namespace", "creationTimestamp")
    }
    rest = {k: v for k, v in desired.items() if k not in ("apiVersion", "kind", "metadata")}
    if "." not in desired["apiVersion"]:  # of a kind of somebody else's nothing is known
        rest = stored(rest)
    owned = _present({**rest, "metadata": metadata})
    return _digest(orjson.dumps(owned, option=orjson.OPT_SORT_KEYS))


def owned_fields(obj: Object, manager: str) -> Mapping[str, Any] | None:
    """The decoded fieldsV1 of our apply entry, None if there is none."""
    entry = _entry(obj, manager)
    return None if entry is None else entry.get("fieldsV1") or {}


def _entry(obj: Object, manager: str) -> Mapping[str, Any] | None:
    """Our apply entry in managedFields."""
    for entry in obj["metadata"].get("managedFields") or ():
        is_ours = entry.get("manager") == manager and entry.get("operation") == "Apply"
        if is_ours and not entry.get("subresource"):
            found: Mapping[str, Any] = entry
            return found
    return None


def projected(value: Any, owned: Mapping[str, Any]) -> Any:
    """The part of a live value at the owned paths; items of lists in their live order.

    owned: decoded fieldsV1 below this value; empty: the value itself, whole.
    """
    below = owned if "." not in owned else {key: owned[key] for key in owned if key != "."}
    if not below:
        # Owned as a whole, or (with ".") only that it is there: then others fill it.
        return value if not owned else _emptied(value)
    first = next(iter(below))
    if first.startswith("f:"):
        return _fields(value, below)
    return _items(value, below)


def _fields(value: Any, below: Mapping[str, Any]) -> Any:
    if not isinstance(value, Mapping):
        return _ABSENT
    return {
        key[2:]: projected(value[key[2:]], node) if key[2:] in value else _ABSENT
        for key, node in below.items()
    }


def _items(value: Any, below: Mapping[str, Any]) -> Any:
    if not isinstance(value, list):
        return _ABSENT
    found = list(_matched(value, below))
    return [item for _, item in found] + [_ABSENT] * (len(below) - len(found))


def _matched(items: Sequence[Any], below: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(element, value) of the owned items of a list, in live order."""
    for item in items:
        key = next((key for key in below if selects(key, item)), None)
        if key is not None:
            yield key, projected(item, below[key])


def selects(element: str, item: Any) -> bool:
    """Whether an element of a field path stands for that item of a list.

    By its place an item is named only in lists that Kubernetes treats as one value.
    """
    kind, selector = _selector(element)
    if kind == "k":
        return isinstance(item, Mapping) and all(
            item.get(name) == value for name, value in selector.items()
        )
    return kind == "v" and bool(item == selector)


@lru_cache(maxsize=16384)
def _selector(element: str) -> tuple[str, Any]:
    """The kind of an element and, of k and v, what it selects."""
    kind = element[:1]
    return kind, json.loads(element[2:]) if kind in "kv" else None


def _emptied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {}
    return [] if isinstance(value, list) else value


def _present(value: Any) -> Any:
    """The value without nulls, which an apply drops."""
    if isinstance(value, Mapping):
        return {key: _present(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_present(each) for each in value]
    return value


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=_SIZE)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


@lru_cache(maxsize=4096)
def _health(status: Status, message: str, recheck_at: float | None) -> Health:
    """One value for all objects that are as well: most are."""
    return Health(status, message, recheck_at)


def _marks_of(metadata: Mapping[str, Any]) -> Marks:
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    return _shared(
        tuple((key, labels[key]) for key in (*OWNER_LABELS, *_MARKS) if key in labels),
        tuple((key, annotations[key]) for key in _MARKS if key in annotations),
    )


@lru_cache(maxsize=16384)
def _shared(labels: tuple[tuple[str, str], ...], annotations: tuple[tuple[str, str], ...]) -> Marks:
    """One mapping for all objects that are marked alike: those of one owner mostly are."""
    return {"labels": dict(labels), "annotations": dict(annotations)}
