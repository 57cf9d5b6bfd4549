"""Who would build something else of a new revision: found by what changed in its tree.

Each source's tree is compared with the one before it, once; of all the Kustomizations that use it,
only those are looked at that have read something where the two differ.
Source: design section 4.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from engine.objects.ref import Ref
from engine.render.changed import changed_places
from engine.render.inputs import Inputs
from engine.source.failures import GitError
from engine.source.tree import Tree


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts at one moment; `compared` and `asked` since the start."""

    readers: int
    places: int
    compared: int  #: pairs of trees
    asked: int  #: readers that were looked at one by one


@dataclass(slots=True)
class _Readers:
    """Who has built of one source.  Of all but `outdated` the build holds in `tree`."""

    tree: Tree
    places: dict[Ref, frozenset[str]] = field(default_factory=dict)
    at: dict[str, set[Ref]] = field(default_factory=dict)  # {place: who has read there}
    outdated: set[Ref] = field(default_factory=set)

    def add(self, reader: Ref, places: frozenset[str]) -> None:
        self.places[reader] = places
        for place in places:
            self.at.setdefault(place, set()).add(reader)

    def remove(self, reader: Ref) -> None:
        self.outdated.discard(reader)
        for place in self.places.pop(reader):
            self.at[place].discard(reader)
            if not self.at[place]:
                del self.at[place]

    def candidates(self, tree: Tree) -> Collection[Ref]:
        """Those whose build holds perhaps in that tree though not in ours, or the other way."""
        try:
            places = changed_places(self.tree, tree)
        except (KeyError, GitError):  # the old tree is not stored any more
            places = None
        if places is None:
            return self.places.keys()
        return self.outdated.union(*(self.at[place] for place in places if place in self.at))


class Readers:
    """The Kustomizations whose last build is remembered, by source and by what it has read."""

    def __init__(self, holds: Callable[[Ref, Tree], bool]) -> None:
        """holds: whether that Kustomization would build the same of that tree."""
        self._holds = holds
        self._sources: dict[Ref, _Readers] = {}
        self._source_of: dict[Ref, Ref] = {}
        self._compared = self._asked = 0

    def keep(self, reader: Ref, source: Ref, tree: Tree, inputs: Inputs) -> None:
        """A build of that tree of a source went well and is remembered."""
        self.forget(reader)
        readers = self._sources.get(source)
        if readers is None:
            readers = self._sources[source] = _Readers(tree)
        self._source_of[reader] = source
        readers.add(reader, inputs.places())
        self._look(reader, readers)

    def forget(self, reader: Ref) -> None:
        """Of that Kustomization no build is remembered any more."""
        source = self._source_of.pop(reader, None)
        if source is None:
            return
        self._sources[source].remove(reader)
        if not self._sources[source].places:
            del self._sources[source]  # and its tree, which holds an open store

    def concerned(self, users: Collection[Ref], source: Ref, tree: Tree) -> frozenset[Ref]:
        """Those of the users that would perhaps build something else of that tree of the source."""
        readers = self._sources.get(source)
        if readers is None:
            return frozenset(users)
        if readers.tree.id != tree.id:
            candidates = list(readers.candidates(tree))
            self._compared += 1
            readers.tree = tree
            for reader in candidates:
                self._look(reader, readers)
        # By methods of sets, which remember what they have hashed: of 10,000 a loop takes 50 ms.
        asked = users if isinstance(users, set | frozenset) else frozenset(users)
        unknown, outdated = asked.difference(readers.places), asked.intersection(readers.outdated)
        return frozenset(unknown | outdated)

    def _look(self, reader: Ref, readers: _Readers) -> None:
        self._asked += 1
        if self._holds(reader, readers.tree):
            readers.outdated.discard(reader)
        else:
            readers.outdated.add(reader)

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        places = sum(len(each.at) for each in self._sources.values())
        return Statistics(len(self._source_of), places, self._compared, self._asked)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Readers {self.statistics()}>"
