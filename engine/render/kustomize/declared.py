"""A kustomization as it is declared: what it says, and what errors call it and its entries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Declared:
    """The content of a kustomization file, decoded; None if the file is empty.

    name: of the file.  is_generated: there is no such file, the folder's manifests stand for it;
    errors must then not name it.
    added: how many of the last entries of a field the Flux Kustomization's spec brings: no line of
    the file has them.
    """

    content: Any
    name: str
    is_generated: bool = False
    added: Mapping[str, int] = field(default_factory=dict)

    def is_added(self, field_name: str, index: int, total: int) -> bool:
        """True if the spec brings the entry.  index: of `total` entries."""
        return index >= total - self.added.get(field_name, 0)

    def entry(self, field_name: str, index: int, total: int) -> str:
        """What errors call an entry: `patches[0]` of the file, or `spec.patches[0]`."""
        if not self.is_added(field_name, index, total):
            return f"{field_name}[{index}]"
        return f"spec.{field_name}[{index - total + self.added[field_name]}]"

    def called(self, folder: str) -> str:
        """What errors call the kustomization of the folder: its file, if there is one."""
        if not self.is_generated:
            return f"{folder}/{self.name}" if folder else self.name
        return f"path './{folder}' (no kustomization.yaml there: all manifests below it are used)"
