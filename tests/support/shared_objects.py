"""Several Kustomizations, their sources and the objects that they share, without any I/O.

A run is one step, or several between which others run, so that a test may put them, commits,
crashes and deletions in any order.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from engine.api.meta import KUSTOMIZE_GROUP, SOURCE_GROUP
from engine.cluster.mirror import Mirror
from engine.objects.ref import Object, Ref
from engine.plan import Action, Plan, View, make_plan
from engine.plan.claims import Claims
from engine.plan.inventory import format_inventory, parse_inventory, union
from engine.plan.policy import OWNER_LABELS, Owner, Policy, labelled
from engine.plan.reservation import Reserve
from engine.reconcile.access import Access, Rights
from engine.reconcile.reservations import Reservations
from engine.reconcile.triggers import Triggers
from tests.support.clock import ManualClock
from tests.support.pushes import Pushed, pushing

PARENT = dict.fromkeys(OWNER_LABELS, "flux-system")  # one commit changes all


def repository(name: str) -> Ref:
    return Ref(SOURCE_GROUP, "GitRepository", "flux", name)


SOURCE = repository("fleet")


def kustomization(name: str) -> Ref:
    return Ref(KUSTOMIZE_GROUP, "Kustomization", "flux", name)


def shared(name: str) -> Ref:
    return Ref("", "ConfigMap", "ns", name)


def manifest(ref: Ref, **metadata: str) -> Object:
    version = f"{ref.group}/v1".removeprefix("/")
    named = {"name": ref.name, "namespace": ref.namespace, **metadata}
    return {"apiVersion": version, "kind": ref.kind, "metadata": named}


@dataclass
class SharedObjects:
    """git: what each wants.  live: {object: whose labels it carries}.

    deleted: each deletion, with who wanted the object at that moment.  broken: cannot be built.
    missing: has no folder in Git.
    late: what the watch has not told yet, None where it tells at once.
    """

    git: dict[Ref, frozenset[Ref]] = field(default_factory=dict)
    live: dict[Ref, Ref] = field(default_factory=dict)
    deleted: list[tuple[Ref, frozenset[Ref]]] = field(default_factory=list)
    queued: list[Ref] = field(default_factory=list)
    broken: set[Ref] = field(default_factory=set)
    missing: set[Ref] = field(default_factory=set)
    late: list[Object] | None = None
    clock: ManualClock = field(default_factory=ManualClock)
    limit: float = 600.0
    _urls: dict[Ref, str] = field(default_factory=lambda: {SOURCE: "https://git.example/fleet"})
    _built: dict[Ref, frozenset[Ref]] = field(default_factory=dict)
    _objects: dict[Ref, Object] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.restart()
        self.commit({})

    def restart(self, *, is_complete: bool = True) -> None:
        """The engine forgets everything; the API server nothing."""
        self.mirror, self.claims = Mirror(), Claims()
        self._built.clear()
        self.triggers = Triggers(
            self.mirror,
            lambda users, source: frozenset(u for u in users if self._is_concerned(u, source)),
        )
        self.triggers.serve(KUSTOMIZE_GROUP, "Kustomization", pushing(self._note))
        self.reservations = Reservations(
            self.mirror,
            self,
            self.triggers,
            self._is_concerned,
            self.clock,
            Rights(Access(self.clock), "", ""),
        )
        for obj in self._objects.values():
            self._hear(obj)
        if is_complete:
            self.reservations.complete()

    def claims_of(self, owner: Ref) -> Claims:
        """All are for one cluster."""
        return self.claims

    def are_apart(self, one: Object, other: Object) -> bool | None:
        return False

    def commit(self, wants: dict[Ref, frozenset[Ref]]) -> None:
        """The source holds a new revision, in which these want something else."""
        self.git |= wants
        self.missing -= {owner for owner, refs in wants.items() if refs}
        for source in self.sources() or [SOURCE]:
            self.fetch(source)

    def fetch(self, source: Ref) -> None:
        """The source holds what Git has now."""
        artifact = {"revision": f"main@sha1:{next(self._numbers)}"}
        self._tell(source, {"url": self._urls[source]}, {"artifact": artifact})

    def add_source(self, source: Ref, url: str) -> None:
        """A source that has fetched nothing yet."""
        self._urls[source] = url
        self._tell(source, {"url": url}, {})

    def drop_unused_sources(self) -> None:
        """Those that nobody names but who is being deleted."""
        used = {self.source_of(each) for each in self.owners() if not self._is_deleted(each)}
        for source in set(self.sources()) - used - {SOURCE}:
            self.triggers.deleted(self._objects.pop(source))

    def url_of(self, owner: Ref) -> str:
        """Of its source, which is perhaps gone."""
        return self._urls[self.source_of(owner)]

    def path_of(self, owner: Ref) -> str:
        return str(self._objects[owner]["spec"]["path"])

    def create(
        self, owner: Ref, wants: frozenset[Ref], *, source: Ref = SOURCE, **spec: Any
    ) -> None:
        self.git[owner] = wants
        named = {"kind": source.kind, "name": source.name}
        self._tell(owner, {"sourceRef": named, **spec}, {})

    def change(self, owner: Ref, wants: frozenset[Ref]) -> None:
        """Its own spec changes, its path perhaps; if it is not being deleted."""
        if not self._is_deleted(owner):
            self.git[owner] = wants
            self.missing -= {owner} if wants else set()
            self._tell(owner, self._objects[owner]["spec"], self._objects[owner]["status"])

    def suspend(self, owner: Ref, is_suspended: bool) -> None:
        old = self._objects[owner]
        self._tell(owner, {**old["spec"], "suspend": is_suspended}, old["status"])

    def delete(self, owner: Ref) -> None:
        old = self._objects[owner]
        self._tell(owner, old["spec"], old["status"], is_deleted=True)

    def owners(self) -> list[Ref]:
        return sorted(ref for ref in self._objects if ref.group == KUSTOMIZE_GROUP)

    def sources(self) -> list[Ref]:
        return sorted(ref for ref in self._objects if ref.group == SOURCE_GROUP)

    def source_of(self, owner: Ref) -> Ref:
        return repository(self._objects[owner]["spec"]["sourceRef"]["name"])

    def is_active(self, owner: Ref) -> bool:
        """It is neither suspended nor being deleted."""
        obj = self._objects.get(owner)
        is_suspended = obj is not None and bool(obj["spec"].get("suspend"))
        return obj is not None and not is_suspended and not self._is_deleted(owner)

    def inventory(self, owner: Ref) -> dict[Ref, str]:
        return parse_inventory(self._objects[owner]["status"])

    def begin(self, owner: Ref) -> Iterator[str]:
        """A run of who may be queued."""
        if owner in self.queued:
            self.queued.remove(owner)
        return self.stages(owner)

    def is_ending(self, owner: Ref) -> bool:
        return self._is_deleted(owner)

    def run(self, owner: Ref, *, until: str = "end") -> None:
        """One run, which fails after it was `built`, or after it was `recorded`, or not at all."""
        if owner in self._objects:
            if until != "end":
                self.queued.append(owner)  # to be tried again
            for stage in self.stages(owner):
                if stage == until:
                    return

    def stages(self, owner: Ref) -> Iterator[str]:
        """One run; what it waits for, others may run meanwhile."""
        if self._is_deleted(owner):
            return self._finalize(owner)
        is_suspended = self._objects[owner]["spec"].get("suspend")
        return iter(()) if is_suspended else self._reconcile(owner)

    def settle(self) -> None:
        """Who was queued runs, until nobody is."""
        for _ in range(500):
            if not self.queued:
                return
            self.run(self.queued.pop(0))
        raise AssertionError("they wake each other for ever")

    def _reconcile(self, owner: Ref) -> Iterator[str]:
        source = self._objects.get(self.source_of(owner))
        if source is None or "artifact" not in source["status"]:
            return self._fail(owner, "ArtifactFailed")
        revision = source["status"]["artifact"]["revision"]
        self._update(owner, lastAttemptedRevision=revision)
        if owner in self.missing:
            self.reservations.lost_folder(self._objects[owner], revision)
            return self._fail(owner, "ArtifactFailed")
        if owner in self.broken:
            return self._fail(owner, "BuildFailed")
        wanted = self._built[owner] = self.git[owner]
        self.reservations.claim(self._objects[owner], revision, wanted)
        yield "built"
        plan, reserve = self._planned(owner, wanted)
        self._record(owner, union(self.inventory(owner), plan.inventory()))
        yield "recorded"
        self.live |= dict.fromkeys(wanted, owner)
        for child in sorted(wanted):
            if child.group == KUSTOMIZE_GROUP and child not in self._objects:
                self.create(child, self.git.get(child, frozenset()))
        self.reservations.applied(owner)
        yield "applied"
        left = self._prune(plan, owner, reserve)
        self._record(owner, union(left, plan.inventory()))
        ready = self._condition(owner, "True", "ReconciliationSucceeded")
        self._update(owner, lastAppliedRevision=revision, conditions=[ready])
        return None

    def _finalize(self, owner: Ref) -> Iterator[str]:
        self.claims.release(owner)
        suspended = self._objects[owner]["spec"].get("suspend")
        left: dict[Ref, str] = {}
        if not suspended:
            plan, reserve = self._planned(owner, frozenset())
            yield "planned"
            left = self._prune(plan, owner, reserve)
        self._record(owner, left)
        if not left:
            obj = self._objects.pop(owner)
            del self.git[owner]
            self._built.pop(owner, None)
            self.triggers.deleted(obj)
            self.reservations.gone(owner)

    def _fail(self, owner: Ref, reason: str) -> None:
        self._update(owner, conditions=[self._condition(owner, "False", reason)])

    def _condition(self, owner: Ref, status: str, reason: str) -> Object:
        generation = self._objects[owner]["metadata"]["generation"]
        told = {"status": status, "reason": reason, "observedGeneration": generation}
        return {"type": "Ready", **told}

    def _planned(self, owner: Ref, wanted: frozenset[Ref]) -> tuple[Plan, Reserve]:
        labels = Owner(owner.name, owner.namespace)
        live = {
            ref: labelled(manifest(ref, uid=ref.name), Owner(by.name, by.namespace))
            for ref, by in self.live.items()
        }
        desired = [labelled(manifest(ref), labels) for ref in wanted]
        inventory = self.inventory(owner)
        stale = inventory.keys() - wanted
        is_last = self._is_deleted(owner)
        reserve = self.reservations.judge(owner, self.limit, stale, is_last=is_last)
        return make_plan(desired, View(live), inventory, Policy(labels), reserve), reserve

    def _prune(self, plan: Plan, owner: Ref, reserve: Reserve) -> dict[Ref, str]:
        left = {c.ref: c.version for c in plan.prunes if c.action is Action.DEFER}
        for change in plan.prunes:
            if change.action is not Action.DELETE or self.live.get(change.ref) != owner:
                continue
            reserved = reserve(change.ref)
            if reserved is None:
                del self.live[change.ref]
                self.deleted.append((change.ref, self._wanting(change.ref, owner)))
            elif not reserved.is_final:
                left[change.ref] = change.version
        return left

    def _wanting(self, ref: Ref, owner: Ref) -> frozenset[Ref]:
        """Who wants an object of the owner: suspended ones what they hold, others what Git says.

        Of another repository nobody knows what it would be if it were not broken.
        """
        return frozenset(
            other
            for other in self.owners()
            if not self._is_deleted(other)
            and ref in (self._said(other) if other != owner else self.git[other])
            and not (self._has_failed(other) and self.url_of(other) != self.url_of(owner))
        )

    def _said(self, owner: Ref) -> Collection[Ref]:
        """What Git says, or what a suspended one has, if it was ever built."""
        is_heard = self.is_active(owner) or not self._was_built(owner)
        return self.git[owner] if is_heard else self.inventory(owner)

    def _was_built(self, owner: Ref) -> bool:
        return "lastAppliedRevision" in self._objects[owner]["status"] or owner in self._built

    def _has_failed(self, owner: Ref) -> bool:
        """It was built before, and cannot be now."""
        ready: Object = next(iter(self._objects[owner]["status"].get("conditions") or ()), {})
        return self._was_built(owner) and ready.get("status") == "False"

    def _record(self, owner: Ref, inventory: dict[Ref, str]) -> None:
        self._update(owner, inventory=format_inventory(inventory))

    def _update(self, owner: Ref, **status: Any) -> None:
        old = self._objects[owner]
        self.answer(self._store({**old, "status": {**old["status"], **status}}))

    def _is_deleted(self, owner: Ref) -> bool:
        return "deletionTimestamp" in self._objects[owner]["metadata"]

    def _is_concerned(self, owner: Ref, _source: Ref) -> bool:
        return self._built.get(owner) != self.git.get(owner)

    def _note(self, pushed: Pushed) -> None:
        if pushed.key not in self.queued:
            self.queued.append(pushed.key)

    def _tell(self, ref: Ref, spec: Object, status: Object, *, is_deleted: bool = False) -> None:
        old = self._objects.get(ref)
        generation = old["metadata"]["generation"] + 1 if old else 1
        metadata: dict[str, Any] = {
            "name": ref.name,
            "namespace": ref.namespace,
            "uid": f"{ref.name}-{next(self._numbers)}" if old is None else old["metadata"]["uid"],
            "generation": generation,
            "labels": PARENT,
        }
        if is_deleted or (old and "deletionTimestamp" in old["metadata"]):
            metadata["deletionTimestamp"] = "now"
        header = {"apiVersion": f"{ref.group}/v1", "kind": ref.kind}
        self._store({**header, "metadata": metadata, "spec": spec, "status": status})

    def answer(self, ref: Ref) -> None:
        """What the API server says of a write of ours: the object as it is now."""
        self.triggers.changed(self._objects[ref])

    def catch_up(self) -> None:
        """The watch tells all that is late."""
        late, self.late = self.late or [], None
        for obj in late:
            self._hear(obj)

    def _hear(self, obj: Object) -> None:
        self.triggers.changed(obj)
        if obj["kind"] == "Kustomization":
            self.reservations.heard(obj)

    def _store(self, obj: Object) -> Ref:
        version = str(next(self._numbers))
        stored = {**obj, "metadata": {**obj["metadata"], "resourceVersion": version}}
        self._objects[Ref.of(obj)] = stored
        if self.late is None:
            self._hear(stored)
        else:
            self.late.append(stored)
        return Ref.of(obj)
