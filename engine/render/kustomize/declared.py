"""A kustomization as it is declared: what it says, and what errors call it and its entries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.render.kustomize.errors import Entry, called

_DEPRECATED = {"resources": "bases", "images": "imageTags"}


@dataclass(frozen=True, slots=True)
class Declared:
    """The content of a kustomization file, decoded; None if the file is empty.

    name: of the file.  is_generated: there is no such file, the folder's manifests stand for it;
    errors must then not name it.
    added: how many of the last entries of a field the Flux Kustomization's spec brings: no line of
    the file has them.
    given: what the spec calls other fields that it sets, by their names here.
    """

    content: Any
    name: str
    is_generated: bool = False
    added: Mapping[str, int] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)

    def is_added(self, field_name: str, index: int, total: int) -> bool:
        """True if the spec brings the entry.  index: of `total` entries."""
        return index >= total - self.added.get(field_name, 0)

    def entry(self, field_name: str, index: int, total: int) -> str:
        """What errors call an entry: `patches[0]` of the file, or `spec.patches[0]`."""
        if not self.is_added(field_name, index, total):
            return f"{field_name}[{index}]"
        return f"spec.{field_name}[{index - total + self.added[field_name]}]"

    def named(self, entry: Entry) -> tuple[str, bool]:
        """(what errors call the entry, whether the spec brings it)."""
        name, rest = str(entry[0]), entry[1:]
        if name in self.given:
            return called(("spec", self.given[name], *rest)), True
        if rest and isinstance(rest[0], int) and name in self.added:
            total = _count(self.content.get(name))
            text = self.entry(name, rest[0], total)
            return called((text, *rest[1:])), self.is_added(name, rest[0], total)
        return called(entry), False

    def written(self, entry: Entry) -> Entry:
        """The path in the file: what stands in a deprecated field comes behind the others."""
        content = self.content if isinstance(self.content, dict) else {}
        index = entry[1] if len(entry) > 1 else None
        old = _DEPRECATED.get(str(entry[0])) if entry else None
        count = _count(content.get(str(entry[0])))
        if old is None or not isinstance(index, int) or index < count:
            return entry
        return (old, index - count, *entry[2:])

    def called(self, folder: str) -> str:
        """What errors call the kustomization of the folder: its file, if there is one."""
        if not self.is_generated:
            return f"{folder}/{self.name}" if folder else self.name
        return f"path './{folder}' (no kustomization.yaml there: all manifests below it are used)"


def _count(entries: Any) -> int:
    """How many there are, in what should be a list."""
    return len(entries) if isinstance(entries, list) else 0
