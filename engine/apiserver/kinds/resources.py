"""What kinds of object exist: group, version, kind, scope and verbs, built in or from a CRD."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.apiserver.errors import qualified

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Subresource:
    """`status`, `scale` or another: the kind that it speaks and its verbs."""

    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...] = ("get", "patch", "update")


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column of a CRD."""

    name: str
    type: str
    path: str
    description: str = ""
    format: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where a CRD keeps the fields of its scale subresource."""

    spec_replicas: tuple[str, ...]
    status_replicas: tuple[str, ...]
    selector: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource at one version; `storage` is the version in which objects are kept."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    storage: str
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    subresources: Mapping[str, Subresource] = field(default_factory=dict)
    definition: str = ""  # the name of its OpenAPI schema
    schema: Mapping[str, Any] | None = None  # of a CRD; None: the built-in definition
    custom: bool = False
    columns: Sequence[Column] = ()
    selectable: tuple[str, ...] = ()  # fields of a CRD that field selectors may name
    scale: ScalePaths | None = None
    kept_as: str = ""  # the key in the store where another group shares the objects
    deprecation: str = ""  # warning sent with every answer

    @property
    def key(self) -> str:
        """`deployments.apps`: the name in the store and in messages."""
        return self.kept_as or qualified(self.plural, self.group)

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_version(self) -> str:
        """`apps/v1`, and `/v1` in the core group, as some messages write it."""
        return f"{self.group}/{self.version}"

    @property
    def has_status(self) -> bool:
        """Whether `status` is written through its own subresource only."""
        return "status" in self.subresources


class Resources:
    """The table of all resources; changes when CRDs do."""

    def __init__(self, builtin: Sequence[Resource]) -> None:
        """Begin with the built-in resources, in the order of discovery."""
        self._versions: dict[tuple[str, str], dict[str, Resource]] = {}
        self._kinds: dict[tuple[str, str, str], Resource] = {}
        self.generation = 0
        """Counts changes, so that documents made from the table can be kept."""
        for resource in builtin:
            self.add(resource)

    def add(self, resource: Resource) -> None:
        """Serve a resource, in place of one with the same group, version and plural."""
        group_version = (resource.group, resource.version)
        self._versions.setdefault(group_version, {})[resource.plural] = resource
        # Some subresource kinds share a resource's kind (Scale); the first of a kind is meant.
        self._kinds[(*group_version, resource.kind)] = resource
        self.generation += 1

    def remove(self, group: str, plural: str) -> None:
        """Serve no version of a resource any longer."""
        for group_version, plurals in list(self._versions.items()):
            if group_version[0] == group and plural in plurals:
                gone = plurals.pop(plural)
                self._kinds.pop((*group_version, gone.kind), None)
                if not plurals:
                    del self._versions[group_version]
        self.generation += 1

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource served under a path."""
        return self._versions.get((group, version), {}).get(plural)

    def of_kind(self, group: str, version: str, kind: str) -> Resource | None:
        """The resource whose objects have an apiVersion and kind; version "" takes any."""
        if version:
            return self._kinds.get((group, version, kind))
        return next(
            (each for (g, _, k), each in self._kinds.items() if (g, k) == (group, kind)), None
        )

    def of_key(self, key: str) -> Resource | None:
        """The resource of a key in the store, at the version in which it is kept."""
        return next(
            (each for each in self if each.key == key and each.version == each.storage), None
        )

    def has_version(self, group: str, version: str) -> bool:
        """Whether anything is served under a group and version."""
        return (group, version) in self._versions

    def group_versions(self) -> Iterator[tuple[str, str, list[Resource]]]:
        """Groups and versions in the order in which they were added, with their resources."""
        for (group, version), plurals in self._versions.items():
            yield group, version, sorted(plurals.values(), key=lambda each: each.plural)

    def __iter__(self) -> Iterator[Resource]:
        """All resources at all versions."""
        for plurals in self._versions.values():
            yield from plurals.values()
