"""Explain a build: of every object and every field, which line of which file decides what it is.

What is given is ready to be shown: nothing of a Secret, of a variable that came from one, or of
what was decrypted, is in it.  Source: design section 4, provenance.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.objects.manifests import Document
from engine.objects.redact import MASK, masker, secrets_of
from engine.objects.ref import Object, Ref
from engine.render.decrypt_cache import Decrypt, decrypted_anew
from engine.render.generate import Request
from engine.render.kustomize.model.reading import Parse, read
from engine.render.kustomize.provenance import Layer, Story
from engine.render.kustomize.provenance_lines import Text
from engine.render.kustomize.provenance_tree import (
    ABSENT,
    Edit,
    Node,
    Setter,
    fields_of,
    followed,
    gone_of,
    path_text,
)
from engine.render.pipeline import Memory, Remotes, render
from engine.render.stories import DECRYPTION, Stories
from engine.source.tree import Tree

__all__ = ["ABSENT", "Edit", "Explained", "Explainer", "Field", "Layer", "explain", "places_of"]

_SHOWN_OF_SECRET = frozenset({"apiVersion", "kind", "metadata", "type", "immutable"})
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


_OWNER = Setter("OwnerLabels", "owner labels")

Wanted = Mapping[Ref, Collection[str]]
"""Paths of fields, `.spec.replicas`, by object."""
Places = Mapping[Ref, Mapping[str, str]]
"""`file:line` of each."""
Mask = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One field.  path: `.spec.containers[web].image`.  value: ABSENT if it was removed.

    place: `file:line` of the manifest, "" if no manifest has it; before: what that says, ABSENT
    without one.  edits: who set it since, the oldest first.
    """

    path: str
    value: Any
    place: str
    before: Any
    edits: tuple[Edit, ...]

    @property
    def set_at(self) -> str:
        """`file:line` that decides the value, or the field of Flux's spec, where no file has it."""
        for edit in reversed(self.edits):
            if edit.place or edit.by.entry.startswith("spec."):
                return edit.place or edit.by.entry
        return self.place


@dataclass(frozen=True, slots=True)
class Explained:
    """One object.  file, line: of the manifest, or of what generated it; line 0: not known.

    document: its number in the file, from 1; 0 if it was generated.
    layers: the kustomizations that led to it, the outermost first.  fields: keys sorted, removed
    ones last.
    """

    ref: Ref
    file: str
    line: int
    document: int
    layers: tuple[Layer, ...]
    fields: tuple[Field, ...]

    @property
    def origin(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def place(self, path: str) -> str:
        """`file:line` that decides a field, or what is nearest above it; the object's if none is.

        A removed field's is that of who removed it.
        """
        places = {field.path: field.set_at for field in self.fields if field.set_at}
        while path:
            below = (place for each, place in places.items() if _is_below(each, path))
            if place := places.get(path) or next(below, ""):
                return place
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.origin


def _is_below(path: str, above: str) -> bool:
    return path.startswith(above) and path[len(above) : len(above) + 1] in (".", "[")


@dataclass(frozen=True, slots=True)
class Explainer:
    """How to explain.

    file, content: the document that holds the Flux Kustomization, and the text of its file; its
    lines then are named.  hidden: names of variables whose values must not be shown.  labels: what
    the engine adds to every object.  parse: see `Reach`.
    """

    file: Document | None = None
    content: bytes = b""
    hidden: Collection[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    parse: Parse = read
    decrypt: Decrypt = decrypted_anew


def explain(
    tree: Tree, request: Request, remotes: Remotes | None = None, how: Explainer | None = None
) -> list[Explained]:
    """All objects of the build, in its order.  Raises what `render` raises."""
    how = how or Explainer()
    text = Text(how.file.file, how.content, how.file) if how.file is not None else None
    stories = Stories(request, text)
    request = replace(request, secret_variables=request.secret_variables | frozenset(how.hidden))
    rendered = render(
        tree, request, remotes, memory=Memory(how.parse), decrypt=how.decrypt, stories=stories
    )
    for story in stories.told:
        _label(story, how.labels)
    secrets = [text for story in stories.told for text in _secrets_in(story.node)]
    values = request.variables or {}
    secrets += [values[name] for name in how.hidden if name in values]
    mask = _masking(masker([*secrets, *rendered.opened.values]))
    hidden = _Hidden(frozenset(how.hidden), rendered.opened.files)
    return [
        _explained(Ref.of(made.obj), story, mask, hidden)
        for made, story in zip(rendered.objects, stories.told, strict=True)
    ]


def _label(story: Story, labels: Mapping[str, str]) -> None:
    """Add the engine's own labels, where they are in what is printed and applied."""
    if labels:
        obj = story.node.plain()
        old = obj["metadata"].get("labels") or {}
        whole = {**obj, "metadata": {**obj["metadata"], "labels": {**old, **labels}}}
        story.node = followed(story.node, whole, lambda *_: (_OWNER, ""))


@dataclass(frozen=True, slots=True)
class _Hidden:
    """Where values come from that are not shown: variables by name, files that were decrypted."""

    variables: frozenset[str]
    files: frozenset[str]

    def has_set(self, edit: Edit) -> bool:
        """Whether the new value is none to be shown."""
        return (
            edit.by.kind == DECRYPTION
            or not self.variables.isdisjoint(edit.by.variables)
            or edit.place.rpartition(":")[0] in self.files
            or edit.place in self.files
        )


def _explained(ref: Ref, story: Story, mask: Mask, hidden: _Hidden) -> Explained:
    is_secret = _is_secret(story.node)
    gone = (pair for pair in gone_of(story.node) if not _was_empty(pair[1]))
    every = [*fields_of(story.node), *gone]
    fields = tuple(
        _field(steps, node, _hide if is_secret and _is_hidden(steps) else mask, hidden)
        for steps, node in every
        if steps
    )
    return Explained(ref, story.file, story.line, story.document, story.layers, fields)


def _was_empty(node: Node) -> bool:
    """Whether there never was anything but an empty map or list that a step needed."""
    values = [value for edit in node.edits for value in (edit.old, edit.new)]
    return not node.place and all(value in ({}, []) or value is ABSENT for value in values)


def _field(steps: tuple[str, ...], node: Node, mask: Mask, hidden: _Hidden) -> Field:
    edits: list[Edit] = []
    before = (node.edits[0].old if node.edits else node.plain()) if node.place else ABSENT
    before = mask(before)
    for edit in node.edits:
        old = mask(edit.old)
        if hidden.has_set(edit):
            mask = _hide
        edits.append(Edit(edit.by, edit.place, old, mask(edit.new)))
    is_gone = bool(edits) and edits[-1].new is ABSENT
    value = ABSENT if is_gone else mask(node.plain())
    return Field(path_text(steps), value, node.place, before, tuple(edits))


def _is_secret(node: Node) -> bool:
    """Whether it is a Secret, or was one before a patch changed its kind."""
    kind = node.below.get("kind", Node()) if isinstance(node.below, dict) else Node()
    return "Secret" in (kind.value, *(edit.old for edit in kind.edits))


def _is_hidden(steps: tuple[str, ...]) -> bool:
    return steps[0] not in _SHOWN_OF_SECRET or steps[-1] == _LAST_APPLIED


def _hide(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _hide(item) for key, item in value.items()}
    return value if value is ABSENT else MASK


def _masking(mask: Callable[[str], str]) -> Mask:
    def masked(value: Any) -> Any:
        if isinstance(value, str):
            return mask(value)
        if isinstance(value, Mapping):
            return {key: masked(item) for key, item in value.items()}
        return [masked(item) for item in value] if isinstance(value, list) else value

    return masked


def _secrets_in(node: Node) -> Iterator[str]:
    """Every value that a Secret has or had: it may have been copied to other objects."""
    if not _is_secret(node):
        return
    for steps, inner in (*fields_of(node), *gone_of(node)):
        if steps and _is_hidden(steps):
            values = [inner.plain(), *(value for e in inner.edits for value in (e.old, e.new))]
            for value in values:
                if value is not ABSENT:
                    yield from secrets_of(_secret_of(value))


def _secret_of(value: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "data": {"value": value}}


def places_of(explained: Sequence[Explained], wanted: Wanted) -> Places:
    """`file:line` of each wanted field of each wanted object that the build has."""
    return {
        each.ref: {path: each.place(path) for path in wanted[each.ref]}
        for each in explained
        if each.ref in wanted
    }
