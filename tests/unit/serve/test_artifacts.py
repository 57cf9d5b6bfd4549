"""The artifact server, as other controllers use it and as others may try to."""

import logging
import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import aiohttp
import anyio
import pytest

from engine.serve.artifacts import add_artifact_routes
from engine.serve.http import listening
from engine.source.storage import ArtifactOwner, ArtifactStorage
from engine.source.tree import MemoryTree

PATH = "/gitrepository/flux-system/fleet/" + "1" * 40 + ".tar.gz"


@pytest.fixture
def storage(tmp_path: Path) -> ArtifactStorage:
    storage = ArtifactStorage(tmp_path / "artifacts", "unused")
    owner = ArtifactOwner("GitRepository", "flux-system", "fleet")
    storage.store(owner, "1" * 40, MemoryTree({"a.yaml": os.urandom(5000)}), now=0.0)
    return storage


@pytest.fixture
async def client(storage: ArtifactStorage) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        listening("127.0.0.1:0", partial(add_artifact_routes, storage=storage)) as address,
        aiohttp.ClientSession(f"http://{address}", auto_decompress=False) as client,
    ):
        yield client


async def test_the_whole_file_comes_as_it_is(
    client: aiohttp.ClientSession, storage: ArtifactStorage
) -> None:
    async with client.get(PATH, headers={"Accept-Encoding": "gzip"}) as answer:
        body = await answer.read()

    assert body == (storage.folder / PATH[1:]).read_bytes()
    assert answer.headers["Content-Type"] == "application/gzip"
    assert "Content-Encoding" not in answer.headers  # else Go's client would unpack it


async def test_a_head_tells_the_size_and_a_known_file_is_not_sent_again(
    client: aiohttp.ClientSession, storage: ArtifactStorage
) -> None:
    async with client.head(PATH) as head:
        assert await head.read() == b""
    size = (storage.folder / PATH[1:]).stat().st_size
    assert (head.status, int(head.headers["Content-Length"])) == (200, size)

    async with client.get(PATH, headers={"If-None-Match": head.headers["ETag"]}) as again:
        assert (again.status, await again.read()) == (304, b"")


@pytest.mark.parametrize(
    ("wanted", "status", "size"), [("bytes=10-19", 206, 10), ("bytes=99999-", 416, 0)]
)
async def test_a_download_can_be_resumed(
    client: aiohttp.ClientSession, wanted: str, status: int, size: int
) -> None:
    async with client.get(PATH, headers={"Range": wanted}) as answer:
        assert (answer.status, len(await answer.read())) == (status, size)


@pytest.mark.parametrize(
    "path",
    [
        "/%2e%2e/flux-system/fleet/x",
        "/gitrepository/flux-system/fleet/..%2f..%2f..%2fsecret",
        "/gitrepository/flux-system/fleet/%2e%2e%2fx",
        "/gitrepository/flux-system/fleet/a%00b",
        "/gitrepository/flux-system/fleet/" + "a" * 300,
        "/gitrepository/" + "a" * 300 + "/fleet/x",
        "/gitrepository/flux-system/fleet",
    ],
)
async def test_nothing_else_is_served_and_nothing_is_logged(
    client: aiohttp.ClientSession,
    storage: ArtifactStorage,
    path: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (storage.folder.parent / "secret").write_text("x")

    async with client.get(aiohttp.client.URL(path, encoded=True)) as answer:
        assert answer.status == 404

    assert caplog.records == []


async def test_a_file_that_goes_while_it_is_asked_for_is_not_found(
    client: aiohttp.ClientSession, storage: ArtifactStorage, caplog: pytest.LogCaptureFixture
) -> None:
    locate = storage.locate

    def locate_and_lose(path: str) -> Path | None:
        found = locate(path)
        (storage.folder / path).unlink()
        return found

    storage.locate = locate_and_lose  # type: ignore[method-assign]
    async with client.get(PATH) as answer:
        assert answer.status == 404

    assert caplog.records == []


async def test_a_client_that_leaves_in_the_middle_of_a_big_file_is_no_error(
    client: aiohttp.ClientSession, storage: ArtifactStorage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with (storage.folder / PATH[1:]).open("r+b") as file:
        file.truncate(1 << 30)  # holds no blocks

    async with client.get(PATH) as answer:
        assert await answer.content.readexactly(1000)
        answer.close()
    await anyio.wait_all_tasks_blocked()
    async with client.get("/") as answer:
        assert answer.status == 200

    assert caplog.records == []
