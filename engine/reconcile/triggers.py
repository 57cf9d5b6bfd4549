"""Every reason why a key is queued.

an object is created, or its spec changes      at once; a wait for health under way ends
it is asked for (requestedAt)                  at once, before everything else
it is deleted, or its prune is approved        at once
its source holds another revision              at once; a wait under way ends
a dependency is created, Ready or has applied  at once, if it waits for it
the interval is over, or a retry is due        by the run's own Requeue (lifecycle.py)
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from engine.api.meta import KUSTOMIZE_GROUP, SOURCE_GROUP
from engine.cluster.mirror import Mirror
from engine.objects.ref import Object, Ref
from engine.plan.brake import APPROVAL
from engine.reconcile.outcome import is_ready, requested_at
from engine.runtime import Priority


class Push(Protocol):
    """Queues a key; `supersede` ends a wait that is under way for it."""

    def __call__(
        self, key: Ref, *, priority: Priority, reason: str, supersede: bool = False
    ) -> None:
        """Queue it now."""


class Triggers:
    """Takes each change of Flux's objects, and pushes the keys that it concerns."""

    def __init__(self, mirror: Mirror) -> None:
        """mirror: kept up to date by what is told here."""
        self._mirror = mirror
        self._push: dict[tuple[str, str], Push] = {}
        self._users: defaultdict[Ref, set[Ref]] = defaultdict(set)  # {named: who names it}
        self._names: dict[Ref, frozenset[Ref]] = {}  # {user: what it names}
        self._running: set[Ref] = set()

    @contextmanager
    def running(self, key: Ref) -> Iterator[None]:
        """A run of `key` lasts: what it has looked at may be outdated by any news."""
        self._running.add(key)
        try:
            yield
        finally:
            self._running.remove(key)

    def serve(self, group: str, kind: str, push: Push) -> None:
        """Objects of that kind are reconciled here: queue them with `push`."""
        self._push[group, kind] = push

    def changed(self, new: Object) -> None:
        """An object was created or changed: told by a watch or by the answer to our own write.

        Whichever comes first counts; the other, and what is older than what is known, is no news.
        """
        ref = Ref.of(new)
        old = self._mirror.note(new)
        if self._mirror.get(ref) is not new:
            return
        if (ref.group, ref.kind) == (KUSTOMIZE_GROUP, "Kustomization"):
            self._index(ref, references_of(new))
            if old is None or _progressed(old, new):  # new: a dependant may call it missing
                self._wake(ref, Priority.DRIFT, supersede=False)
        if ref.group == SOURCE_GROUP and _revision(old) != _revision(new):
            self._wake(ref, Priority.DRIFT, supersede=True)
        self._own(ref, old, new)

    def deleted(self, obj: Object) -> None:
        """An object is gone."""
        self._mirror.forget(obj)
        ref = Ref.of(obj)
        if self._mirror.get(ref) is None:
            self._index(ref, frozenset())

    def _own(self, ref: Ref, old: Object | None, new: Object) -> None:
        push = self._push.get((ref.group, ref.kind))
        if push is None:
            return
        if old is None:
            push(ref, priority=Priority.INTERVAL, reason="created")
        elif _differs("uid", old, new):
            push(ref, priority=Priority.DRIFT, reason="created anew", supersede=True)
        elif requested_at(new) != requested_at(old):
            push(ref, priority=Priority.MANUAL, reason="a manual request", supersede=True)
        elif _differs("generation", old, new) or _differs("deletionTimestamp", old, new):
            push(ref, priority=Priority.DRIFT, reason="a change of its spec", supersede=True)
        elif _approval(new) != _approval(old):
            push(ref, priority=Priority.MANUAL, reason="an approval")

    def _wake(self, ref: Ref, priority: Priority, *, supersede: bool) -> None:
        """Queue who names `ref`."""
        for user in sorted(self._users.get(ref, ())):
            push = self._push.get((user.group, user.kind))
            if push is not None and not self._is_done(user):
                push(user, priority=priority, reason=str(ref), supersede=supersede)

    def _is_done(self, user: Ref) -> bool:
        """Whether the user has applied the revision that its source holds now.

        One that is running just now has not: its run may have looked before this news.
        """
        if user in self._running:
            return False
        obj = self._mirror.get(user)
        if obj is None or not is_ready(obj):
            return obj is None
        sources = (each for each in self._names.get(user, ()) if each.group == SOURCE_GROUP)
        revision = _revision(next(map(self._mirror.get, sources), None))
        return bool((obj.get("status") or {}).get("lastAttemptedRevision") == revision)

    def _index(self, user: Ref, named: frozenset[Ref]) -> None:
        for ref in self._names.pop(user, frozenset()):
            self._users[ref].discard(user)
            if not self._users[ref]:
                del self._users[ref]
        if named:
            self._names[user] = named
            for ref in named:
                self._users[ref].add(user)


def references_of(ks: Object) -> frozenset[Ref]:
    """What a Kustomization names: its source and its dependencies; nothing where it is malformed.

    Its own run reports what is malformed.
    """
    spec, namespace = ks.get("spec") or {}, ks["metadata"].get("namespace", "")
    source = spec.get("sourceRef") or {}
    refs = [Ref(SOURCE_GROUP, *_named(source, source.get("kind", ""), namespace))]
    depends_on = spec.get("dependsOn") or ()
    refs += [Ref(KUSTOMIZE_GROUP, *_named(each, "Kustomization", namespace)) for each in depends_on]
    return frozenset(ref for ref in refs if ref.name)


def _named(reference: Object, kind: str, namespace: str) -> tuple[str, str, str]:
    return kind, reference.get("namespace") or namespace, reference.get("name", "")


def _revision(obj: Object | None) -> str:
    status = (obj or {}).get("status") or {}
    return str((status.get("artifact") or {}).get("revision", ""))


def _differs(field: str, old: Object, new: Object) -> bool:
    return bool(old["metadata"].get(field) != new["metadata"].get(field))


def _approval(obj: Object) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(APPROVAL, ""))


def _progressed(old: Object | None, new: Object) -> bool:
    """Whether a dependant could go on now: Ready, at a revision or generation that is news."""
    if not is_ready(new):
        return False
    if old is None or not is_ready(old):
        return True
    return _applied(old) != _applied(new)


def _applied(obj: Object) -> object:
    return (obj.get("status") or {}).get("lastAppliedRevision")
