"""The stories of what a build leaves: what Flux's own fields and variables do behind kustomize.

In: each object after each of the pipeline's last steps.  Only a build that explains itself asks.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from engine.objects.ref import Object
from engine.render.generate import Request
from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.provenance import Story, Trace
from engine.render.kustomize.provenance_lines import Steps, Text
from engine.render.kustomize.provenance_spec import Spec
from engine.render.kustomize.provenance_tree import Node, Path, Setter, followed
from engine.render.normalise import normalised

_VARIABLE = re.compile(r"(?<!\$)\$\{#?(\w+)")
DECRYPTION = "Decryption"
"""The step whose results nobody is shown."""
_NORMALISED = Setter("Normalisation", "what the API server would make of it")
_FIELDS = (
    ("namespace", "targetNamespace", "target_namespace"),
    ("namePrefix", "namePrefix", "name_prefix"),
    ("nameSuffix", "nameSuffix", "name_suffix"),
    ("buildMetadata", "buildMetadata", "build_metadata"),
)
"""Fields of a kustomization, of the spec that sets them, and of a Request."""


class Stories:
    """Of each object that a build leaves, in its order, where everything in it came from."""

    def __init__(self, request: Request, text: Text | None = None) -> None:
        """text: of the file that holds the Flux Kustomization, if there is one."""
        fields = {name: given for name, given, key in _FIELDS if getattr(request, key)}
        self._spec = Spec(fields, tuple(image.name for image in request.images), text)
        self.trace = Trace(self._spec)
        self.told: list[Story] = []

    def decrypted(self, resource: Resource, obj: Object) -> None:
        """A resource was decrypted; its fields are where they were."""
        story = self.trace.story(resource)
        setter = Setter(DECRYPTION, "spec.decryption", self._line(("spec", "decryption")))
        story.node = followed(story.node, obj, lambda *_: (setter, ""))

    def finished(self, resource: Resource, made: Object, objects: Sequence[Object]) -> None:
        """A resource has been finished.  made: after substitution.  objects: what comes of it."""
        story = self.trace.story(resource)
        story.node = followed(story.node, made, self._variables)
        nodes = list(_objects(story.node))
        for obj in objects:
            node = next(node for node in nodes if _identity(node.plain()) == _identity(obj))
            nodes.remove(node)
            whole = normalised(node.plain())
            if "stringData" not in whole:
                _carry_texts(node)
            node = followed(node, whole, lambda *_: (_NORMALISED, ""))
            self.told.append(replace(story, node=followed(node, obj, self._metadata)))

    def _variables(self, _: Path, old: Any, __: Any) -> tuple[Setter, str]:
        names = tuple(dict.fromkeys(_VARIABLE.findall(old))) if isinstance(old, str) else ()
        paths = (("spec", "postBuild", "substitute", name) for name in names)
        place = next(filter(None, map(self._line, paths)), "")
        shown = " ".join(f"${{{name}}}" for name in names)
        return Setter("Substitution", f"postBuild {shown}".rstrip(), place, names), ""

    def _line(self, path: Steps) -> str:
        """`file:line` of a field that the Flux Kustomization has, else ""."""
        text = self._spec.text
        return text.place(path) if text is not None and text.line(path) else ""

    def _metadata(self, path: Path, _: Any, __: Any) -> tuple[Setter, str]:
        entry = ("spec", "commonMetadata", *map(str, path[1:2]))
        place = self._line((*entry, *map(str, path[2:3]))) or self._spec.place(entry)
        return Setter("CommonMetadata", ".".join(entry), place), ""


def _objects(node: Node) -> Iterator[Node]:
    """The object itself, or those of a list."""
    below = node.below if isinstance(node.below, dict) else {}
    items = below["items"].below if "items" in below else None
    if isinstance(items, list) and str(below["kind"].value).endswith("List"):
        for item in items:
            yield from _objects(item)
    else:
        yield node


def _identity(obj: Object) -> tuple[Any, ...]:
    metadata = obj["metadata"]
    return obj["apiVersion"], obj["kind"], metadata["name"], metadata.get("namespace") or ""


def _carry_texts(node: Node) -> None:
    """A Secret's `stringData` is about to become `data`: the places go along."""
    below = node.below if isinstance(node.below, dict) else {}
    texts, data = below.get("stringData"), below.get("data")
    if below["kind"].value != "Secret" or texts is None or not isinstance(texts.below, dict):
        return
    if data is None or not isinstance(data.below, dict):
        data = below["data"] = Node(place=texts.place, below={})
    if isinstance(data.below, dict):
        data.below |= texts.below
    del below["stringData"]
