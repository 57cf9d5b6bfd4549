"""From YAML text to resources: what counts as one, and lists taken apart.

Source: kustomize api/resource/factory.go.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.books import read_books
from engine.render.kustomize.model.reading import Document, read
from engine.render.kustomize.model.resource import Position, Resource
from engine.render.kustomize.model.rewriting import requoted
from engine.render.kustomize.model.scalars import copied, described, text_of
from engine.render.kustomize.model.schemas import Schemas


def resources_from(content: bytes, file: str, schemas: Schemas) -> list[Resource]:
    """The resources of a file.  Raises KustomizeError for a document that is none."""
    return resources_of(read(content, file), schemas)


def patches_from(content: bytes, file: str, schemas: Schemas) -> list[Resource]:
    """The strategic merge patches of a file.  Raises KustomizeError for a document that is none."""
    return resources_of(read(content, file, strict=False), schemas)


def resources_of(documents: Sequence[Document], schemas: Schemas) -> list[Resource]:
    """The resources in documents, which stay as they are: another build may have them as well.

    Raises KustomizeError for a document that is none.
    """
    items = [item for item in _unwrapped(documents) if item.value not in ({}, [])]
    if problems := [problem for item in items if (problem := _problem(item))]:
        raise KustomizeError("\n".join(problems))
    return [_resource(item, schemas) for item in _lists_expanded(items)]


def _resource(item: Document, schemas: Schemas) -> Resource:
    made = Resource(
        copied(item.value), Position(item.file, item.line), schemas, repeated=item.repeated
    )
    read_books(made)
    return made


def check_whole(resource: Resource) -> None:
    """Raise KustomizeError if the build has left no kind or no name."""
    if problem := _problem(Document(resource.obj, resource.position.file, resource.position.line)):
        raise KustomizeError(f"{problem}: a patch or replacement has removed it")


def is_inline(entry: str) -> bool:
    """True if an entry that may be a path or YAML itself can only be YAML."""
    text = entry.strip()
    return "\n" in text or text.startswith("{")


def _unwrapped(documents: Sequence[Document]) -> Sequence[Document]:
    """A single `List` or `ResourceList` gives its items."""
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        return documents
    fields = documents[0].value
    is_wrapped = fields.get("kind") in ("List", "ResourceList")
    if not is_wrapped or not {"items", "functionConfig"} & fields.keys():
        return documents
    return _items(documents[0], fields.get("items"))


def _items(document: Document, items: Any) -> list[Document]:
    if items is not None and not isinstance(items, list):
        kind = text_of(document.value.get("kind"))
        where = f"{document.file}:{document.line}"
        raise KustomizeError(f"{where}: {kind}/items must be a list, got {described(items)}")
    return [replace(document, value=item) for item in items or [] if item is not None]


def _lists_expanded(documents: Iterable[Document]) -> list[Document]:
    """FooLists replaced by their items, which come after everything else, as in kustomize."""
    waiting, result = deque(documents), []
    while waiting:
        document = waiting.popleft()
        kind = text_of(document.value.get("kind"))
        if not kind.endswith("List") or "items" not in document.value:
            result.append(document)
            continue
        if document.repeated:
            raise KustomizeError(document.repeated)
        items = _items(document, document.value["items"])
        expanded = [item for item in items if item.value != {}]
        if problems := [problem for item in expanded if (problem := _problem(item))]:
            raise KustomizeError("\n".join(problems))
        waiting.extend(replace(item, value=requoted(item.value)) for item in expanded)
    return result


def _problem(document: Document) -> str:
    """Why the document is no resource, "" if it is one."""
    where = f"{document.file}:{document.line}"
    obj = document.value
    if not isinstance(obj, dict):
        return f"{where}: not a Kubernetes object but {described(obj)}"
    kind = "" if obj.get("kind") is None else text_of(obj["kind"])
    if not kind:
        hint = "; a kustomization is listed by its folder" if "resources" in obj else ""
        return f"{where}: missing kind in object{hint}"
    metadata = obj.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not kind.endswith("List") and (name is None or text_of(name) == ""):
        return f"{where}: missing metadata.name in object of kind {kind!r}"
    return ""
