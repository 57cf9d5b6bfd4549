"""Every reason why a key is queued.

an object is created, or its spec changes      at once; a wait for health under way ends
it is asked for (requestedAt)                  at once, before everything else
it is deleted, or its prune or overwriting is  at once
approved
its tolerance of drift changes                 at once
its source holds another revision              at once, if it may build something else of it,
                                               and a wait under way ends; else last
what it includes has another artifact          at once (GitRepositories; and who uses them)
a dependency is created, Ready or has applied  at once, if it waits for it
a dependency changes in any way                at once, if a readyExpr of it waits for it
a cycle of dependencies is closed              at once, all that are in it: they are to say so
an object of it drifted, or is gone            at once, unless it is stalled; of a suspended one
                                               it is only told
its suspension gets another end                at once
an object that it waited for is not well       soon: it waits for it again, and says nothing of
any more                                       it before the time is over
a ConfigMap or Secret that it read changes,    at once, and a wait under way ends
appears or goes (configs.py)
its cluster answers again                      soon, spread (clusters.py)
an object is handed over to it, or another     at once (reservations.py)
has decided whether it wants one of its own
the interval is over, or a retry is due        by the run's own Requeue (lifecycle.py)
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from engine.api.meta import KUSTOMIZE_GROUP, SOURCE_GROUP
from engine.cluster.mirror import Mirror
from engine.objects.ref import Object, Ref
from engine.plan.brake import APPROVAL
from engine.plan.partition import ANNOTATION
from engine.plan.partition import APPROVAL as OVERWRITE
from engine.plan.suspension import Suspension, is_suspended
from engine.plan.tolerance import asked
from engine.reconcile.causes import Causes
from engine.reconcile.cycles import cycle_of, members_of
from engine.reconcile.others import Others
from engine.reconcile.outcome import has_progressed, is_ready, is_stalled, requested_at
from engine.reconcile.references import included_by, is_counted, judged_of, references_of
from engine.runtime import Priority

DRIFT = "drift"
INTERVAL = "interval"
_APPROVALS = (APPROVAL, OVERWRITE, ANNOTATION)


def is_correction(reasons: Iterable[str]) -> bool:
    """Whether nothing but drift asks for a run; its next regular look is always queued."""
    return set(reasons) - {INTERVAL} == {DRIFT}


class Push(Protocol):
    """Queues a key; `supersede` ends a wait that is under way for it."""

    def __call__(
        self,
        key: Ref,
        *,
        priority: Priority,
        reason: str,
        after: float = 0.0,
        supersede: bool = False,
    ) -> None:
        """Queue it to run in `after` seconds."""


Remove = Callable[[Ref], None]

Concerned = Callable[[Collection[Ref], Ref], frozenset[Ref]]
"""Of some users of a source, those to whom its newest revision may be news.

The others only note the revision, after everybody else.
"""


class Triggers:
    """Takes each change of Flux's objects, and pushes the keys that it concerns."""

    def __init__(self, mirror: Mirror, concerned: Concerned) -> None:
        """mirror: kept up to date by what is told here."""
        self._mirror, self._concerned = mirror, concerned
        self._push: dict[tuple[str, str], Push] = {}
        self._remove: dict[tuple[str, str], Remove] = {}
        self._users: defaultdict[Ref, set[Ref]] = defaultdict(set)  # {named: who names it}
        self._names: dict[Ref, frozenset[Ref]] = {}  # {user: what it names}
        self._judged: dict[Ref, frozenset[Ref]] = {}  # {user: what its own expressions judge}
        self._running: set[Ref] = set()
        self.others = Others(partial(self._look, is_concerned=False))
        self.causes = Causes()
        self.behind: set[Ref] = set()
        """Kustomizations that have perhaps something new to build; who looks, drops the others."""

    @contextmanager
    def running(self, key: Ref) -> Iterator[None]:
        """A run of `key` lasts: what it has looked at may be outdated by any news."""
        self._running.add(key)
        try:
            yield
        finally:
            self._running.remove(key)
            self.others.ended(key, self._names.get(key, ()))

    @property
    def under_way(self) -> int:
        """How many runs last at this moment, those that only wait included."""
        return len(self._running)

    def serve(self, group: str, kind: str, push: Push, remove: Remove | None = None) -> None:
        """Objects of that kind are reconciled here: queue them with `push`.

        remove: drops what is queued for one that is gone; None: its next run finds that out.
        """
        self._push[group, kind] = push
        if remove is not None:
            self._remove[group, kind] = remove

    def changed(self, new: Object) -> None:
        """An object was created or changed: told by a watch or by the answer to our own write.

        Whichever comes first counts; the other, and what is older than what is known, is no news.
        """
        ref = Ref.of(new)
        old = self._mirror.note(new)
        if self._mirror.get(ref) is not new or _is_known(old, new):
            return
        if (ref.group, ref.kind) == (KUSTOMIZE_GROUP, "Kustomization"):
            self._index(ref, references_of(new), judged_of(new))
            if old is None or _differs("uid", old, new) or _differs("generation", old, new):
                self.behind.add(ref)
            # new: a dependant may call it missing
            self._wake_dependants(ref, is_progress=old is None or has_progressed(old, new))
        elif (ref.group, ref.kind) == (SOURCE_GROUP, "GitRepository"):
            self._index(ref, included_by(new), frozenset())
        if ref.group == SOURCE_GROUP and _artifact(old) != _artifact(new):
            self._wake_users(ref, is_revision=_revision(old) != _revision(new))
        self._own(ref, old, new)

    def deleted(self, obj: Object) -> None:
        """An object is gone."""
        self._mirror.forget(obj)
        ref = Ref.of(obj)
        if self._mirror.get(ref) is None:
            self._index(ref, frozenset(), frozenset())
            self.behind.discard(ref)
            self.causes.forget(ref)
            if (ref.group, ref.kind) in self._remove:
                self._remove[ref.group, ref.kind](ref)

    def cycle(self, user: Ref, dependency: Ref) -> str:
        """The cycle that waiting for `dependency` closes, `ns/a -> ns/b -> ns/a`; "" if none."""
        return cycle_of(user, [dependency], self._waits_for)

    def _waits_for(self, user: Ref) -> Iterable[Ref]:
        """The Kustomizations that must be Ready before it; an expression may judge otherwise."""
        names = self._names.get(user, frozenset()) - self._judged.get(user, frozenset())
        return (ref for ref in names if ref.group == KUSTOMIZE_GROUP)

    def drifted(self, key: Ref, after: float) -> None:
        """An object of that Kustomization is not as it left it: to be corrected in `after` s."""
        push, obj = self._push.get((key.group, key.kind)), self._mirror.get(key)
        if push is None or obj is None or is_stalled(obj):
            return
        push(key, priority=Priority.DRIFT, reason=DRIFT, after=after)

    def unwell(self, key: Ref, ref: Ref) -> None:
        """A live object of that Kustomization is not well: if it counts, it is waited for again."""
        push, obj = self._push.get((key.group, key.kind)), self._mirror.get(key)
        if push is None or obj is None or not is_ready(obj) or not is_counted(ref, obj):
            return
        push(key, priority=Priority.INTERVAL, reason=f"{ref} is not well")

    def configured(self, key: Ref, reason: str) -> None:
        """A ConfigMap or Secret that it has read is another one now: what it waits for is old."""
        push, obj = self._push.get((key.group, key.kind)), self._mirror.get(key)
        if push is not None and obj is not None and not is_suspended(obj):
            push(key, priority=Priority.DRIFT, reason=reason, supersede=True)

    def reachable(self, key: Ref, after: float) -> None:
        """The cluster of that Kustomization answers again: it goes on in `after` seconds."""
        push, obj = self._push.get((key.group, key.kind)), self._mirror.get(key)
        if push is not None and obj is not None:
            push(key, priority=Priority.DRIFT, reason="its cluster answers again", after=after)

    def decided(self, key: Ref, reason: str) -> None:
        """Another Kustomization has something for this one, or has made up its mind."""
        push, obj = self._push.get((key.group, key.kind)), self._mirror.get(key)
        if push is not None and obj is not None:
            push(key, priority=Priority.DRIFT, reason=reason)

    def reconciles(self, ref: Ref) -> bool:
        """Whether the object is one that runs of this engine are for."""
        return (ref.group, ref.kind) in self._push and self._mirror.get(ref) is not None

    def users(self, ref: Ref) -> frozenset[Ref]:
        """Who names an object: users of a source, dependants of a Kustomization."""
        return frozenset(self._users.get(ref, ()))

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
        elif asked(new) != asked(old):
            push(ref, priority=Priority.DRIFT, reason="another tolerance of drift")
        elif _is_suspended_anew(old, new):
            push(ref, priority=Priority.DRIFT, reason="its suspension")
        elif ref in self._judged and _is_marked_anew(old, new) and not self._is_done(ref):
            push(ref, priority=Priority.DRIFT, reason="a change of its marks")

    def _wake_users(self, source: Ref, *, is_revision: bool) -> None:
        """Queue who uses a source that holds another artifact now: whom it concerns at once.

        is_revision: it is of another revision; else only what it includes has changed.
        """
        users = self.users(source)
        includers = [user for user in users if user.group == SOURCE_GROUP]
        for includer in sorted(includers):
            self._wake(includer, source)
        users = users.difference(includers)
        concerned = self._concerned(users, source)
        ahead: dict[Ref, int] = {}
        for user in sorted(concerned):
            if self._look(user, source, is_concerned=True, is_new=not is_revision):
                self.behind.add(user)
                self.causes.pass_on(source, user)
                ahead[user] = 1 + (user in self._running)  # that run has perhaps seen the old one
        if is_revision:
            self.others.add(source, ahead, (user for user in users if user not in concerned))

    def _look(self, user: Ref, source: Ref, *, is_concerned: bool, is_new: bool = False) -> bool:
        """Whether the user was queued to look at the source: not if it has done so already.

        is_new: whatever revision it says to have applied.
        """
        push = self._push.get((user.group, user.kind))
        if push is None or (not is_new and self._is_done(user)):
            return False
        priority = Priority.DRIFT if is_concerned else Priority.STATUS
        # Else a wait would never end in a repository that is busy elsewhere.
        push(user, priority=priority, reason=str(source), supersede=is_concerned)
        return True

    def _wake_dependants(self, ref: Ref, *, is_progress: bool) -> None:
        """Queue who waits for `ref`: for its progress, or for whatever an expression asks of it."""
        for user in sorted(self._users.get(ref, ())):
            if is_progress or ref in self._judged.get(user, ()):
                self._wake(user, ref)

    def _wake(self, user: Ref, origin: Ref, reason: str = "") -> None:
        push = self._push.get((user.group, user.kind))
        if push is not None and not self._is_done(user):
            push(user, priority=Priority.DRIFT, reason=reason or str(origin))
            self.causes.pass_on(origin, user)

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

    def _index(self, user: Ref, named: frozenset[Ref], judged: frozenset[Ref]) -> None:
        known = self._names.get(user, frozenset()), self._judged.get(user, frozenset())
        if known == (named, judged):
            return
        self._judged.pop(user, None)
        if judged:
            self._judged[user] = judged
        for ref in self._names.pop(user, frozenset()):
            self._users[ref].discard(user)
            if not self._users[ref]:
                del self._users[ref]
        if named:
            self._names[user] = named
            for ref in named:
                self._users[ref].add(user)
        for member in members_of(user, self._waits_for(user), self._waits_for)[1:-1]:
            self._wake(member, user, f"a cycle with {user}")


def _is_known(old: Object | None, new: Object) -> bool:
    """Whether just this was told before: each of our writes is told by answer and by watch."""
    if old is None or not new["metadata"].get("resourceVersion"):
        return False
    return not _differs("resourceVersion", old, new) and not _differs("uid", old, new)


def _artifact(obj: Object | None) -> tuple[str, str]:
    """Which artifact a source holds: its revision alone does not tell, as it may include others."""
    artifact = ((obj or {}).get("status") or {}).get("artifact") or {}
    return _revision(obj), str(artifact.get("digest", ""))


def _revision(obj: Object | None) -> str:
    status = (obj or {}).get("status") or {}
    return str((status.get("artifact") or {}).get("revision", ""))


def _differs(field: str, old: Object, new: Object) -> bool:
    return bool(old["metadata"].get(field) != new["metadata"].get(field))


def _is_marked_anew(old: Object, new: Object) -> bool:
    """Whether its labels or annotations changed, by which expressions may compare it."""
    return _differs("labels", old, new) or _differs("annotations", old, new)


def _is_suspended_anew(old: Object, new: Object) -> bool:
    """Whether it says something else of its suspension, or something though it is not suspended."""
    said = Suspension.of(new)
    return said != Suspension.of(old) and (bool(said) or is_suspended(new))


def _approval(obj: Object) -> tuple[str, ...]:
    annotations = obj["metadata"].get("annotations") or {}
    return tuple(str(annotations.get(name, "")) for name in _APPROVALS)
