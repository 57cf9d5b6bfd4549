"""The health of an object, and how its fields are read: absent and null are the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from engine.objects.ref import Object


class Status(StrEnum):
    """The kstatus words."""

    CURRENT = "Current"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    TERMINATING = "Terminating"
    NOT_FOUND = "NotFound"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Health:
    """A status with the library's own message."""

    status: Status
    message: str
    recheck_at: float | None = None
    """Epoch seconds at which a clock alone changes the answer; None: only an event can."""

    def __str__(self) -> str:
        return f"{self.status}: {self.message}"


@dataclass(frozen=True, slots=True)
class Condition:
    """An entry of `status.conditions`; what is absent is empty."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class MalformedError(ValueError):
    """A field that the rules read has another type than Kubernetes gives it."""


def current(message: str) -> Health:
    """Health of an object that is as it should be."""
    return Health(Status.CURRENT, message)


def in_progress(message: str) -> Health:
    """Health of an object that something still works on."""
    return Health(Status.IN_PROGRESS, message)


def failed(message: str) -> Health:
    """Health of an object that will not get better by itself."""
    return Health(Status.FAILED, message)


def shortfall(*counts: tuple[str, int, int]) -> Health | None:
    """Health after the first (label, have, want) with too few; None if there are enough of all."""
    for label, have, want in counts:
        if have < want:
            return in_progress(f"{label}: {have}/{want}")
    return None


def surplus(have: int, want: int) -> Health | None:
    """Health while more replicas are there than wanted; None if there are not."""
    return in_progress(f"Pending termination: {have - want}") if have > want else None


def field(obj: Object, *path: str) -> tuple[Any, bool]:
    """The value at the path, and whether it is there.

    Raises MalformedError if something on the way is neither a mapping nor null.
    """
    value: Any = obj
    for step in path:
        if value is None:
            return None, False
        if not isinstance(value, dict):
            kind = f"{value!r} is not a mapping"
            raise MalformedError(f".{'.'.join(path)} accessor error: {kind}")
        if step not in value:
            return None, False
        value = value[step]
    return value, True


def integer(obj: Object, path: str, default: int) -> int:
    """The integer at a dotted path; the default if there is none."""
    value = _lenient(obj, path)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def string(obj: Object, path: str, default: str) -> str:
    """The string at a dotted path; the default if there is none."""
    value = _lenient(obj, path)
    return value if isinstance(value, str) else default


def _lenient(obj: Object, path: str) -> Any:
    try:
        return field(obj, *path.split("."))[0]
    except MalformedError:
        return None


def generation(obj: Object, *path: str) -> int | None:
    """The integer at the path, None if absent.  Raises MalformedError for another type."""
    value, found = field(obj, *path)
    if not found:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        where = ".".join(path)
        raise MalformedError(
            f"looking up {where} from resource: .{where} accessor error: {value!r} is no integer"
        )
    return value


def conditions(obj: Object) -> Iterator[Condition]:
    """The entries of `status.conditions`.

    Raises MalformedError if any of them is not what a condition is, before the first is given.
    """
    status = _typed(obj.get("status"), dict, "status") or {}
    entries = _typed(status.get("conditions"), list, "status.conditions") or []
    return iter([_condition(_typed(entry, dict, "a condition") or {}) for entry in entries])


def _condition(entry: Object) -> Condition:
    names = ("type", "status", "reason", "message")
    return Condition(*(_typed(entry.get(name), str, f"condition {name}") or "" for name in names))


def _typed(value: Any, wanted: type, where: str) -> Any:
    if value is not None and not isinstance(value, wanted):
        raise MalformedError(f"{where} is {value!r}, not a {wanted.__name__}")
    return value
