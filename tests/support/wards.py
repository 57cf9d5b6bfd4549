"""A cluster in memory for `lockstep doctor`: Flux's kinds, and objects as checks find them."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.api import KINDS
from engine.api.meta import KUSTOMIZE_GROUP, SOURCE_GROUP
from engine.cluster import NotFound, Resource
from engine.cluster.limiter import Limiter
from engine.cluster.resource import PODS, resource_of
from engine.cluster.sender import Statistics
from engine.objects.ref import Object, Ref
from engine.plugin import Diagnosis, Finding, Snapshot
from engine.runtime import SystemClock
from tests.support.contexts import context_of
from tests.support.memory_client import MemoryClient

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
LONG_AGO = "2026-01-01T00:00:00Z"
LATELY = "2027-01-15T07:59:00Z"
KINDS_SERVED = (
    *(resource_of(each) for each in KINDS.values()),
    Resource("", "v1", "Event", "events", namespaced=True),
    PODS,
)


class Ward(MemoryClient):
    """A client whose discovery also lists, and that counts what was refused."""

    def __init__(self, *objects: Object, refused: Mapping[int, int] | None = None) -> None:
        super().__init__(*objects, kinds=KINDS_SERVED)
        self._refused = refused or {}
        self.texts: dict[str, str] = {}  # {path: what is served there}

    async def all(self) -> tuple[Resource, ...]:
        return tuple(self.kinds.values())

    async def text(self, path: str) -> str:
        if path not in self.texts:
            raise NotFound(404, "NotFound", path)
        return self.texts[path]

    def statistics(self) -> Statistics:
        limiter = Limiter(SystemClock()).statistics()
        return Statistics({}, self._refused, 0, limiter)


async def diagnosed(diagnosis: Diagnosis, *objects: Object, **more: Any) -> list[Finding]:
    """What a check finds among these objects."""
    ward = more.pop("ward", None) or Ward(*objects)
    snapshot = Snapshot(ward.as_client(), NOW, more.pop("namespace", ""))
    return list(await diagnosis(snapshot, context_of(ward.as_client(), **more)))


def kustomization(name: str, /, status: Object | None = None, **spec: Any) -> dict[str, Any]:
    """One of the source `fleet` in `apps`, Ready unless its status says otherwise."""
    wanted = {
        "interval": "10m",
        "prune": True,
        "sourceRef": {"kind": "GitRepository", "name": "fleet"},
    }
    return {
        "apiVersion": f"{KUSTOMIZE_GROUP}/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "apps", "generation": 1},
        "spec": wanted | spec,
        "status": status if status is not None else ready(),
    }


def source(status: Object | None = None, name: str = "fleet", **spec: Any) -> dict[str, Any]:
    """A GitRepository, Ready unless its status says otherwise."""
    return {
        "apiVersion": f"{SOURCE_GROUP}/v1",
        "kind": "GitRepository",
        "metadata": {"name": name, "namespace": "apps", "generation": 1},
        "spec": {"interval": "10m", "url": "https://git.example.org/fleet"} | spec,
        "status": status if status is not None else ready(),
    }


def ready(*inventory: Ref, **more: Any) -> dict[str, Any]:
    """A status that says Ready."""
    entries = [{"id": ref.id, "v": "v1"} for ref in inventory]
    return {
        "observedGeneration": 1,
        "conditions": [_ready("True", "ReconciliationSucceeded", "Applied")],
        "inventory": {"entries": entries},
        **more,
    }


def failed(reason: str, message: str, **more: Any) -> dict[str, Any]:
    """A status that says why it is not Ready."""
    return {"observedGeneration": 1, "conditions": [_ready("False", reason, message)], **more}


def progressing() -> dict[str, Any]:
    """A status that has said for long that something is done."""
    return {"observedGeneration": 1, "conditions": [_ready("Unknown", "Progressing", "Building")]}


def _ready(status: str, reason: str, message: str) -> dict[str, str]:
    return {
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": LONG_AGO,
    }


def event(about: Object, message: str, **more: Any) -> dict[str, Any]:
    """What was told of an object a minute ago."""
    metadata = about["metadata"]
    involved = {
        "apiVersion": about["apiVersion"],
        "kind": about["kind"],
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
    }
    name = f"e{abs(hash((message, metadata['name'])))}"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": metadata.get("namespace", "apps")},
        "involvedObject": involved,
        "type": "Normal",
        "reason": "Progressing",
        "message": message,
        "lastTimestamp": LATELY,
        "count": 1,
        **more,
    }


def told(findings: Sequence[Finding]) -> list[str]:
    """What they say, a line each."""
    return [f"{each.severity.name.lower()}: {each.what}" for each in findings]
