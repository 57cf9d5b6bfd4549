"""One resource of a build: the object, where it came from and what it was called before."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.render.kustomize.model.ids import Gvk, Id
from engine.render.kustomize.model.origins import Origin
from engine.render.kustomize.model.scalars import copied, text_of, texts_of
from engine.render.kustomize.model.schemas import Schemas


@dataclass(frozen=True, slots=True)
class Position:
    """Where an object stands: a path of the tree and a 1-based line, 0 if there is none."""

    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(slots=True)
class Resource:
    """A resource on its way through the build, which owns `obj` and changes it in place.

    history: (kind, name, effective namespace) of each id that the resource had, oldest first.
    origin, transformations: what `buildMetadata` annotates; None and empty if it does not.
    """

    obj: dict[str, Any]
    position: Position
    schemas: Schemas
    history: list[tuple[str, str, str]] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    suffixes: list[str] = field(default_factory=list)
    behavior: str = ""
    wants_hash: bool = False
    allow_name_change: bool = False
    allow_kind_change: bool = False
    variables: list[str] = field(default_factory=list)
    origin: Origin | None = None
    transformations: list[Origin] = field(default_factory=list)

    @property
    def gvk(self) -> Gvk:
        """What the object says now."""
        obj = self.obj
        return Gvk.of(text_of(obj.get("apiVersion") or ""), text_of(obj.get("kind", "")))

    @property
    def kind(self) -> str:
        """What the object says now."""
        return text_of(self.obj.get("kind", ""))

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The object's metadata, empty if it has none."""
        metadata = self.obj.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @property
    def name(self) -> str:
        """`metadata.name`, "" if there is none."""
        return _text_at(self.metadata, "name")

    @property
    def namespace(self) -> str:
        """`metadata.namespace`, "" if there is none."""
        return _text_at(self.metadata, "namespace")

    @property
    def labels(self) -> dict[str, str]:
        """The labels as text."""
        return texts_of(self.metadata.get("labels"))

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations as text."""
        return texts_of(self.metadata.get("annotations"))

    @property
    def id(self) -> Id:
        """The identity now."""
        metadata = self.metadata
        return self._id(self.gvk, _text_at(metadata, "name"), _text_at(metadata, "namespace"))

    @property
    def previous_ids(self) -> list[Id]:
        """The identities that the resource had, oldest first; with today's group and version."""
        if not self.history:
            return []
        gvk = self.gvk
        return [self._previous_id(gvk, *names) for names in self.history]

    @property
    def previous_names(self) -> list[str]:
        """The names that the resource had, oldest first."""
        return [name for _, name, _ in self.history]

    @property
    def original_id(self) -> Id:
        """The first identity."""
        return self._previous_id(self.gvk, *self.history[0]) if self.history else self.id

    @property
    def ids(self) -> list[Id]:
        """Every identity, today's last."""
        return [*self.previous_ids, self.id]

    def _previous_id(self, gvk: Gvk, kind: str, name: str, namespace: str) -> Id:
        return self._id(Gvk(gvk.group, gvk.version, kind), name, namespace)

    def _id(self, gvk: Gvk, name: str, namespace: str) -> Id:
        is_cluster = self.schemas.is_cluster_scoped(gvk.api_version, gvk.kind)
        return Id(gvk, name, namespace, is_cluster)

    @property
    def has_books(self) -> bool:
        """Whether kustomize would keep books on the resource by now, in annotations of it."""
        said = self.behavior or self.origin or self.transformations
        return bool(self.history or self.prefixes or self.suffixes or self.wants_hash or said)

    def remember_id(self) -> None:
        """Keep today's identity, because it is about to change."""
        now = self.id
        self.history.append((now.gvk.kind, now.name, now.effective_namespace))

    def set_metadata(self, key: str, value: Any) -> None:
        """Set a field of the metadata; an empty value removes it."""
        metadata = self.obj.get("metadata")
        if not isinstance(metadata, dict):
            metadata = self.obj["metadata"] = {}
        if value:
            metadata[key] = value
        else:
            metadata.pop(key, None)

    def copy(self) -> "Resource":
        """A copy that shares nothing that changes."""
        return replace(
            self,
            obj=copied(self.obj),
            history=list(self.history),
            prefixes=list(self.prefixes),
            suffixes=list(self.suffixes),
            variables=list(self.variables),
            transformations=list(self.transformations),
        )


def _text_at(mapping: Mapping[str, Any], key: str) -> str:
    value = mapping.get(key)
    return "" if value is None else text_of(value)
