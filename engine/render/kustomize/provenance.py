"""What a build remembers when it is asked to explain itself: each object's file, layers and fields.

A build that is not asked has no Trace, and pays one `is None` a step.  One that is shows the Trace
its resources after each step; what differs from the step before was set by that step.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.provenance_lines import Spot, documents_in, spot_of
from engine.render.kustomize.provenance_spec import Spec
from engine.render.kustomize.provenance_tree import (
    ABSENT,
    Author,
    Node,
    Path,
    Setter,
    followed,
    planted,
)

_VARIABLE = re.compile(r"\$\(([^()]+)\)")


@dataclass(frozen=True, slots=True)
class Layer:
    """One kustomization on the way to an object; entry: what it names there, `resources '../base'`.

    place: `file:line` of the entry, "" if it is in no file.
    """

    place: str
    entry: str


@dataclass(slots=True)
class Story:
    """Where an object came from.

    file, line: of the manifest, or of what generated it; line 0 where it is not known.
    document: its number in the file, from 1; 0 if it was generated.
    layers: the outermost kustomization first.
    """

    file: str
    line: int
    document: int
    layers: tuple[Layer, ...]
    node: Node


Authors = Callable[[Resource], Author]


def by(setter: Setter) -> Authors:
    """All that a step changes was set by one setter, where that stands."""
    return lambda _: lambda _path, _old, _new: (setter, "")


class Trace:
    """Follows the resources of one build."""

    def __init__(self, spec: Spec | None = None) -> None:
        """spec: what a Flux Kustomization adds to the kustomization that is built."""
        self.spec = spec or Spec()
        self.variables: dict[str, Setter] = {}
        self._stories: dict[int, tuple[Resource, Story]] = {}  # by id of the resource, kept alive
        self._layers: list[Layer] = []

    @contextmanager
    def within(self, layer: Layer) -> Iterator[None]:
        """What is read inside is named by that entry."""
        self._layers.append(layer)
        try:
            yield
        finally:
            self._layers.pop()

    def story(self, resource: Resource) -> Story:
        """What is known of a resource of the build."""
        return self._stories[id(resource)][1]

    def read(self, resources: Iterable[Resource], content: bytes, file: str) -> None:
        """These were just read from a file."""
        documents = documents_in(content, file)
        for resource in resources:
            spot, position = spot_of(resource, documents), resource.position
            node = planted(resource.obj, _placer(spot, str(position)))
            number = spot.document.index + 1 if spot is not None else 0
            line = spot.line if spot is not None else position.line
            self._keep(resource, Story(file, line, number, tuple(self._layers), node))

    def after(self, resources: Iterable[Resource], authors: Authors) -> None:
        """A step was done; authors: who, for each resource."""
        for resource in resources:
            known = self._stories.get(id(resource))
            if known is None:
                author = authors(resource)
                place = author((), ABSENT, resource.obj)[0].place or str(resource.position)
                file, line = _file_and_line(place)
                node = followed(None, resource.obj, author)
                self._keep(resource, Story(file, line, 0, tuple(self._layers), node))
            else:
                story = known[1]
                story.node = followed(story.node, resource.obj, authors(resource))

    def absorbed(
        self, before: Sequence[Resource], resources: Iterable[Resource], authors: Authors
    ) -> None:
        """What was generated stands beside or in place of what was there before."""
        resources = tuple(resources)
        for old, new in zip(before, resources, strict=False):
            if old is not new and id(old) in self._stories:
                self._keep(new, self._stories.pop(id(old))[1])
        self.after(resources, authors)

    def hashed(self, resources: Iterable[Resource]) -> None:
        """Hashes stand behind the names of what was generated."""
        self.after(resources, self._hash_authors)

    def referred(self, resources: Iterable[Resource]) -> None:
        """References have today's names."""
        resources = tuple(resources)
        self.after(resources, lambda _: self._reference_author(resources))

    def resolved(self, resources: Iterable[Resource]) -> None:
        """Vars have been replaced."""
        self.after(resources, lambda _: self._variable_author)

    def _keep(self, resource: Resource, story: Story) -> None:
        self._stories[id(resource)] = resource, story

    def _hash_authors(self, resource: Resource) -> Author:
        edits = _metadata_of(self.story(resource), "name").edits
        place = edits[0].place if edits else ""  # the generator's
        return lambda _path, _old, _new: (Setter("HashTransformer", "hash of content", place), "")

    def _reference_author(self, resources: Sequence[Resource]) -> Author:
        def author(_: Path, old: Any, new: Any) -> tuple[Setter, str]:
            meant = next((r for r in resources if r.name == new and old in r.previous_names), None)
            field = "name"
            if meant is None:
                meant, field = next((r for r in resources if r.namespace == new), None), "namespace"
            if meant is None:
                return Setter("NameReference", "name reference"), ""
            place = _metadata_of(self.story(meant), field).set_at
            return Setter("NameReference", f"{field} of {meant.kind}/{meant.name}", place), ""

        return author

    def _variable_author(self, _: Path, old: Any, __: Any) -> tuple[Setter, str]:
        names = _VARIABLE.findall(old) if isinstance(old, str) else []
        known = (self.variables[name] for name in names if name in self.variables)
        return next(known, Setter("RefVarTransformer", "vars")), ""


def _placer(spot: Spot | None, position: str) -> Callable[[tuple[str | int, ...]], str]:
    return spot.place if spot is not None else lambda _: position


def _file_and_line(place: str) -> tuple[str, int]:
    """The parts of `file:line`; line 0 if there is none."""
    file, _, line = place.rpartition(":")
    return (file, int(line)) if line.isdecimal() and file else (place, 0)


def _metadata_of(story: Story, field: str) -> Node:
    """The object's name or namespace."""
    node = story.node
    for step in ("metadata", field):
        node = node.below.get(step, Node()) if isinstance(node.below, dict) else Node()
    return node
