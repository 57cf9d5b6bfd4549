"""Whatever is told, in whatever order: who has something to do is queued or running."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.api.meta import KUSTOMIZE_GROUP, SOURCE_GROUP
from engine.cluster.mirror import Mirror
from engine.objects.ref import Object, Ref
from engine.reconcile.outcome import is_ready
from engine.reconcile.triggers import Triggers
from tests.support.pushes import Pushed, pushing
from tests.support.soak import examples

NAMES = ("base", "app")  # app depends on base
REFS = {name: Ref(KUSTOMIZE_GROUP, "Kustomization", "ns", name) for name in NAMES}


class Wakes(RuleBasedStateMachine):
    """An API server, whose news may come late, and runs that look, then write what they saw."""

    def __init__(self) -> None:
        super().__init__()
        self.mirror = Mirror()
        self.triggers = Triggers(self.mirror, lambda users, _source: frozenset(users))
        self.triggers.serve(KUSTOMIZE_GROUP, "Kustomization", pushing(self.note))
        self.queued: set[Ref] = set()
        self.version = 0
        self.truth: dict[str, dict[str, Any]] = {}
        self.late: list[Object] = []  # written, not told by the watch yet
        self.running: dict[str, tuple[Any, int, Any]] = {}  # {name: what it saw, and its scope}
        self.set_source("r0")
        for name in NAMES:
            depends_on = [{"name": "base"}] if name == "app" else []
            spec = {"sourceRef": {"kind": "Bucket", "name": "s"}, "dependsOn": depends_on}
            self.write(name, KUSTOMIZE_GROUP, "Kustomization", generation=1, spec=spec, status={})
        self.all_is_told()
        for name in NAMES:  # from here on everything is news
            self.run_begins(name)
            self.run_ends(name)
        self.all_is_told()

    def note(self, pushed: Pushed) -> None:
        self.queued.add(pushed.key)

    def write(self, name: str, group: str, kind: str, generation: int, **rest: Any) -> Object:
        self.version += 1
        identity = {"name": name, "namespace": "ns", "uid": name, "generation": generation}
        metadata = {**identity, "resourceVersion": str(self.version)}
        obj = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": metadata, **rest}
        self.truth[name] = obj
        self.late.append(obj)
        return obj

    def rewrite(self, name: str, *, generation: int | None = None, **rest: Any) -> Object:
        old = self.truth[name]
        body = {"spec": old["spec"], "status": old["status"], **rest}
        number = generation or old["metadata"]["generation"]
        return self.write(name, KUSTOMIZE_GROUP, "Kustomization", generation=number, **body)

    @rule(revision=st.sampled_from(["r0", "r1", "r2"]))
    def set_source(self, revision: str) -> None:
        artifact = {"artifact": {"revision": revision}}
        self.write("s", SOURCE_GROUP, "Bucket", generation=1, spec={}, status=artifact)

    @rule(name=st.sampled_from(NAMES), is_told=st.booleans())
    def change_spec(self, name: str, is_told: bool) -> None:
        self.rewrite(name, generation=self.truth[name]["metadata"]["generation"] + 1)
        if is_told:
            self.all_is_told()

    @precondition(lambda self: self.late)
    @rule(chance=st.randoms(use_true_random=False))
    def watch_tells(self, chance: Any) -> None:
        """Watches of two kinds are not ordered; one of a kind is."""
        kind = chance.choice(self.late)["kind"]
        obj = next(each for each in self.late if each["kind"] == kind)
        self.late.remove(obj)
        self.triggers.changed(obj)

    def all_is_told(self) -> None:
        while self.late:
            self.triggers.changed(self.late.pop(0))

    @rule(name=st.sampled_from(NAMES))
    def run_begins(self, name: str) -> None:
        """Queued, or as the interval is over."""
        if name in self.running:
            return
        self.queued.discard(REFS[name])
        found = self.mirror.get(REFS[name])
        assert found is not None
        scope = self.triggers.running(REFS[name])
        scope.__enter__()
        self.running[name] = (self.seen(name), found["metadata"]["generation"], scope)

    @rule(name=st.sampled_from(NAMES))
    def run_ends(self, name: str) -> None:
        if name not in self.running:
            return
        revision, generation, scope = self.running.pop(name)
        status = dict(self.truth[name]["status"])
        if revision is None:
            status["conditions"] = [{"type": "Ready", "status": "False"}]
        else:
            status["conditions"] = [{"type": "Ready", "status": "True"}]
            status["observedGeneration"] = generation
            status["lastAttemptedRevision"] = status["lastAppliedRevision"] = revision
        self.triggers.changed(self.rewrite(name, status=status))  # the answer to its write
        scope.__exit__(None, None, None)

    def seen(self, name: str) -> str | None:
        """The revision that a run applies now; None: it has to wait for something."""
        source = self.mirror.get(Ref(SOURCE_GROUP, "Bucket", "ns", "s"))
        if source is None:
            return None
        revision = str(source["status"]["artifact"]["revision"])
        if name == "app":
            base = self.mirror.get(REFS["base"])
            if base is None or not is_ready(base):
                return None
            if base["status"].get("lastAppliedRevision") != revision:
                return None
        return revision

    @invariant()
    def who_has_something_to_do_is_queued_or_runs(self) -> None:
        for name, ref in REFS.items():
            obj = self.mirror.get(ref)
            if obj is None or ref in self.queued or name in self.running:
                continue
            revision = self.seen(name)
            if revision is not None:
                assert is_ready(obj), f"{name} is forgotten"
                assert obj["status"]["lastAttemptedRevision"] == revision, f"{name} is outdated"


Wakes.TestCase.settings = settings(
    max_examples=examples(150), stateful_step_count=40, deadline=None
)
test_no_wake_up_is_lost = Wakes.TestCase
