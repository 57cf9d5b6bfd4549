"""Where the fields of manifests, kustomizations and patches stand: `file:line`, best effort.

Only explanations ask; what cannot be told is "", or the nearest that can.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.objects.manifests import Document, ManifestError, parse
from engine.objects.scalars import key_text, resolve
from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.model.scalars import text_of
from engine.render.kustomize.provenance_items import is_alike
from engine.render.kustomize.provenance_tree import Item, Path

Steps = tuple[str | int, ...]
_BLOCK = re.compile(r"[:-]\s+\|[-+0-9]*\s*(#.*)?$")
"""The end of a line after which a text follows line by line."""


def documents_in(content: bytes, file: str) -> list[Document]:
    """The documents with the lines of their fields; none of a text that only kustomize reads."""
    try:
        return parse(content, file, merge_overrides=True)
    except ManifestError:
        return []


@dataclass(frozen=True, slots=True)
class Text:
    """One document of a configuration file: a kustomization, or Flux's Kustomization."""

    file: str
    content: bytes = b""
    document: Document | None = None

    @classmethod
    def of(cls, content: bytes, file: str) -> "Text":
        """The first document."""
        return cls(file, content, next(iter(documents_in(content, file)), None))

    def line(self, path: Steps) -> int:
        """The line of a field, 0 if it is not known."""
        return self.document.positions.get(path, 0) if self.document is not None else 0

    def place(self, path: Steps) -> str:
        """`file:line` of a field, the file alone where that is not known."""
        line = self.line(path)
        return f"{self.file}:{line}" if line else self.file

    def documents_at(self, path: Steps, text: str) -> list[Document]:
        """The documents of a manifest that is written in place, with lines of this file.

        None where the lines of the text are not those of the file.
        """
        line = self.line(path)
        lines = self.content.decode(errors="replace").splitlines()
        if not 0 < line <= len(lines) or not _BLOCK.search(lines[line - 1]):
            return []
        return documents_in(b"\n" * line + text.encode(), self.file)


@dataclass(frozen=True, slots=True)
class Spot:
    """An object in a file: its document, the path of it there, which is not empty in a List."""

    document: Document
    path: Steps = field(default=())

    @property
    def line(self) -> int:
        """Where the object begins."""
        return self.document.line_of(self.path)

    def place(self, path: Steps) -> str:
        """`file:line` of a field of the object, or of the nearest above it."""
        whole = (*self.path, *path)
        line, depth = self.document.positions.nearest(whole)
        if depth < len(whole):
            line, _ = self.document.positions.nearest(tuple(map(_read_as, whole)))
        return f"{self.document.file}:{line}"


def spot_of(resource: Resource, documents: Sequence[Document]) -> Spot | None:
    """Where a resource that was just read stands."""
    wanted = _identity(resource.obj)
    for document in documents:
        if document.line == resource.position.line:
            for path, obj in _objects(document.obj, ()):
                if _identity(obj) == wanted:
                    return Spot(document, path)
    return None


def _objects(obj: Any, path: Steps) -> Iterator[tuple[Steps, Mapping[str, Any]]]:
    """The object, or the items of a list of objects."""
    if not isinstance(obj, Mapping):
        return
    items = obj.get("items")
    if isinstance(items, list) and text_of(obj.get("kind")).endswith("List"):
        for index, item in enumerate(items):
            yield from _objects(item, (*path, "items", index))
    else:
        yield path, obj


def _read_as(step: str | int) -> str | int:
    """What Kubernetes' reader makes of a key: `y` is a boolean there, and text for kustomize."""
    return (key_text(resolve(step)) or step) if isinstance(step, str) else step


def _identity(obj: Mapping[str, Any]) -> tuple[str, ...]:
    metadata = obj.get("metadata")
    names = metadata if isinstance(metadata, Mapping) else {}
    values = (obj.get("apiVersion"), obj.get("kind"), names.get("name"), names.get("namespace"))
    return tuple(map(text_of, values))


def place_in_patch(documents: Sequence[Document], kind: str, path: Path) -> str:
    """`file:line` where a patch has the field that it set, "" if it is not found in it.

    kind: of the object that was patched.
    """
    found = [(way, each) for each in documents if (way := _way(each.obj, kind, path))]
    if not found:
        return ""
    way, document = max(found, key=lambda pair: len(pair[0]))
    return f"{document.file}:{document.line_of(way)}"


def _way(patch: Any, kind: str, path: Path) -> Steps:
    if isinstance(patch, list):
        return _operation(patch, path)
    is_other = isinstance(patch, Mapping) and patch.get("kind") not in (None, kind)
    return () if is_other else _walk(patch, path)


def _walk(patch: Any, path: Path) -> Steps:
    """The path of a merge patch that comes nearest to the path of the object."""
    way: Steps = ()
    for step in path:
        if isinstance(step, Item) and isinstance(patch, list):
            here = (i for i, item in enumerate(patch) if is_alike(item, step.value))
            place: str | int | None = next(here, None)
        else:
            wanted = (step, _read_as(step)) if isinstance(step, str) else ()
            place = next((key for key in _keys(patch) if key in wanted), None)
        if place is None:
            break
        way, patch = (*way, place), patch[place]
    return way


def _keys(value: Any) -> Iterable[str]:
    return value if isinstance(value, Mapping) else ()


def _operation(operations: Sequence[Any], path: Path) -> Steps:
    """The last operation of a JSON patch that is about the field, and what it says of it."""
    for index in reversed(range(len(operations))):
        operation = operations[index]
        tokens = _tokens(operation.get("path")) if isinstance(operation, Mapping) else None
        if tokens is None or len(tokens) > len(path):
            continue
        if all(map(_is_at, path, tokens)):
            rest = _walk(operation.get("value"), path[len(tokens) :])
            return (index, "value", *rest) if "value" in operation else (index,)
    return ()


def _tokens(pointer: Any) -> list[str] | None:
    if not isinstance(pointer, str) or not pointer.startswith("/"):
        return None
    parts = pointer[1:].split("/")
    return [part.replace("~1", "/").replace("~0", "~") for part in parts]


def _is_at(step: str | Item, token: str) -> bool:
    return token in (str(step.index), "-") if isinstance(step, Item) else token == step
