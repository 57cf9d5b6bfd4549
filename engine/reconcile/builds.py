"""The last build of each Kustomization: done again only if something that it has read changed.

Kept are compressed bytes, an eighth of the objects in memory; who needs a build has it unpacked.
Source: design section 4.
"""

import pickle
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from sys import intern
from typing import Any, TypeAlias

from engine.errors import BuildFailed
from engine.objects.ref import Object, Ref, version_of
from engine.render import Needs, Remotes, Request, SealedKey
from engine.render.decrypt_keys import Opened
from engine.render.inputs import Inputs
from engine.source.tree import Tree

_LEVEL = 1  # of zlib: 6 saves 2 % more and takes half as long again, on builds of ten objects

Kind: TypeAlias = tuple[str, str, str]
"""(group, version, kind)"""


@dataclass(frozen=True, slots=True)
class Desired:
    """What Git wants, with owner labels.

    origins: `file:line`.  digest: of the build.  contents: `content_of` each.  scopes: of kinds
    that the cluster was asked about, whether they are namespaced: another answer makes another
    result.  opened: what was decrypted for it.
    """

    objects: tuple[Object, ...] = ()
    origins: Mapping[Ref, str] = field(default_factory=dict)
    digest: str = ""
    contents: Mapping[Ref, bytes] = field(default_factory=dict)
    scopes: Mapping[Kind, bool] = field(default_factory=dict)
    opened: Opened = field(default_factory=Opened)

    def versions(self) -> dict[Ref, str]:
        """The API version of each object, without its group."""
        return {Ref.of(obj): version_of(obj) for obj in self.objects}


@dataclass(frozen=True, slots=True)
class _Built:
    """A build that went well.

    tree: id of the tree that it was made of.  roots: folders that held all it asked for, by path,
    with their ids; none where there are no such.  moving: URLs that may stand for something else
    the next time.  sealed: the data keys that it took.  inputs, desired: packed.
    """

    request: Request
    tree: str
    roots: tuple[tuple[str, str], ...]
    moving: Needs
    sealed: frozenset[SealedKey]
    inputs: bytes
    desired: bytes

    @classmethod
    def of(cls, request: Request, inputs: Inputs, desired: Desired) -> "_Built":
        """A build, packed."""
        return cls(
            request,
            intern(inputs.tree),
            _roots(inputs),
            Needs(*inputs.moving),
            desired.opened.keys,
            _packed(inputs),
            _packed_desired(desired),
        )

    def holds_in(self, tree: Tree) -> bool:
        """Whether a build of that tree would find the same."""
        if tree.id == self.tree or (self.roots and all(_is_in(tree, *root) for root in self.roots)):
            return True
        inputs: Inputs = _unpacked(self.inputs)
        return inputs.hold_in(tree)

    def holds_with(self, remotes: Remotes) -> bool:
        """Whether a build with what was fetched now would find the same."""
        inputs: Inputs = _unpacked(self.inputs)
        return inputs.hold_remotely(remotes.bases, remotes.files)


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
        self._ended: set[Ref] = set()
        self._used = self._built = self._failed = 0

    def moving(self, owner: Ref, request: Request, tree: Tree) -> Needs:
        """What is to be fetched before `held` can tell: what may be another at any time."""
        held = self._held.get(owner)
        if not isinstance(held, _Built) or held.request != request or not held.moving:
            return Needs()
        return held.moving if held.holds_in(tree) else Needs()

    def held(
        self, owner: Ref, request: Request, tree: Tree, remotes: Remotes | None = None
    ) -> Desired | None:
        """What building would give, None if that is not known.

        remotes: all that is `moving`; None: it is taken for what it was.  Raises BuildFailed if it
        is known to fail.
        """
        held = self._held.get(owner)
        if held is None or held.request != request:
            return None
        if isinstance(held, _Broken):
            if held.tree != tree.id:
                return None
            self._used += 1
            raise BuildFailed(held.failure.message)
        if not held.holds_in(tree):
            return None
        if remotes is not None and held.moving and not held.holds_with(remotes):
            return None
        self._used += 1
        return _unpacked_desired(held.desired)

    def sealed(self, owner: Ref) -> frozenset[SealedKey]:
        """The data keys that the last build took: the next one takes most of them again."""
        held = self._held.get(owner)
        return held.sealed if isinstance(held, _Built) else frozenset()

    def last(self, owner: Ref) -> Desired | None:
        """What was built last, whatever has changed since; None if that went wrong."""
        held = self._held.get(owner)
        return _unpacked_desired(held.desired) if isinstance(held, _Built) else None

    def keep(self, owner: Ref, request: Request, inputs: Inputs, desired: Desired) -> None:
        """Remembers a build."""
        self._built += 1
        self._held[owner] = _Built.of(request, inputs, desired)

    def keep_failure(self, owner: Ref, request: Request, tree: Tree, failure: BuildFailed) -> None:
        """Remembers that a tree cannot be built."""
        self._failed += 1
        self._held[owner] = _Broken(request, tree.id, failure)

    def note_failure(self, owner: Ref) -> None:
        """A build failed that may go well the next time: other things than the tree had a say."""
        self._failed += 1
        self._held.pop(owner, None)

    def forget(self, owner: Ref) -> None:
        """The Kustomization is gone, or its build must be done anew."""
        self._held.pop(owner, None)
        self._ended.discard(owner)

    def ended(self, owner: Ref) -> None:
        """A build was ended because it was not what is wanted any more."""
        self._ended.add(owner)

    def may_end(self, owner: Ref) -> bool:
        """Whether the build that begins now may be ended so: not after one that was.

        Else who commits more often than a build takes would never see any.
        """
        was_ended = owner in self._ended
        self._ended.discard(owner)
        return not was_ended

    def is_concerned(self, owner: Ref, tree: Tree) -> bool:
        """Whether the owner would perhaps build something else of that tree."""
        held = self._held.get(owner)
        return not isinstance(held, _Built) or bool(held.moving) or not held.holds_in(tree)

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        return Statistics(len(self._held), self._used, self._built, self._failed)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<Builds {self.statistics()}>"


def _roots(inputs: Inputs) -> tuple[tuple[str, str], ...]:
    """The folders outside of which nothing was asked for, with their ids.

    None if something was asked for outside of any folder that was there.  While all their ids are
    as they were, so is all that `Inputs.hold_in` compares.
    """
    asked = set(_asked(inputs))
    if not asked <= inputs.folders.keys():
        return ()
    return tuple(
        (path, inputs.folders[path]) for path in sorted(asked) if asked.isdisjoint(_above(path))
    )


def _asked(inputs: Inputs) -> Iterator[str]:
    """The folders in which something was asked for."""
    yield from inputs.listings
    yield from map(_parent, inputs.files)
    # That a folder is there is known from its id, wherever it is.
    yield from (_parent(path) for path in inputs.probes if path not in inputs.folders)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _above(path: str) -> Iterator[str]:
    """The folders that the path is in, up to the root."""
    while path:
        path = _parent(path)
        yield path


def _is_in(tree: Tree, path: str, folder_id: str) -> bool:
    entry = tree.entry(path)
    return entry is not None and entry.id == folder_id


def _packed_desired(desired: Desired) -> bytes:
    refs = [Ref.of(obj) for obj in desired.objects]
    origins = [desired.origins.get(ref, "") for ref in refs]
    contents = [desired.contents[ref] for ref in refs]
    rest = desired.digest, contents, desired.scopes, desired.opened
    return _packed((desired.objects, origins, *rest))


def _unpacked_desired(packed: bytes) -> Desired:
    objects, origins, digest, contents, scopes, opened = _unpacked(packed)
    refs = [Ref.of(obj) for obj in objects]
    return Desired(
        objects,
        dict(zip(refs, origins, strict=True)),
        digest,
        dict(zip(refs, contents, strict=True)),
        scopes,
        opened,
    )


def _packed(value: Any) -> bytes:
    return zlib.compress(pickle.dumps(value, pickle.HIGHEST_PROTOCOL), _LEVEL)


def _unpacked(packed: bytes) -> Any:
    return pickle.loads(zlib.decompress(packed))  # noqa: S301 - made right here
