"""What is fuzzed: functions of bytes that return, whatever the bytes are.

Any exception but the ones that people are told of is a finding; so is time or memory without end.
"""

import json
import posixpath
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import TypeVar

import anyio
from orjson import JSONDecodeError as NoJson

from engine.api.applier import Patch, Selector
from engine.api.decode import Undecodable
from engine.api.notification import ReceiverResource, ReceiverSpec
from engine.errors import Failure
from engine.hooks import Hit, Refused, filters_of
from engine.hooks.payload import request_of
from engine.objects.cel import CelError
from engine.objects.manifests import ManifestError, dump, parse
from engine.render import Lacking, Request, render
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.reading import read, read_one
from engine.render.kustomize.repository import parse_repository
from engine.render.kustomize.transform.paths import find, look_up, split_smart
from engine.source.tree import MemoryTree
from plugins import PLUGIN
from tests.fuzz.mutations import mutated
from tests.golden.test_broken import parts_of
from tests.support.announcing import announced, event_of
from tests.support.webhooks import SENDERS, TOKEN

Target = Callable[[bytes], None]
T = TypeVar("T")

TOLD = (KustomizeError, ManifestError, Failure, Lacking, Refused, CelError, Undecodable, NoJson)
"""What a person is told of."""

DEPLOYMENT = b"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 1
  template:
    spec:
      containers:
      - {name: web, image: nginx:1.27, ports: [{containerPort: 80}], env: [{name: A, value: b}]}
"""
CONFIG = b"""\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: b, json: '{"x": [1, {"y": 2}]}', lines: "x,y,z"}
"""


def yaml(data: bytes) -> None:
    """Both readers; what is read can be written and read again."""
    for document in _told(lambda: parse(data, "a.yaml")) or ():
        dump(document.obj)
    _told(lambda: read(data, "a.yaml"))
    _told(lambda: read_one(data, "a.yaml"))


def merge(data: bytes) -> None:
    """A strategic merge or JSON patch, by name and by selector."""
    text = data.decode(errors="replace")
    for target in (None, Selector(kind="Deployment|ConfigMap")):
        _told(lambda target=target: _render({}, patches=(Patch(patch=text, target=target),)))  # type: ignore[misc]  # called at once
    _told(lambda: _render({"patch.yaml": data}, b"patchesStrategicMerge: [patch.yaml]\n"))


def replacements(data: bytes) -> None:
    """A file of replacements."""
    _told(lambda: _render({"r.yaml": data}, b"replacements:\n- path: r.yaml\n"))


def kustomization(data: bytes) -> None:
    """A kustomization file beside two resources."""
    _told(lambda: _render({"kustomization.yaml": data}))


def paths(data: bytes) -> None:
    """A field path, a file's path and a repository's URL."""
    text = data.decode(errors="replace")
    obj = read(DEPLOYMENT, "d.yaml")[0].value
    _told(lambda: look_up(obj, split_smart(text)))
    for create in (None, str, dict, list):
        _told(lambda create=create: find(obj, split_smart(text), create))  # type: ignore[misc]  # called at once
    parse_repository(text)
    _told(lambda: _render({"kustomization.yaml": dump({"resources": [text]}).encode()}))
    _told(lambda: _render({}, path=text))


def repository(data: bytes) -> None:
    """A whole repository: `-- path --` begins a file."""
    parts = parts_of(data.replace(b"(escaped)", b"").decode(errors="replace"))
    files = {
        path: text
        for path, text in parts.items()
        if posixpath.join("/", path) == posixpath.normpath(f"/{path}")
    }
    _told(lambda: render(_tree(files), Request(variables={"region": "eu"})))


def receiver(kind: str, data: bytes) -> None:
    """A call of a Receiver of that type, proven and not: headers, an empty line, a body."""
    head, _, body = data.partition(b"\n\n")
    lines = [line.partition(": ") for line in head.decode(errors="replace").split("\n")]
    given = {name.lower(): value for name, _, value in lines}
    nearly = mutated(Random(data), SENDERS[kind].call().body)
    for text in (body or data, nearly):
        for headers in (given, {**given, **SENDERS[kind].call(body=text).lowered}):
            _told(lambda headers=headers, text=text: _received(kind, headers, text))  # type: ignore[misc]  # called at once


def event(data: bytes) -> None:
    """A posted event: what is sent, and a genuine one that nearly is one."""
    for text in (data, mutated(Random(data), _EVENT)):
        if (found := _told(lambda text=text: event_of(text))) is not None:  # type: ignore[misc]  # called at once
            anyio.run(announced, found)


def _received(kind: str, headers: Mapping[str, str], body: bytes) -> None:
    genuine = PLUGIN.receivers[kind](Hit(headers, body, TOKEN.encode()))
    entry = ReceiverResource(kind="GitRepository", name="fleet")
    filters = filters_of(ReceiverSpec(type="generic", resources=(entry,), resource_filter=_FILTER))
    obj = {"apiVersion": "v1", "kind": "GitRepository", "metadata": {"name": "fleet"}}
    filters.accepts(0, obj, request_of(genuine.payload))


_EVENT = json.dumps(
    {
        "involvedObject": {
            "kind": "Kustomization",
            "namespace": "ns",
            "name": "app",
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        },
        "severity": "error",
        "timestamp": "2026-11-23T10:00:00Z",
        "message": "m",
        "reason": "HealthCheckFailed",
        "metadata": {
            "kustomize.toolkit.fluxcd.io/revision": f"main@sha1:{'a1' * 20}",
            "event.toolkit.fluxcd.io/summary": "s",
        },
        "reportingController": "kustomize-controller",
    }
).encode()
_FILTER = "req.exists(k, string(req[k]).contains(res.metadata.name) || req[k] == 'x')"


TARGETS: Mapping[str, Target] = {
    each.__name__: each for each in (yaml, merge, replacements, kustomization, paths, repository)
}
RECEIVERS: Mapping[str, Target] = {
    "event": event,
    **{f"receiver-{kind}": partial(receiver, kind) for kind in PLUGIN.receivers},
}
"""What strangers send: beside those that render."""


def _render(
    files: Mapping[str, bytes],
    fields: bytes = b"",
    *,
    path: str = "",
    patches: tuple[Patch, ...] = (),
) -> None:
    known = {"deployment.yaml": DEPLOYMENT, "config.yaml": CONFIG}
    listed = b"resources: [deployment.yaml, config.yaml]\n" + fields
    tree = _tree({**known, "kustomization.yaml": listed, **files})
    render(tree, Request(path=path, patches=patches))


def _tree(files: Mapping[str, bytes]) -> MemoryTree:
    """The files that can stand in one tree: no path leads through a file."""
    folders = {
        "/".join(path.split("/")[:n]) for path in files for n in range(1, path.count("/") + 1)
    }
    return MemoryTree({path: text for path, text in files.items() if path not in folders})


def _told(run: Callable[[], T]) -> T | None:
    try:
        return run()
    except TOLD:
        return None
