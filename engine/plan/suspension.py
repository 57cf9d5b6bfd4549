"""`gitops.lockstep/suspend-*`: why an object is suspended, by whom, and until when.

They mean something only while `spec.suspend` is true; who resumes it need not know them.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from engine.objects.fields import FieldSet
from engine.objects.ref import Object, Ref

REASON = "gitops.lockstep/suspend-reason"
UNTIL = "gitops.lockstep/suspend-until"
BY = "gitops.lockstep/suspend-by"
MARKS = (REASON, UNTIL, BY)
ENDED = "gitops.lockstep/suspension-ended"
"""What `suspend-until` said when that time was over and the object was resumed: that acts once."""

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_LONGEST = 200  # characters of a mark that a message shows


@dataclass(frozen=True, slots=True)
class Suspension:
    """What an object says about its suspension; "" where it says nothing.

    until: as it is written, which may be no instant.
    """

    reason: str = ""
    until: str = ""
    by: str = ""

    @classmethod
    def of(cls, obj: Object) -> Self:
        """What the annotations say, whether it is suspended or not."""
        annotations = obj["metadata"].get("annotations") or {}
        return cls(*(str(annotations.get(key) or "") for key in MARKS))

    @property
    def end(self) -> float | None:
        """Seconds since 1970, None without an end.  Raises ValueError if it is no instant."""
        return instant(self.until) if self.until else None

    def __bool__(self) -> bool:
        """Whether anything is said."""
        return bool(self.reason or self.until or self.by)

    def __str__(self) -> str:
        """`suspended by ada until 2026-12-01T00:00:00Z: a migration`."""
        by = f" by {_cut(self.by)}" if self.by else ""
        until = f" until {_cut(self.until)}" if self.until else ""
        return f"suspended{by}{until}" + (f": {_cut(self.reason)}" if self.reason else "")


class Suspensions:
    """What was said of suspended objects, so that nothing is said twice."""

    def __init__(self) -> None:
        self._said: defaultdict[Ref, set[str]] = defaultdict(set)

    def is_news(self, key: Ref, text: str) -> bool:
        """Whether that was not said before, since the object was resumed last."""
        is_new = text not in self._said[key]
        self._said[key].add(text)
        return is_new

    def resumed(self, key: Ref) -> None:
        """The object is not suspended: what is said of it next time is news."""
        self._said.pop(key, None)

    def forget(self, key: Ref) -> None:
        """The object is gone."""
        self._said.pop(key, None)


def is_suspended(obj: Object) -> bool:
    """Whether the object asks to be left alone."""
    return bool((obj.get("spec") or {}).get("suspend"))


def has_ended(obj: Object, until: str) -> bool:
    """Whether it was resumed because that time was over: somebody has suspended it again."""
    return (obj["metadata"].get("annotations") or {}).get(ENDED) == until


def instant(text: str) -> float:
    """Seconds since 1970 of an instant of RFC 3339.  Raises ValueError, saying what to write."""
    try:
        if _RFC3339.fullmatch(text):
            return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):  # as the 31st of February
        pass
    raise ValueError(f"{_cut(text)!r} is not an instant of RFC 3339, such as 2026-12-24T18:00:00Z")


def is_in_git(obj: Object, key: str) -> bool:
    """Whether somebody applies that annotation: what takes it away is put back."""
    path = ("f:metadata", "f:annotations", f"f:{key}")
    return any(
        FieldSet.parse(entry.get("fieldsV1") or {}).has(path)
        for entry in obj["metadata"].get("managedFields") or ()
        if entry.get("operation") == "Apply"
    )


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
