"""What of a kustomization comes from the spec of a Flux Kustomization, and where that stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.render.kustomize.declared import Declared
from engine.render.kustomize.provenance_lines import Steps, Text

_ADDED = ("patches", "components")


@dataclass(frozen=True, slots=True)
class Spec:
    """What the spec sets.

    fields: of the kustomization, with the spec's name for each.  images: their names, in order.
    text: the file that the Flux Kustomization was read from, if it was.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    images: Sequence[str] = ()
    text: Text | None = None

    def path(self, declared: Declared, entry: Steps) -> Steps:
        """The path in the Flux Kustomization of an entry of the kustomization, () if not there."""
        name, index = str(entry[0]), entry[1] if len(entry) > 1 else 0
        if name in self.fields:
            return ("spec", self.fields[name], *entry[1:])
        if not isinstance(index, int) or not isinstance(declared.content, Mapping):
            return ()
        items = declared.content.get(name) or ()
        if name in _ADDED and declared.is_added(name, index, len(items)):
            place = index - len(items) + declared.added[name]
            return ("spec", name, place, *entry[2:])
        if name == "images" and index < len(items) and items[index].get("name") in self.images:
            return ("spec", name, self.images.index(items[index]["name"]), *entry[2:])
        return ()

    def place(self, path: Steps) -> str:
        """`file:line` of a field of the Flux Kustomization, "" where no file is known."""
        return self.text.place(path) if self.text is not None else ""


def called(path: Steps) -> str:
    """`spec.patches[0]`."""
    parts = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(parts).removeprefix(".")
