"""Repositories that name their objects by SHA-256, from Git's own server."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from engine.source.failures import GitOperationFailed
from engine.source.git import Fetched, GitRequest, Tools, fetch
from engine.source.git_compact import compact_if_worth
from engine.source.git_refs import Reference
from engine.source.include import Included
from engine.source.store import Store
from engine.source.stores import Stores
from engine.source.tree import MemoryTree
from engine.source.verify import Trust
from tests.support.git_server import HAS_GIT, serve_real_git
from tests.support.signing import HAS_GPG, Signing, signing_place
from tests.unit.source.test_git_compact import age
from tests.unit.source.test_include import files_of

pytestmark = pytest.mark.skipif(not (HAS_GIT and HAS_GPG), reason="git or gpg is not installed")


@dataclass
class Modern:
    """A repository, its server and a store."""

    folder: Path
    url: str
    git: Signing
    tools: Tools
    stores: Stores

    @property
    def store(self) -> Store:
        return self.stores.of(self.url).in_format("sha256")

    async def commit(self, files: dict[str, bytes], *arguments: str) -> str:
        """The id of a new commit with just these files."""
        return await anyio.to_thread.run_sync(self._commit, files, arguments)

    def _commit(self, files: dict[str, bytes], arguments: tuple[str, ...]) -> str:
        lines = []
        for name, content in files.items():
            blob = self._run("hash-object", "-w", "--stdin", text=content)
            lines.append(f"100644 blob {blob}\t{name}\n".encode())
        tree = self._run("mktree", text=b"".join(lines))
        new = self._run("commit-tree", *arguments, tree, "-m", "A change")
        self._run("update-ref", "refs/heads/main", new)
        return new

    def _run(self, *command: str, text: bytes = b"") -> str:
        done = self.git.run("git", *command, text=text, repository=self.folder)
        return done.decode().strip()

    async def fetch(self, reference: Reference | None = None, **asked: object) -> Fetched:
        request = GitRequest(self.url, reference or Reference("main"), **asked)  # type: ignore[arg-type]  # what a test asks for
        return await fetch(request, self.stores.of(self.url), self.tools)


@pytest.fixture(params=[2, 0], ids=["version 2", "version 0"])
async def modern(
    request: pytest.FixtureRequest, tmp_path: Path, tools: Tools
) -> AsyncIterator[Modern]:
    folder = tmp_path / "repositories" / "new.git"
    folder.mkdir(parents=True)
    with signing_place() as place:
        arguments = ("--bare", "-q", "-b", "main", "--object-format=sha256", str(folder))
        place.run("git", "init", *arguments)
        async with serve_real_git(folder.parent, request.param) as server:
            stores = Stores(tmp_path / "stores")
            yield Modern(folder, server.repository_url("new.git"), place, tools, stores)
            stores.close()


async def test_a_commit_is_fetched_and_its_revision_says_how_it_is_named(modern: Modern) -> None:
    commit = await modern.commit({"a.yaml": b"1", "b.png": b"2"})

    found = await modern.fetch()

    assert len(commit) == 64
    assert found.revision == f"main@sha256:{commit}"
    assert files_of(found.tree) == {"a.yaml": b"1"}


async def test_the_next_commit_costs_what_it_changed(modern: Modern) -> None:
    same = {f"{number}.yaml": os.urandom(1000) for number in range(50)}
    first = await modern.commit(same)
    await modern.fetch()
    before = modern.store.statistics()
    second = await modern.commit({**same, "new.yaml": b"n"}, "-p", first)

    found = await modern.fetch()
    again = await modern.fetch(Reference(commit=first))

    assert found.commit.id == second
    assert again.revision == f"sha256:{first}"
    assert len(files_of(found.tree)) == 51
    after = modern.store.statistics()
    assert after.pack_bytes - before.pack_bytes < before.pack_bytes / 10
    assert list(modern.store.held()) == [first, second]


async def test_what_is_here_survives_tidying_and_a_restart(modern: Modern, tmp_path: Path) -> None:
    await modern.commit({"a.yaml": b"1", "b.png": b"2"})
    found = await modern.fetch()
    age(modern.store.folder, 9999)
    await modern.commit({"c.yaml": b"3"})
    await modern.fetch()

    with modern.store.exclusive:
        compact_if_worth(modern.store, most_packs=0)

    assert files_of(found.tree) == {"a.yaml": b"1"}
    modern.stores.close()
    modern.stores = Stores(tmp_path / "stores")
    packs = modern.store.statistics().packs
    assert files_of((await modern.fetch()).tree) == {"c.yaml": b"3"}
    assert modern.store.statistics().packs == packs


async def test_a_signature_counts_for_the_new_form_of_a_commit(modern: Modern) -> None:
    key = await anyio.to_thread.run_sync(modern.git.openpgp_key)
    ring = modern.git.exported(key)
    commit = await modern.commit({"a.yaml": b"1"}, f"-S{key}")

    found = await modern.fetch(trust=Trust.of("HEAD", {"a.asc": ring}, 0.0))

    assert found.verified == f"verified signature of\n\t- commit '{commit}' with key '{key[-16:]}'"


async def test_files_of_other_sources_can_be_included(modern: Modern) -> None:
    await modern.commit({"a.yaml": b"1"})
    other = Included("other", MemoryTree({"x/y.yaml": b"2"}))

    found = await modern.fetch(included=(other,))

    assert files_of(found.tree) == {"a.yaml": b"1", "other/x/y.yaml": b"2"}


async def test_a_commit_that_is_not_there_is_reported(modern: Modern) -> None:
    await modern.commit({"a.yaml": b"1"})

    with pytest.raises(GitOperationFailed, match="unable to resolve commit object for '1111"):
        await modern.fetch(Reference(commit="1" * 64))


async def test_a_repository_made_anew_in_the_other_format_is_followed(
    modern: Modern, tmp_path: Path
) -> None:
    await modern.commit({"a.yaml": b"new"})
    new = await modern.fetch()
    modern.folder.rename(tmp_path / "away.git")
    modern.git.run("git", "init", "--bare", "-q", "-b", "main", str(modern.folder))
    commit = await modern.commit({"a.yaml": b"old"})

    found = await modern.fetch()

    assert found.revision == f"main@sha1:{commit}"
    assert files_of(found.tree) == {"a.yaml": b"old"}
    assert files_of(new.tree) == {"a.yaml": b"new"}
