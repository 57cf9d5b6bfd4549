"""Repositories and files by URL, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from engine.source.failures import FileError, GitError
from engine.source.tree import MemoryTree, Tree


@dataclass
class FakeBases:
    """What stands for `engine.source.bases.Bases`.

    repositories: files by `clone@ref`; files: by URL.  asked: what for, oldest first.
    gate: waited for before every answer.
    """

    repositories: dict[str, Mapping[str, str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    gate: anyio.Event | None = None

    async def repository(self, url: str, ref: str, *, submodules: bool = True) -> Tree:
        """The files of a repository; GitError if there is none."""
        await self._ask(f"{url}@{ref}")
        if f"{url}@{ref}" not in self.repositories:
            raise GitError(f"cannot reach '{url}': no such host")
        files = self.repositories[f"{url}@{ref}"]
        return MemoryTree({path: text.encode() for path, text in files.items()})

    async def file(self, url: str) -> bytes:
        """The content of a file; FileError if there is none."""
        await self._ask(url)
        if url not in self.files:
            raise FileError(f"HTTP 404 from '{url}'")
        return self.files[url]

    async def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.gate is not None:
            await self.gate.wait()
