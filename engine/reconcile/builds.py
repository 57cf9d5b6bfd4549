"""The last build of each Kustomization: done again only if something that it has read changed.

Source: design section 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.errors import BuildFailed
from engine.objects.ref import Object, Ref, version_of
from engine.render import Request
from engine.render.inputs import Inputs
from engine.source.tree import Tree


@dataclass(frozen=True, slots=True)
class Desired:
    """What Git wants, with owner labels.

    origins: `file:line`.  digest: of the build.  contents: `content_of` each.
    """

    objects: tuple[Object, ...] = ()
    origins: Mapping[Ref, str] = field(default_factory=dict)
    digest: str = ""
    contents: Mapping[Ref, bytes] = field(default_factory=dict)

    def versions(self) -> dict[Ref, str]:
        """The API version of each object, without its group."""
        return {Ref.of(obj): version_of(obj) for obj in self.objects}


@dataclass(frozen=True, slots=True)
class _Built:
    """A build that went well."""

    request: Request
    inputs: Inputs
    desired: Desired


@dataclass(frozen=True, slots=True)
class _Broken:
    """A build that failed: of the same tree it would fail in the same way."""

    request: Request
    tree: str
    failure: BuildFailed


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts since the start."""

    held: int
    used: int  #: times that a build was not done again
    built: int
    failed: int


class Builds:
    """Builds by Kustomization, in memory: they may hold decrypted values."""

    def __init__(self) -> None:
        self._held: dict[Ref, _Built | _Broken] = {}
        self._used = self._built = self._failed = 0

    def held(self, owner: Ref, request: Request, tree: Tree) -> Desired | None:
        """What building would give, None if that is not known.

        Raises BuildFailed if it is known to fail.
        """
        held = self._held.get(owner)
        if held is None or held.request != request:
            return None
        if isinstance(held, _Broken):
            if held.tree != tree.id:
                return None
            self._used += 1
            raise BuildFailed(held.failure.message)
        if not held.inputs.hold_in(tree):
            return None
        self._used += 1
        return held.desired

    def keep(self, owner: Ref, request: Request, inputs: Inputs, desired: Desired) -> None:
        """Remembers a build; one that used a remote may be another the next time."""
        self._built += 1
        if inputs.remotes:
            self._held.pop(owner, None)
        else:
            self._held[owner] = _Built(request, inputs, desired)

    def keep_failure(self, owner: Ref, request: Request, tree: Tree, failure: BuildFailed) -> None:
        """Remembers that a tree cannot be built."""
        self._failed += 1
        self._held[owner] = _Broken(request, tree.id, failure)

    def forget(self, owner: Ref) -> None:
        """The Kustomization is gone, or its build must be done anew."""
        self._held.pop(owner, None)

    def is_concerned(self, owner: Ref, tree: Tree) -> bool:
        """Whether the owner would perhaps build something else of that tree."""
        held = self._held.get(owner)
        return not isinstance(held, _Built) or not held.inputs.hold_in(tree)

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        return Statistics(len(self._held), self._used, self._built, self._failed)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Builds {self.statistics()}>"
