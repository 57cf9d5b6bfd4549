"""The ordered set of resources that a build works on; no two have the same id."""

from collections.abc import Callable, Iterable, Iterator

from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.ids import Id, IdKey
from engine.render.kustomize.model.resource import Resource


class ResMap:
    """Resources in load order.

    Transformers change the resources in place; whoever may have changed an id calls `touch`.
    """

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        """Raises KustomizeError if two resources have the same id."""
        self._resources: list[Resource] = []
        self._by_key: dict[IdKey, Resource] | None = {}
        self.append_all(resources)

    def __iter__(self) -> Iterator[Resource]:
        """In load order; safe against changes meanwhile."""
        return iter(tuple(self._resources))

    def __len__(self) -> int:
        """How many resources there are."""
        return len(self._resources)

    def touch(self) -> None:
        """Forget what is known of ids."""
        self._by_key = None

    def append_all(self, resources: Iterable[Resource]) -> None:
        """Add at the end.  Raises KustomizeError naming both places if an id is there already."""
        index = self._index()
        for resource in resources:
            key = resource.key
            if (other := index.get(key)) is not None:
                raise KustomizeError(
                    f"may not add resource with an already registered id: {resource.id}: "
                    f"{resource.position} repeats {other.position}"
                )
            index[key] = resource
            self._resources.append(resource)

    def keep(self, resources: Iterable[Resource]) -> None:
        """Hold exactly these, in this order."""
        self._resources = list(resources)
        self.touch()

    def replace(self, old: Resource, new: Resource) -> None:
        """Put `new` in the place of `old`."""
        self._resources[self._position(old)] = new
        self.touch()

    def drop_emptied(self) -> None:
        """Remove what a patch has deleted."""
        if not all(resource.obj for resource in self._resources):
            self.keep(resource for resource in self._resources if resource.obj)

    def having(self, name: str, matches: Callable[[Id], bool]) -> list[Resource]:
        """The resources of which an id with that name, today's or an earlier one, matches."""
        return [
            resource
            for resource in self.called(name)
            if any(id_.name == name and matches(id_) for id_ in resource.ids)
        ]

    def with_id(self, wanted: Id) -> list[Resource]:
        """The resources that are or were called so."""
        key = wanted.key
        return [
            resource
            for resource in self.called(wanted.name)
            if any(candidate.key == key for candidate in resource.ids)
        ]

    def called(self, name: str) -> Iterator[Resource]:
        """Those that have the name or had it, found without making their ids."""
        for resource in self._resources:
            if resource.obj and (
                resource.name == name or any(past == name for _, past, _ in resource.history)
            ):
                yield resource

    def check_ids(self) -> None:
        """Raise KustomizeError if two resources have come to the same id."""
        first: dict[IdKey, Resource] = {}
        for resource in self._resources:
            other = first.setdefault(resource.key, resource)
            if other is not resource:
                raise KustomizeError(
                    f"ID conflict: {resource.id}: {resource.position} and {other.position}"
                )
        self._by_key = first

    def _position(self, wanted: Resource) -> int:
        return next(i for i, resource in enumerate(self._resources) if resource is wanted)

    def _index(self) -> dict[IdKey, Resource]:
        if self._by_key is None:
            self._by_key = {resource.key: resource for resource in self._resources}
        return self._by_key
