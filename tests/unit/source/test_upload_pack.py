"""Our server, asked by the real git."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from engine.source.author import add_tag, commit_files, create_repository, move_branch
from engine.source.git_protocol import Mark, packet
from engine.source.upload_pack import answer
from tests.support.git_server import HAS_GIT, serve_git

pytestmark = pytest.mark.skipif(not HAS_GIT, reason="git is not installed")


@dataclass
class Clone:
    """A working copy of a repository on our server."""

    folder: Path
    remote: Path
    url: str

    async def git(self, *arguments: str, version: int = 2) -> str:
        command = ["git", "-c", f"protocol.version={version}", *arguments]
        environment = {"HOME": str(self.folder.parent), "GIT_CONFIG_NOSYSTEM": "1"}
        done = await anyio.run_process(
            command, cwd=self.folder, env=environment, stderr=None, check=True
        )
        return done.stdout.decode().strip()

    def commit(self, text: str, branch: str = "main") -> str:
        files = {f"d/{text}.yaml": text.encode() * 100, "same.yaml": b"same"}
        return commit_files(self.remote, files, text, branch, committed_at=1_700_000_000)


@pytest.fixture
async def clone(tmp_path: Path) -> AsyncIterator[Clone]:
    remote = tmp_path / "served" / "fleet.git"
    create_repository(remote)
    (tmp_path / "work").mkdir()
    async with serve_git(remote.parent) as server:
        yield Clone(tmp_path / "work", remote, server.repository_url("fleet.git"))


@pytest.mark.parametrize("version", [0, 2])
async def test_a_clone_is_whole_and_follows(clone: Clone, version: int) -> None:
    for text in "abc":
        clone.commit(text)

    await clone.git("clone", "-q", clone.url, ".", version=version)
    for text in "de":
        last = clone.commit(text)
    await clone.git("pull", "-q", version=version)

    assert await clone.git("rev-parse", "HEAD") == last
    assert await clone.git("rev-list", "--count", "HEAD") == "5"
    assert await clone.git("fsck", "--full", "--strict") == ""


@pytest.mark.parametrize("version", [0, 2])
async def test_a_shallow_clone_can_be_deepened(clone: Clone, version: int) -> None:
    for text in "abcde":
        clone.commit(text)

    await clone.git("clone", "-q", "--depth=1", clone.url, ".", version=version)
    assert await clone.git("rev-list", "--count", "HEAD") == "1"
    clone.commit("f")
    await clone.git("fetch", "-q", "--depth=3", version=version)
    assert await clone.git("rev-list", "--count", "origin/main") == "3"
    await clone.git("fetch", "-q", "--unshallow", version=version)
    assert await clone.git("rev-list", "--count", "origin/main") == "6"
    assert await clone.git("fsck", "--full", "--strict") == ""


async def test_tags_branches_and_head_are_listed(clone: Clone) -> None:
    first = clone.commit("a")
    add_tag(clone.remote, "light", first)
    add_tag(clone.remote, "noted", first, "a note")
    clone.commit("b", branch="other")

    listed = await clone.git("ls-remote", "--symref", clone.url)
    await clone.git("clone", "-q", clone.url, ".")

    assert "ref: refs/heads/main\tHEAD" in listed
    assert f"{first}\trefs/tags/noted^{{}}" in listed
    assert f"{first}\trefs/tags/light" in listed
    assert await clone.git("tag", "-n") == "light           a\nnoted           a note"


async def test_a_history_that_parted_is_fetched(clone: Clone) -> None:
    base = clone.commit("a")
    clone.commit("b")
    await clone.git("clone", "-q", clone.url, ".")
    move_branch(clone.remote, "main", base)
    other = clone.commit("c")

    await clone.git("fetch", "-q")

    assert await clone.git("rev-parse", "origin/main") == other
    assert await clone.git("fsck", "--full", "--strict") == ""


async def test_an_empty_repository_can_be_cloned(clone: Clone) -> None:
    await clone.git("clone", "-q", clone.url, ".")

    assert await clone.git("branch", "-r") == ""


def test_a_client_that_takes_no_thin_packs_is_served(tmp_path: Path) -> None:
    """As go-git 5, Flux's."""
    create_repository(tmp_path / "r")
    commit = commit_files(tmp_path / "r", {"a": b"1"}, "first")
    want = packet(f"want {commit} agent=go-git/5.x ofs-delta shallow side-band-64k\n")
    request = want + packet("deepen 1") + Mark.FLUSH.value + packet("done\n")

    assert b"PACK" in answer(tmp_path / "r", request, 0)
