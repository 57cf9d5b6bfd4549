"""Several Kustomizations of one source and the objects that they share, without any I/O.

Each run is one step, so that a test may put them, commits, crashes and deletions in any order.
"""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from engine.api.meta import KUSTOMIZE_GROUP, SOURCE_GROUP
from engine.cluster.mirror import Mirror
from engine.objects.ref import Object, Ref
from engine.plan import Action, Plan, View, make_plan
from engine.plan.claims import Claims
from engine.plan.inventory import format_inventory, parse_inventory, union
from engine.plan.policy import Owner, Policy, labelled
from engine.reconcile.reservations import Reservations
from engine.reconcile.triggers import Triggers
from tests.support.build import config
from tests.support.clock import ManualClock

SOURCE = Ref(SOURCE_GROUP, "GitRepository", "flux", "fleet")


def kustomization(name: str) -> Ref:
    return Ref(KUSTOMIZE_GROUP, "Kustomization", "flux", name)


def shared(name: str) -> Ref:
    return Ref("", "ConfigMap", "ns", name)


@dataclass
class SharedObjects:
    """git: what each wants.  live: {object: whose labels it carries}.

    deleted: each deletion, with who wanted the object at that moment.
    """

    git: dict[Ref, frozenset[Ref]] = field(default_factory=dict)
    live: dict[Ref, Ref] = field(default_factory=dict)
    deleted: list[tuple[Ref, frozenset[Ref]]] = field(default_factory=list)
    queued: list[Ref] = field(default_factory=list)
    clock: ManualClock = field(default_factory=ManualClock)
    limit: float = 600.0
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
        self.triggers = Triggers(self.mirror, self._is_concerned)
        self.triggers.serve(KUSTOMIZE_GROUP, "Kustomization", self._pushed)
        self.reservations = Reservations(
            self.mirror, self.claims, self.triggers, self._is_concerned, self.clock
        )
        for obj in self._objects.values():
            self.triggers.changed(obj)
        if is_complete:
            self.reservations.complete()

    def commit(self, wants: dict[Ref, frozenset[Ref]]) -> None:
        """The source holds a new revision, in which these want something else."""
        self.git |= wants
        artifact = {"revision": f"main@sha1:{next(self._numbers)}"}
        self._tell(SOURCE, {}, {"artifact": artifact})

    def create(self, owner: Ref, wants: frozenset[Ref], **spec: Any) -> None:
        self.git[owner] = wants
        source = {"kind": "GitRepository", "name": "fleet"}
        self._tell(owner, {"sourceRef": source, **spec}, {})

    def change(self, owner: Ref, wants: frozenset[Ref]) -> None:
        """Its own spec changes, its path perhaps; if it is not being deleted."""
        if not self._is_deleted(owner):
            self.git[owner] = wants
            self._tell(owner, self._objects[owner]["spec"], self._objects[owner]["status"])

    def suspend(self, owner: Ref, is_suspended: bool) -> None:
        old = self._objects[owner]
        self._tell(owner, {**old["spec"], "suspend": is_suspended}, old["status"])

    def delete(self, owner: Ref) -> None:
        old = self._objects[owner]
        self._tell(owner, old["spec"], old["status"], is_deleted=True)

    def owners(self) -> list[Ref]:
        return sorted(self._objects.keys() - {SOURCE})

    def is_active(self, owner: Ref) -> bool:
        """It is neither suspended nor being deleted."""
        obj = self._objects.get(owner)
        is_suspended = obj is not None and bool(obj["spec"].get("suspend"))
        return obj is not None and not is_suspended and not self._is_deleted(owner)

    def inventory(self, owner: Ref) -> dict[Ref, str]:
        return parse_inventory(self._objects[owner]["status"])

    def run(self, owner: Ref, *, until: str = "end") -> None:
        """One run, which fails after it was `built`, or after it was `recorded`, or not at all."""
        obj = self._objects.get(owner)
        if obj is None:
            return
        if until != "end":
            self.queued.append(owner)  # to be tried again
        if self._is_deleted(owner):
            self._finalize(owner)
        elif not obj["spec"].get("suspend"):
            self._reconcile(owner, until)

    def settle(self) -> None:
        """Who was queued runs, until nobody is."""
        for _ in range(500):
            if not self.queued:
                return
            self.run(self.queued.pop(0))
        raise AssertionError("they wake each other for ever")

    def _reconcile(self, owner: Ref, until: str) -> None:
        wanted = self._built[owner] = self.git[owner]
        revision = self._objects[SOURCE]["status"]["artifact"]["revision"]
        self.reservations.claim(self._objects[owner], revision, wanted)
        if until == "built":
            return
        plan, inventory = self._planned(owner, wanted), self.inventory(owner)
        self._record(owner, union(inventory, plan.inventory()))
        if until == "recorded":
            return
        self.live |= dict.fromkeys(wanted, owner)
        self.reservations.applied(owner)
        left = self._prune(plan, owner)
        self._record(owner, union(left, plan.inventory()))

    def _finalize(self, owner: Ref) -> None:
        self.claims.release(owner)
        suspended = self._objects[owner]["spec"].get("suspend")
        left = {} if suspended else self._prune(self._planned(owner, frozenset()), owner)
        self._record(owner, left)
        if not left:
            obj = self._objects.pop(owner)
            del self.git[owner]
            self.triggers.deleted(obj)
            self.reservations.gone(owner)

    def _planned(self, owner: Ref, wanted: frozenset[Ref]) -> Plan:
        labels = Owner(owner.name, owner.namespace)
        live = {
            ref: labelled(config(ref.name, uid=ref.name), Owner(by.name, by.namespace))
            for ref, by in self.live.items()
        }
        desired = [labelled(config(ref.name), labels) for ref in wanted]
        reserve = self.reservations.judge(owner, self.limit, is_last=self._is_deleted(owner))
        return make_plan(desired, View(live), self.inventory(owner), Policy(labels), reserve)

    def _prune(self, plan: Plan, owner: Ref) -> dict[Ref, str]:
        for change in plan.prunes:
            if change.action is Action.DELETE:
                assert self.live.pop(change.ref) == owner
                self.deleted.append((change.ref, self._wanting(change.ref)))
        return {c.ref: c.version for c in plan.prunes if c.action is Action.DEFER}

    def _wanting(self, ref: Ref) -> frozenset[Ref]:
        """Who wants the object: active ones what Git says, suspended ones what they hold."""
        return frozenset(
            owner
            for owner in self.owners()
            if not self._is_deleted(owner)
            and ref in (self.git[owner] if self.is_active(owner) else self.inventory(owner))
        )

    def _record(self, owner: Ref, inventory: dict[Ref, str]) -> None:
        old = self._objects[owner]
        status = {**old["status"], "inventory": format_inventory(inventory)}
        self._store({**old, "status": status})

    def _is_deleted(self, owner: Ref) -> bool:
        return "deletionTimestamp" in self._objects[owner]["metadata"]

    def _is_concerned(self, owner: Ref, _source: Ref) -> bool:
        return self._built.get(owner) != self.git.get(owner)

    def _pushed(self, key: Ref, **_: Any) -> None:
        if key not in self.queued:
            self.queued.append(key)

    def _tell(self, ref: Ref, spec: Object, status: Object, *, is_deleted: bool = False) -> None:
        old = self._objects.get(ref)
        generation = old["metadata"]["generation"] + 1 if old else 1
        metadata: dict[str, Any] = {
            "name": ref.name,
            "namespace": ref.namespace,
            "uid": ref.name,
            "generation": generation,
        }
        if is_deleted or (old and "deletionTimestamp" in old["metadata"]):
            metadata["deletionTimestamp"] = "now"
        header = {"apiVersion": f"{ref.group}/v1", "kind": ref.kind}
        self._store({**header, "metadata": metadata, "spec": spec, "status": status})

    def _store(self, obj: Object) -> None:
        version = str(next(self._numbers))
        stored = {**obj, "metadata": {**obj["metadata"], "resourceVersion": version}}
        self._objects[Ref.of(obj)] = stored
        self.triggers.changed(stored)
