"""Which Flux Kustomization of a repository builds which of its files, and whether it decrypts.

Each is built as the engine would, without keys and without remote bases; a Kustomization that is
itself built by another counts as that one makes it, with its patches and variables.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.api import Undecodable, decode
from engine.api.kustomize import Kustomization
from engine.custody.survey import is_below, is_flux_kustomization
from engine.errors import Failure
from engine.objects.manifests import Document, dump
from engine.objects.ref import Object
from engine.render import Lacking, Rendered, Request, render
from engine.render.inputs import Recorder
from engine.source.tree import Tree

_MOST: Final = 5_000
"""Kustomizations that are built: a repository in a circle of them must end."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """A Kustomization and what it reads."""

    name: str
    """`namespace/name`, or the name alone where the manifest has no namespace."""
    origin: str
    """`file:line` of its manifest."""
    path: str
    decrypts: bool
    secret: str
    """Name of its decryption Secret, "" if it has none."""
    files: frozenset[str]
    problem: str = ""
    """Why it could not be built; then `files` are all below its path."""


def consumers_of(tree: Tree, documents: tuple[Document, ...]) -> tuple[Consumer, ...]:
    """Every Kustomization of the tree, in the order of its manifests."""
    waiting = deque(
        (f"{each.file}:{each.line}", each.obj, False)
        for each in documents
        if is_flux_kustomization(each.obj)
    )
    found: dict[str, tuple[Consumer, bool]] = {}
    while waiting and len(found) < _MOST:
        origin, obj, is_built = waiting.popleft()
        key = f"{origin}\n{dump(_judged(obj))}"
        if key in found:
            found[key] = found[key][0], found[key][1] or is_built
            continue
        consumer, built = _consumer(tree, origin, obj)
        found[key] = consumer, is_built
        waiting += [(each.origin, each.obj, True) for each in _inner(built)]
    shaped = {consumer.origin for consumer, is_built in found.values() if is_built}
    kept = [each for each, is_built in found.values() if is_built or each.origin not in shaped]
    return tuple(sorted(kept, key=lambda each: (each.name, each.origin)))


def _judged(obj: Object) -> Object:
    """What tells two Kustomizations apart."""
    metadata = obj.get("metadata") if isinstance(obj.get("metadata"), Mapping) else {}
    named = {key: (metadata or {}).get(key) for key in ("name", "namespace")}
    return {"metadata": named, "spec": obj.get("spec")}


def _inner(built: Rendered | None) -> Iterator[Any]:
    for each in built.objects if built is not None else ():
        if is_flux_kustomization(each.obj):
            yield each


def _consumer(tree: Tree, origin: str, obj: Object) -> tuple[Consumer, Rendered | None]:
    spec = obj.get("spec") if isinstance(obj.get("spec"), Mapping) else {}
    decryption = (spec or {}).get("decryption")
    reference = decryption.get("secretRef") if isinstance(decryption, Mapping) else None
    path = str((spec or {}).get("path") or "")
    consumer = Consumer(
        name=_name(obj),
        origin=origin,
        path=path,
        decrypts=isinstance(decryption, Mapping),
        secret=str(reference.get("name", "")) if isinstance(reference, Mapping) else "",
        files=frozenset(),
    )
    recorder, built, problem = Recorder(tree), None, ""
    try:
        built = render(recorder, _request(obj, path))
    except Lacking:
        problem = "it builds on something remote"
    except Failure as failure:
        problem = str(failure)
    files = frozenset(recorder.inputs.files)
    if problem:
        files |= _all_below(tree, path)
    return replace(consumer, files=files, problem=problem), built


def _request(obj: Object, path: str) -> Request:
    try:
        ks = decode(Kustomization, obj)
    except Undecodable:
        return Request(path=path, strict=False)
    variables = ks.spec.post_build.substitute if ks.spec.post_build is not None else None
    return Request.of(ks, variables, strict=False)


def _name(obj: Object) -> str:
    metadata = obj.get("metadata")
    names = metadata if isinstance(metadata, Mapping) else {}
    return "/".join(str(names[key]) for key in ("namespace", "name") if names.get(key))


def _all_below(tree: Tree, path: str) -> frozenset[str]:
    folder = "/".join(part for part in path.split("/") if part not in ("", "."))
    return frozenset(file for file in _files(tree, "") if is_below(file, folder))


def _files(tree: Tree, folder: str) -> Iterator[str]:
    for name, entry in tree.names(folder).items():
        path = f"{folder}/{name}" if folder else name
        if entry.form.value == "folder":
            yield from _files(tree, path)
        else:
            yield path
