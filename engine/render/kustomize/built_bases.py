"""What bases make, kept by what they have read: of many overlays of one base only two build it.

Kept is what a folder under `resources` gives before anybody changes it.  A build gets copies, notes
the same inputs as if it had built the base, and builds it whenever anything could come out
otherwise: from another content, as part of a cycle, too deep, or under somebody's own schemas.
What only one of them uses, and that is most, is not kept: it would fill the memory for nothing.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.objects.patch import size_of
from engine.render.inputs import Inputs
from engine.render.kustomize.accumulator import Accumulator
from engine.render.kustomize.config.specs import Config
from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.model.schemas import Schemas
from engine.source.tree import Form

if TYPE_CHECKING:
    from engine.render.kustomize.loader import Loader
    from engine.render.kustomize.state import Build

_MET = 10_000  # bases of which it is known that they were built once; 200 bytes each
_NODE_BYTES = 150  # of one value in memory; see `engine.render.cache`
_RESOURCE_BYTES = 1_000  # of one resource beside its object

Place: TypeAlias = tuple[str, str, bool, bool, str]
"""The folder and its id, and how paths are looked up there: what makes a base another one."""


@dataclass(frozen=True, slots=True)
class BuiltBase:
    """What a folder made; entered: how many kustomizations are in it, itself among them."""

    resources: tuple[Resource, ...]
    config: Config
    inputs: Inputs
    entered: int
    is_asking: bool  #: the schemas, for what decides which are in force
    folders: tuple[str, ...]  #: all that it has looked at: one of them may be an overlay's

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        nodes = sum(size_of(resource.obj) for resource in self.resources)
        return nodes * _NODE_BYTES + len(self.resources) * _RESOURCE_BYTES

    def copied(self, schemas: Schemas) -> Accumulator:
        """All of it, for a build to change."""
        made = Accumulator(config=self.config)
        made.resources.keep(_twin(resource, schemas) for resource in self.resources)
        return made


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is kept, and counts since the start."""

    bases: int
    held_bytes: int
    used: int  #: times that a base was not built again


class BuiltBases:
    """Remembers bases that are built again and again; for any number of builds, one at a time."""

    def __init__(self, max_bytes: int) -> None:
        """max_bytes: of memory, about; 0 keeps nothing."""
        self._max_bytes = max_bytes
        self._bases: OrderedDict[Place, tuple[BuiltBase, int]] = OrderedDict()
        self._met: dict[Place, None] = {}  # the newest last
        self._bytes = self._used = 0

    def made(
        self, loader: "Loader", build: "Build", make: Callable[[], Accumulator]
    ) -> Accumulator:
        """What the base of the loader gives; make: builds it.  Raises what that raises."""
        if not _is_plain(loader, build):
            return make()
        place = _place(loader)
        known = self._bases.get(place)
        if known is not None and _fits(known[0], loader, build):
            self._used += 1
            self._bases.move_to_end(place)
            build.entered += known[0].entered
            build.schemas.is_asked |= known[0].is_asking
            loader.tree.note(known[0].inputs)
            return known[0].copied(build.schemas)
        return self._built(place, loader, build, make)

    def _built(
        self, place: Place, loader: "Loader", build: "Build", make: Callable[[], Accumulator]
    ) -> Accumulator:
        before, was_asked, build.schemas.is_asked = build.entered, build.schemas.is_asked, False
        with loader.tree.apart() as noted:
            made = make()
            inputs = replace(loader.tree.inputs, bases={}, downloads={})
        is_asking = build.schemas.is_asked
        build.schemas.is_asked |= was_asked
        if noted.is_local and not made.variables and not build.schemas.is_set:
            entered, folders = build.entered - before, _folders(inputs)
            base = BuiltBase((), made.config, inputs, entered, is_asking, folders)
            self._keep(place, base, made)
        return made

    def _keep(self, place: Place, base: BuiltBase, made: Accumulator) -> None:
        """Keep it if it was met before: copies, as the build goes on to change what it made."""
        if place not in self._met:
            self._met[place] = None
            if len(self._met) > _MET:
                del self._met[next(iter(self._met))]
            return
        twins = tuple(_twin(resource, resource.schemas) for resource in made.resources)
        base = replace(base, resources=twins)
        self._forget(place)
        self._bases[place] = base, base.size
        self._bytes += base.size
        while self._bytes > self._max_bytes:
            self._forget(next(iter(self._bases)))

    def _forget(self, place: Place) -> None:
        _, size = self._bases.pop(place, (None, 0))
        self._bytes -= size

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        return Statistics(len(self._bases), self._bytes, self._used)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<BuiltBases {self.statistics()}>"


def _is_plain(loader: "Loader", build: "Build") -> bool:
    """Whether a base would give the same to any build that finds the same files.

    Not if somebody follows each field, notes what is encrypted, or brings schemas.
    """
    is_followed = build.trace is not None or build.origins
    is_asked = loader.is_remote or loader.reach.opener is not None
    return not (is_followed or is_asked or build.schemas.is_set)


def _place(loader: "Loader") -> Place:
    reach, entry = loader.reach, loader.tree.entry(loader.root)
    id_ = entry.id if entry is not None else ""
    return loader.root, id_, reach.root_only, reach.allow_remote, reach.mount


def _fits(base: BuiltBase, loader: "Loader", build: "Build") -> bool:
    """Whether building the base here would give the same, and no error."""
    return (
        loader.has_room(base.entered)
        and build.has_room(base.entered)
        and not loader.is_led_through(base.folders)
        and loader.tree.would_hold(base.inputs)
    )


def _folders(inputs: Inputs) -> tuple[str, ...]:
    return tuple(path for path, form in inputs.probes.items() if form == Form.FOLDER.value)


def _twin(resource: Resource, schemas: Schemas) -> Resource:
    return resource.around(_same(resource.obj), schemas)


def _same(value: Any) -> Any:
    """A copy of maps and lists; texts that change together still do."""
    if value.__class__ is dict:
        return {key: _same(item) for key, item in value.items()}
    return [_same(item) for item in value] if value.__class__ is list else value
