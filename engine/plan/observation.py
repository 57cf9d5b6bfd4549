"""What is kept of a live object once its event was read: enough to plan, and to see drift.

The value signature is a digest of the live values at exactly the paths that our apply entry in
managedFields owns, together with these paths.  A foreign field never changes it; a changed value,
a lost or an added path, and a new order of our list items do (design section 3).
"""

import hashlib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any, Final, TypedDict, Unpack
from uuid import UUID

import orjson

from engine.api.meta import FORCE, PRUNE, RECONCILE, SSA
from engine.objects.kstatus import Health, Status, health
from engine.objects.ref import Object, Ref
from engine.plan.adoption import is_adoptable
from engine.plan.policy import OWNER_LABELS
from engine.plan.projection import projected
from engine.plan.quantities import stored

_MARKS: Final = (RECONCILE, SSA, FORCE, PRUNE)
_SIZE: Final = 16  # bytes of a digest

_HEAD: Final = Struct("!qBBB")  # version, flags, lengths of signature and content; then these, uid
_FLAGS_AT, _SIGNATURE_AT, _CONTENT_AT = 8, 9, 10
_IS_RAW, _IS_ADOPTABLE, _IS_ENDING = 1, 2, 4
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

_Pairs = tuple[tuple[str, str], ...]

Marks = Mapping[str, Mapping[str, str]]
"""The labels and annotations that planning reads, by `labels` and `annotations`."""

Spare = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Decoded fieldsV1 without some of its fields."""


class Rest(TypedDict, total=False):
    """What is not said of every object."""

    is_adoptable: bool
    is_terminating: bool
    api_version: str


class Observation:
    """A live object as last seen.  Immutable; what is kept most of is packed into a few bytes.

    version: its resourceVersion, -1 if that is no number: then nothing tells which is newer.
    signature: of values and paths that we own, b"" if we own nothing or in other words than the
    object was told in (`api_version`).  content: of the values alone, comparable with `content_of`
    a desired object.  is_adoptable: others' marks and fields are to be folded into ours by the next
    apply.  api_version: in which we applied it last, "" if we never did.
    """

    __slots__ = ("_marks", "_packed", "api_version", "health")

    def __init__(
        self,
        uid: str,
        version: int,
        signature: bytes,
        content: bytes,
        marks: Marks,
        health: Health,
        **more: Unpack[Rest],
    ) -> None:
        """marks, health and api_version are best shared by objects that are alike."""
        self._marks = _shared(*(tuple(marks[key].items()) for key in ("labels", "annotations")))
        self.health, self.api_version = health, more.get("api_version", "")
        raw, flags = _raw(uid), 0
        flags |= _IS_RAW if raw else 0
        flags |= _IS_ADOPTABLE if more.get("is_adoptable") else 0
        flags |= _IS_ENDING if more.get("is_terminating") else 0
        head = _HEAD.pack(version, flags, len(signature), len(content))
        self._packed = b"".join((head, signature, content, raw or uid.encode()))

    @property
    def uid(self) -> str:
        """Its metadata.uid."""
        _, flags, signature, content = _HEAD.unpack_from(self._packed)
        uid = self._packed[_HEAD.size + signature + content :]
        return str(UUID(bytes=uid)) if flags & _IS_RAW else uid.decode()

    @property
    def version(self) -> int:
        """See above."""
        version: int = _HEAD.unpack_from(self._packed)[0]
        return version

    @property
    def signature(self) -> bytes:
        """See above."""
        length = self._packed[_SIGNATURE_AT]
        return self._packed[_HEAD.size : _HEAD.size + length]

    @property
    def content(self) -> bytes:
        """See above."""
        start = _HEAD.size + self._packed[_SIGNATURE_AT]
        return self._packed[start : start + self._packed[_CONTENT_AT]]

    @property
    def is_adoptable(self) -> bool:
        """See above."""
        return bool(self._packed[_FLAGS_AT] & _IS_ADOPTABLE)

    @property
    def is_terminating(self) -> bool:
        """Whether it is being deleted."""
        return bool(self._packed[_FLAGS_AT] & _IS_ENDING)

    @property
    def marks(self) -> Marks:
        """What planning reads of its labels and annotations."""
        labels, annotations = self._marks
        return {"labels": dict(labels), "annotations": dict(annotations)}

    @property
    def owner(self) -> tuple[str, str]:
        """Name and namespace of the Kustomization that the labels name, "" where they do not."""
        labels = dict(self._marks[0])
        return labels.get(OWNER_LABELS[0], ""), labels.get(OWNER_LABELS[1], "")

    def at(self, version: int) -> "Observation":
        """The same, as if seen in that version."""
        rest: Rest = {
            "is_adoptable": self.is_adoptable,
            "is_terminating": self.is_terminating,
            "api_version": self.api_version,
        }
        what = self.signature, self.content, self.marks, self.health
        return Observation(self.uid, version, *what, **rest)

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

    def __eq__(self, other: object) -> bool:
        """Whether both say the same of an object."""
        return isinstance(other, Observation) and self._all == other._all

    def __hash__(self) -> int:
        return hash(self._all)

    @property
    def _all(self) -> tuple[object, ...]:
        return self._packed, self._marks, self.health, self.api_version

    def __repr__(self) -> str:
        """What tells it from another one, for logs and debuggers."""
        return f"<Observation {self.uid} at {self.version}, {self.health.status}>"


def observe(
    obj: Object,
    manager: str,
    overridden: Sequence[str],
    now: float,
    spare: Spare | None = None,
    judged: Health | None = None,
) -> Observation:
    """What is to be kept of a live object.

    manager: our field manager.  overridden: managers whose fields are taken over.
    now: epoch seconds.  spare: takes those out of the owned fields that others may change.
    judged: its health by the expressions of its owner.
    """
    metadata, state = obj["metadata"], judged or health(obj, now)
    entry = _entry(obj, manager)
    api_version = sys.intern((entry or {}).get("apiVersion") or "")
    signature = content = b""
    # The paths of one version say nothing about the values of another.
    if entry is not None and api_version in ("", obj.get("apiVersion")):
        signature, content = _signed(obj, entry.get("fieldsV1") or {}, spare)
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


def _signed(obj: Object, owned: Mapping[str, Any], spare: Spare | None) -> tuple[bytes, bytes]:
    """(signature, content); both empty for what is nested deeper than anything that we apply.

    Whoever may write a custom object can claim that we did, and that it is another tenant's.
    """
    try:
        if spare is not None:
            owned = spare(owned)
        values = orjson.dumps(projected(obj, owned), option=orjson.OPT_SORT_KEYS)
        paths = orjson.dumps(owned, option=orjson.OPT_SORT_KEYS)
    except (RecursionError, orjson.JSONEncodeError):
        return b"", b""
    content = _digest(values)
    return _digest(values, paths), content


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
    return {
        "labels": {key: labels[key] for key in (*OWNER_LABELS, *_MARKS) if key in labels},
        "annotations": {key: annotations[key] for key in _MARKS if key in annotations},
    }


@lru_cache(maxsize=131_072)
def _shared(labels: _Pairs, annotations: _Pairs) -> tuple[_Pairs, _Pairs]:
    """One value for all objects that are marked alike: those of one owner mostly are."""
    return labels, annotations


def _raw(uid: str) -> bytes:
    """The 16 bytes of a UUID as Kubernetes writes it, b"" for any other text."""
    return bytes.fromhex(uid.replace("-", "")) if _UUID.fullmatch(uid) else b""
