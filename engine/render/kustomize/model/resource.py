"""One resource of a build: the object, where it came from and what it was called before."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.render.kustomize.model.ids import Gvk, Id, IdKey
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


_LOCAL = "config.kubernetes.io/local-config"
_NOTHING: Mapping[str, Any] = {}


@dataclass(slots=True)
class Resource:
    """A resource on its way through the build, which owns `obj` and changes it in place.

    history: (kind, name, effective namespace) of each id that the resource had, oldest first.
    origin, transformations: what `buildMetadata` annotates; None and empty if it does not.
    repeated: see `Document`; such an object cannot be made JSON.
    known: what the object said of itself last, and the id that this makes: many ask for it.
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
    repeated: str = ""
    known: "_Known | None" = field(default=None, repr=False, compare=False)

    @property
    def gvk(self) -> Gvk:
        """What the object says now."""
        return self.id.gvk

    @property
    def kind(self) -> str:
        """What the object says now."""
        return text_of(self.obj.get("kind", ""))

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The object's metadata, empty if it has none."""
        metadata = self.obj.get("metadata")
        return metadata if isinstance(metadata, dict) else _NOTHING

    @property
    def name(self) -> str:
        """`metadata.name`, "" if there is none."""
        return _text(self.metadata.get("name"))

    @property
    def namespace(self) -> str:
        """`metadata.namespace`, "" if there is none."""
        return _text(self.metadata.get("namespace"))

    @property
    def labels(self) -> dict[str, str]:
        """The labels as text."""
        return texts_of(self.metadata.get("labels"))

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations as text."""
        return texts_of(self.metadata.get("annotations"))

    @property
    def is_local(self) -> bool:
        """True if it is only meant for kustomize, and not put out."""
        return self.annotations.get(_LOCAL, "false") != "false"

    @property
    def id(self) -> Id:
        """The identity now."""
        return self._now().id

    @property
    def key(self) -> IdKey:
        """The key of the identity now."""
        return self._now().key

    def _now(self) -> "_Known":
        """What the object says of itself, found out once for each time that it says so."""
        obj, known = self.obj, self.known
        version, kind = obj.get("apiVersion"), obj.get("kind", "")
        metadata = obj.get("metadata")
        if not isinstance(metadata, dict):
            metadata = _NOTHING
        name, namespace = metadata.get("name"), metadata.get("namespace")
        # By identity: equal texts may remember different spellings.
        if known is None or not (
            known.name is name
            and known.namespace is namespace
            and known.kind is kind
            and known.version is version
        ):
            gvk = Gvk.of(text_of(version or ""), text_of(kind))
            id_ = self._id(gvk, _text(name), _text(namespace))
            known = self.known = _Known(version, kind, name, namespace, id_, id_.key)
        return known

    @property
    def previous_ids(self) -> list[Id]:
        """The identities that the resource had, oldest first; with today's group and version."""
        return [self._previous_id(*names) for names in self.history]

    @property
    def previous_names(self) -> list[str]:
        """The names that the resource had, oldest first."""
        return [name for _, name, _ in self.history]

    @property
    def original_id(self) -> Id:
        """The first identity."""
        return self._previous_id(*self.history[0]) if self.history else self.id

    @property
    def ids(self) -> list[Id]:
        """Every identity, today's last."""
        return [*self.previous_ids, self.id]

    def _previous_id(self, kind: str, name: str, namespace: str) -> Id:
        now = self.id
        if now.gvk.kind == kind:
            return Id(now.gvk, name, namespace, now.is_cluster)
        return self._id(Gvk(now.gvk.group, now.gvk.version, kind), name, namespace)

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
        gvk, name, namespace = self.key
        self.history.append((gvk.kind, name, namespace))

    def set_metadata(self, key: str, value: Any) -> None:
        """Set a field of the metadata; an empty value removes it, but no number is empty."""
        metadata = self.obj.get("metadata")
        if not isinstance(metadata, dict):
            metadata = self.obj["metadata"] = {}
        if value or isinstance(value, (int, float)):
            metadata[key] = value
        else:
            metadata.pop(key, None)

    def copy(self) -> "Resource":
        """A copy that shares nothing that changes."""
        return self.around(copied(self.obj), self.schemas)

    def around(self, obj: dict[str, Any], schemas: Schemas) -> "Resource":
        """A copy with another object in it, and that build's schemas."""
        return Resource(  # dataclasses.replace takes five times as long
            obj,
            self.position,
            schemas,
            list(self.history),
            list(self.prefixes),
            list(self.suffixes),
            self.behavior,
            self.wants_hash,
            self.allow_name_change,
            self.allow_kind_change,
            list(self.variables),
            self.origin,
            list(self.transformations),
            self.repeated,
            self.known,
        )


@dataclass(frozen=True, slots=True)
class _Known:
    """What an object says of itself, as it stands there, and what this means."""

    version: Any
    kind: Any
    name: Any
    namespace: Any
    id: Id
    key: IdKey


def _text(value: Any) -> str:
    return "" if value is None else text_of(value)
