"""`lockstep build` of a folder that names bases by URL."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from anyio import to_thread

from engine.source.author import commit_files, create_repository
from tests.support.git_server import GitServer, serve_git

Call: TypeAlias = Callable[..., Any]

CONFIG = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    """It serves `base`, which names `deeper`."""
    folder = tmp_path / "served"
    async with serve_git(folder) as server:
        create_repository(folder / "deeper")
        commit_files(folder / "deeper", {"app/map.yaml": CONFIG}, "one")
        deeper = {"app/kustomization.yaml": b"resources: [map.yaml]\n"}
        commit_files(folder / "deeper", deeper, "two")
        create_repository(folder / "base")
        named = f"resources: ['{server.url}/deeper//app']\nnamePrefix: base-\n"
        commit_files(folder / "base", {"kustomization.yaml": named.encode()}, "one")
        yield server


@pytest.fixture
def build(call: Call, tmp_path: Path) -> Callable[..., Any]:
    """Builds a kustomization with that resource, away from the event loop."""

    async def run(resource: str, *options: str) -> Any:
        (tmp_path / "here").mkdir()
        (tmp_path / "here" / "kustomization.yaml").write_text(f"resources: ['{resource}']\n")
        return await to_thread.run_sync(partial(call, "build", str(tmp_path / "here"), *options))

    return run


async def test_bases_are_fetched_and_what_names_no_commit_is_told(
    build: Callable[..., Any], server: GitServer
) -> None:
    base = f"{server.url}/base//"
    result = await build(base)

    assert "name: base-settings" in result.out
    assert f"! {base} may be something else the next time: name a commit (?ref=)" in result.err


async def test_what_cannot_be_fetched_is_named_with_its_line(
    build: Callable[..., Any], server: GitServer
) -> None:
    result = await build(f"{server.url}/nowhere//")

    assert result.status == 1
    assert "kustomization.yaml:1: resource" in result.err
    assert "repository not found (HTTP 404" in result.err


async def test_bases_can_be_refused(build: Callable[..., Any], server: GitServer) -> None:
    result = await build(f"{server.url}/base//", "--no-remote-bases")

    assert result.status == 1
    assert "is not allowed (--no-remote-bases)" in result.err
