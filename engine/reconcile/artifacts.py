"""The artifacts that sources hold now, as trees: our own, and those another controller serves."""

from collections.abc import Awaitable, Callable

import anyio

from engine.objects.ref import Object, Ref
from engine.source.artifact import Artifact

Download = Callable[[Object], Awaitable[Artifact]]
"""Fetches the artifact that a `status.artifact` describes.  Raises ArtifactFailed."""


class Artifacts:
    """The newest artifact of each source: a source's own fetch puts it, a build asks for it."""

    def __init__(self, download: Download) -> None:
        self._download = download
        self._held: dict[Ref, Artifact] = {}
        self._locks: dict[Ref, anyio.Lock] = {}
        self._arrivals: dict[Ref, anyio.Event] = {}
        self._failures: dict[Ref, anyio.Event] = {}
        self._tried: dict[Ref, anyio.Event] = {}

    def __repr__(self) -> str:
        return f"Artifacts(held={len(self._held)})"

    def put(self, ref: Ref, artifact: Artifact) -> None:
        """Keeps what a source of ours has just fetched."""
        self._held[ref] = artifact
        self._arrivals.pop(ref, anyio.Event()).set()
        self.tried(ref).set()

    def failed(self, ref: Ref) -> None:
        """Notes that a source of ours could not be fetched."""
        self.failure(ref).set()
        self.tried(ref).set()

    def failure(self, ref: Ref) -> anyio.Event:
        """Set once this engine has tried to fetch the source and could not."""
        return self._failures.setdefault(ref, anyio.Event())

    def tried(self, ref: Ref) -> anyio.Event:
        """Set once this engine has fetched the source, or has tried to and could not."""
        return self._tried.setdefault(ref, anyio.Event())

    def get(self, ref: Ref) -> Artifact | None:
        """What is held for a source, None if nothing is."""
        return self._held.get(ref)

    def forget(self, ref: Ref) -> None:
        """Drops a deleted source; whoever waits for it finds that out."""
        self._held.pop(ref, None)
        self._locks.pop(ref, None)
        for events in (self._arrivals, self._failures, self._tried):
            events.pop(ref, anyio.Event()).set()

    async def arrival(self, ref: Ref) -> None:
        """Returns at the next `put` for that source, or once it is gone."""
        await self._arrivals.setdefault(ref, anyio.Event()).wait()

    async def current(self, ref: Ref, described: Object) -> Artifact:
        """The artifact that the source's status describes; downloaded once for all who ask."""
        async with self._locks.setdefault(ref, anyio.Lock()):
            held = self._held.get(ref)
            if held is not None and held.digest == described["digest"]:
                return held
            artifact = await self._download(described)
            self._held[ref] = artifact
            return artifact
