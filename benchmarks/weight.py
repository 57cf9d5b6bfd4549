"""What the engine keeps of each managed object, part by part, in bytes of Python's own memory.

`python -m benchmarks.weight [OBJECTS ...]` prints it.  Nothing runs: the parts are filled with what
a settled fleet would tell them, one part after the other, and weighed by tracemalloc; the same
numbers give the same bytes on the same Python.  What several parts share counts for the first.
"""

import gc
import hashlib
import pickle
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

import orjson

from benchmarks.workload import NAMESPACE, TARGET_NAMESPACE, Workload
from engine.api.meta import KUSTOMIZE_GROUP
from engine.cluster.known import Known
from engine.cluster.mirror import Mirror
from engine.cluster.resource import Resource
from engine.cluster.sightings import Sightings
from engine.objects.ref import Ref
from engine.plan.claims import Basis, Claims
from engine.plan.inventory import format_inventory
from engine.plan.observation import observe
from engine.plan.policy import Owner, labelled
from engine.reconcile.builds import Builds, Desired
from engine.render import Request
from engine.render.inputs import Inputs, Recorder
from engine.source.tree import MemoryTree

MANAGER = "kustomize-controller"
REVISION = "main@sha1:" + "0" * 40
SIZES = (10_000, 100_000)
"""Objects at which the figures are published."""
_INSTANT = "2026-01-01T00:00:00Z"

Object = dict[str, Any]


@dataclass(slots=True)
class Fleet:
    """What an API server and a builder say of a workload, each time anew and with text of its own.

    Nothing of it is kept here, so whatever stays in memory is kept by who was told.
    """

    workload: Workload
    _versions: Iterator[int] = field(default_factory=lambda: count(1))

    def desired(self, name: str) -> Desired:
        """A build as it comes out of a builder process."""
        owner = Owner(name, NAMESPACE)
        sent = [orjson.dumps(labelled(obj, owner)) for obj in self._namespaced(name)]
        objects = tuple(orjson.loads(text) for text in sent)
        origins = {
            Ref.of(obj): f"{name}/{obj['kind'].lower()}-{number}.yaml:1"
            for number, obj in enumerate(objects)
        }
        contents = {
            Ref.of(obj): hashlib.blake2b(text, digest_size=16).digest()
            for obj, text in zip(objects, sent, strict=True)
        }
        return Desired(objects, origins, f"sha256:{name:0<64}", contents)

    def live(self, name: str) -> Iterator[Object]:
        """The objects of one Kustomization as a watch tells them."""
        for obj in self.desired(name).objects:
            version = next(self._versions)
            metadata = {
                **obj["metadata"],
                "uid": str(UUID(int=hash((name, version)) % 2**128)),
                "resourceVersion": str(10**6 + version),
                "creationTimestamp": _INSTANT,
                "managedFields": [_entry(obj)],
            }
            yield orjson.loads(orjson.dumps({**obj, "metadata": metadata}))

    def kustomization(self, name: str) -> Object:
        """A Ready Kustomization with its inventory, as its watch tells it."""
        desired = self.desired(name)
        obj = {
            **self.workload.kustomization(name),
            "status": {"inventory": format_inventory(desired.versions())},
        }
        metadata: Object = {**obj["metadata"], "resourceVersion": "1", "uid": f"uid-of-{name}"}
        told: Object = orjson.loads(orjson.dumps({**obj, "metadata": metadata}))
        return told

    def inputs(self, name: str) -> Inputs:
        """What the build of a Kustomization has read, as it comes out of a builder process."""
        recorder = Recorder(MemoryTree({path: path.encode() for path in self._paths(name)}))
        recorder.entry(name)
        for path in self._paths(name):
            recorder.entry(path)
            recorder.read(path)
        found: Inputs = pickle.loads(pickle.dumps(recorder.inputs))
        return found

    def _paths(self, name: str) -> list[str]:
        kinds = self.workload.kinds
        files = (f"{kinds[n % len(kinds)][0].lower()}-{n}" for n in range(self.workload.objects))
        return [f"{name}/{file}.yaml" for file in ("kustomization", *files)]

    def _namespaced(self, name: str) -> Iterator[Object]:
        for obj in self.workload.manifests(name):
            yield {**obj, "metadata": {**obj["metadata"], "namespace": TARGET_NAMESPACE}}


def _entry(obj: Mapping[str, Any]) -> Object:
    """What managedFields says of an object that was applied."""
    metadata: Object = {"f:labels": {f"f:{key}": {} for key in obj["metadata"]["labels"]}}
    rest = {key: _paths(obj[key]) for key in obj if key not in ("apiVersion", "kind", "metadata")}
    fields = {f"f:{key}": paths for key, paths in rest.items()}
    return {
        "manager": MANAGER,
        "operation": "Apply",
        "apiVersion": obj["apiVersion"],
        "time": _INSTANT,
        "fieldsV1": {**fields, "f:metadata": metadata},
    }


def _paths(value: Any) -> Object:
    """The field set of a value; a list counts as one."""
    if not isinstance(value, Mapping):
        return {}
    return {f"f:{key}": _paths(each) for key, each in value.items()}


def weights(workload: Workload) -> dict[str, float]:
    """{part: bytes an object}, of everything that the engine keeps of each; `in all` comes last."""
    fleet, tally = Fleet(workload), _Tally(workload.kustomizations * workload.objects)
    with tally:
        sightings = tally.filled("live view", partial(_sightings, fleet))
        kept = [
            sightings,
            tally.filled("watches", partial(_known, fleet)),
            tally.filled("claims", partial(_claims, fleet, sightings)),
            tally.filled("builds", partial(_builds, fleet)),
            tally.filled("Kustomizations", partial(_mirror, fleet)),
        ]
        kept.clear()
    return {**tally.found, "in all": sum(tally.found.values())}


class _Tally:
    """Weighs what functions leave in memory."""

    def __init__(self, objects: int) -> None:
        self._objects = objects
        self.found: dict[str, float] = {}

    def __enter__(self) -> None:
        gc.collect()
        gc.freeze()  # what was there before need not be looked through each time
        tracemalloc.start()

    def __exit__(self, *_: object) -> None:
        tracemalloc.stop()
        gc.unfreeze()

    def filled(self, part: str, fill: Callable[[], Any]) -> Any:
        """What `fill` gives, once it is weighed."""
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        kept = fill()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        self.found[part] = (after - before) / self._objects
        return kept


def _sightings(fleet: Fleet) -> Sightings:
    sightings = Sightings()
    for name in fleet.workload.names:
        for obj in fleet.live(name):
            sightings.keep(Ref.of(obj).shared(), observe(obj, MANAGER, (), 0.0))
    return sightings


def _known(fleet: Fleet) -> dict[str, Known]:
    known: dict[str, Known] = {}
    for name in fleet.workload.names:
        for obj in fleet.live(name):
            kind = obj["kind"]
            if kind not in known:
                known[kind] = Known(Resource("", "v1", kind, kind.lower(), namespaced=True))
            for _ in known[kind].saw(obj):
                pass
    return known


def _claims(fleet: Fleet, sightings: Sightings) -> Claims:
    claims = Claims()
    for name in fleet.workload.names:
        owner, desired = _owner(name), fleet.desired(name)
        claims.claim(owner, desired.contents, Basis(1, REVISION))
        for ref, content in desired.contents.items():
            seen = sightings.get(ref)
            claims.settle(owner, ref, content, seen.signature if seen else b"")
    return claims


def _builds(fleet: Fleet) -> Builds:
    builds = Builds()
    for name in fleet.workload.names:
        request = Request(path=f"./{name}", target_namespace=TARGET_NAMESPACE)
        builds.keep(_owner(name), request, fleet.inputs(name), fleet.desired(name))
    return builds


def _mirror(fleet: Fleet) -> Mirror:
    mirror = Mirror()
    for name in fleet.workload.names:
        mirror.note(fleet.kustomization(name))
    return mirror


def _owner(name: str) -> Ref:
    return Ref(KUSTOMIZE_GROUP, "Kustomization", NAMESPACE, name)


def table_of(sizes: Sequence[int]) -> str:
    """A line for each part, a column for each number of objects."""
    found = [weights(Workload(size // 10, 10)) for size in sizes]
    heading = f"{'bytes an object':<16}" + "".join(f"{size:>10,}" for size in sizes)
    lines = [f"{part:<16}" + "".join(f"{each[part]:>10.0f}" for each in found) for part in found[0]]
    return "\n".join([heading, *lines])


if __name__ == "__main__":
    print(table_of([int(size) for size in sys.argv[1:]] or SIZES))
