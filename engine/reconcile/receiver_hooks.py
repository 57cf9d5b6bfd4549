"""Which paths are called webhooks, and what is known of the Receiver behind each.

A Receiver's own run opens its hook, or closes it; until that run the path in its status is known,
so that who calls it is told to come again.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from engine.api.notification import ReceiverSpec
from engine.hooks import Filters
from engine.objects.ref import Object, Ref


@dataclass(frozen=True, slots=True)
class Hook:
    """A Receiver that is ready.  read_at: monotonic instant at which its token was read."""

    ref: Ref
    path: str = field(repr=False)
    spec: ReceiverSpec
    filters: Filters
    token: bytes = field(repr=False)
    read_at: float


@dataclass(frozen=True, slots=True)
class Closed:
    """A Receiver that takes no calls.

    why: for the log.  told: what the caller is told, "" for nothing.
    """

    ref: Ref
    why: str
    told: str = ""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts at one moment."""

    open: int
    closed: int


class Hooks:
    """Receivers by path."""

    def __init__(self) -> None:
        self._by_path: defaultdict[str, set[Ref]] = defaultdict(set)
        self._paths: dict[Ref, str] = {}
        self._hooks: dict[Ref, Hook] = {}
        self._closed: dict[Ref, Closed] = {}
        self.known: set[tuple[str, str]] = set()
        """(group, kind) of those whose objects are known, as their watch says."""
        self.whole: set[tuple[str, str]] = set()
        """Of these those that are known from all namespaces, whatever their labels."""

    def find(self, path: str) -> Hook | Closed | None:
        """Who is called there.

        Two open ones have one path only if they share their token, and are the same to its owner:
        the first one counts.  The path of one that is not open stands in its status, where its
        tenant may write another's: it closes nothing that is open.
        """
        refs = self._by_path.get(path)
        if not refs:
            return None
        ref = min(refs, key=lambda each: (each not in self._hooks, each))
        return self._hooks.get(ref) or self._closed.get(ref) or Closed(ref, "it is not ready yet")

    def open(self, hook: Hook) -> None:
        """Its Receiver is ready."""
        self._place(hook.ref, hook.path)
        self._closed.pop(hook.ref, None)
        self._hooks[hook.ref] = hook

    def renewed(self, old: Hook, new: Hook) -> None:
        """Its token was read again; nothing changes if a run of the Receiver was quicker."""
        if self._hooks.get(old.ref) is old:
            self._hooks[old.ref] = new

    def close(self, closed: Closed, path: str) -> None:
        """Its Receiver is not ready; path: "" if it has none."""
        self._place(closed.ref, path)
        self._hooks.pop(closed.ref, None)
        self._closed[closed.ref] = closed

    def heard(self, obj: Object) -> None:
        """A Receiver, as its watch tells of it: until its first run its status says its path."""
        ref = Ref.of(obj)
        if ref not in self._hooks and ref not in self._closed:
            self._place(ref, str((obj.get("status") or {}).get("webhookPath") or ""))

    def forget(self, ref: Ref) -> None:
        """The Receiver is gone."""
        self._place(ref, "")
        self._hooks.pop(ref, None)
        self._closed.pop(ref, None)

    def _place(self, ref: Ref, path: str) -> None:
        old = self._paths.pop(ref, "")
        if old:
            self._by_path[old].discard(ref)
            if not self._by_path[old]:
                del self._by_path[old]
        if path:
            self._paths[ref] = path
            self._by_path[path].add(ref)

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        return Statistics(len(self._hooks), len(self._closed))

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Hooks {self.statistics()}>"
