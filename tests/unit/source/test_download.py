import hashlib
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from engine.errors import ArtifactFailed, ArtifactPending
from engine.serve.artifacts import add_artifact_routes
from engine.source import archive
from engine.source.download import DownloadPolicy, download
from engine.source.git import Tools
from engine.source.storage import ArtifactOwner, ArtifactStorage, StoredArtifact
from engine.source.store import Store
from engine.source.tree import MemoryTree
from engine.telemetry import reconciling
from tests.support.git_server import serve_application
from tests.support.observing import traced

AT_ONCE = DownloadPolicy(attempts=3, pause=0.0)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[str, StoredArtifact]]:
    """Our own artifact server with one artifact, and that artifact."""
    storage = ArtifactStorage(tmp_path / "storage", "unused")
    owner = ArtifactOwner("GitRepository", "flux-system", "fleet")
    stored = storage.store(owner, "1" * 40, MemoryTree({"a.yaml": b"1"}), now=0.0)
    application = web.Application()
    add_artifact_routes(application, storage)
    async with serve_application(application) as url:
        yield url, stored


async def test_an_artifact_is_fetched_from_our_own_server(
    tmp_path: Path, tools: Tools, served: tuple[str, StoredArtifact]
) -> None:
    url, stored = served

    tree = await download(f"{url}/{stored.path}", stored.digest, Store(tmp_path / "git"), tools)

    assert tree.read("a.yaml") == b"1"


@pytest.mark.parametrize(
    "path",
    ["gitrepository/flux-system/fleet/none.tar.gz", "a/b/c", "a/%2e%2e/b/c", ".git/a/b/c"],
)
async def test_nothing_but_artifacts_is_served(
    tools: Tools, served: tuple[str, StoredArtifact], path: str
) -> None:
    async with tools.session.get(f"{served[0]}/{path}") as response:
        assert response.status == 404
    async with tools.session.get(served[0]) as response:
        assert response.status == 200


async def test_an_artifact_that_is_not_there_is_waited_for(
    tmp_path: Path, tools: Tools, served: tuple[str, StoredArtifact]
) -> None:
    with pytest.raises(ArtifactPending, match="artifact not found at"):
        await download(f"{served[0]}/a/b/c/d", "sha256:00", Store(tmp_path / "git"), tools)


async def test_an_artifact_that_was_changed_is_refused(
    tmp_path: Path, tools: Tools, served: tuple[str, StoredArtifact]
) -> None:
    url, stored = served
    store = Store(tmp_path / "git")

    with pytest.raises(ArtifactFailed, match=r"computed digest 'sha256:.* does not match"):
        await download(f"{url}/{stored.path}", f"sha256:{'0' * 64}", store, tools)

    assert store.statistics().packs == 0


async def test_a_digest_of_an_unknown_kind_is_refused(
    tmp_path: Path, tools: Tools, served: tuple[str, StoredArtifact]
) -> None:
    with pytest.raises(ArtifactFailed, match="digest algorithm 'blake3' is not supported"):
        await download(f"{served[0]}/x", "blake3:00", Store(tmp_path / "git"), tools)


async def test_a_server_that_stumbles_is_asked_again(tmp_path: Path, tools: Tools) -> None:
    file = io.BytesIO()
    archive.write(MemoryTree({"a.yaml": b"1"}), file)
    answers = iter([503, 500, 200])

    async def stumble(_: web.Request) -> web.Response:
        return web.Response(status=next(answers), body=file.getvalue())

    application = web.Application()
    application.router.add_get("/x", stumble)
    digest = f"sha256:{hashlib.sha256(file.getvalue()).hexdigest()}"
    async with serve_application(application) as url:
        store = Store(tmp_path / "git")
        tree = await download(f"{url}/x", digest, store, tools, AT_ONCE)

    assert tree.read("a.yaml") == b"1"


async def test_a_server_that_is_not_there_is_named(tmp_path: Path, tools: Tools) -> None:
    with pytest.raises(ArtifactFailed) as caught:
        await download("http://127.0.0.1:1/x", "sha256:0", Store(tmp_path / "git"), tools, AT_ONCE)

    assert str(caught.value).startswith(
        "failed to download artifact from 'http://127.0.0.1:1/x': cannot reach '127.0.0.1:1': "
        "connection refused: "
    )


@pytest.mark.parametrize(
    ("status", "asked", "problem"),
    [
        (503, 3, r"overloaded or out of order \(HTTP 503\): is the controller"),
        (403, 1, r"the server refuses it \(HTTP 403\)"),
        (302, 9, "redirects again and again"),
    ],
)
async def test_only_what_may_pass_is_tried_again(
    tmp_path: Path, tools: Tools, status: int, asked: int, problem: str
) -> None:
    count = 0

    async def refuse(_: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.Response(status=status, headers={"Location": "/x"})

    application = web.Application()
    application.router.add_get("/x", refuse)
    async with serve_application(application) as url:
        with pytest.raises(ArtifactFailed, match=problem):
            await download(f"{url}/x", "sha256:0", Store(tmp_path / "git"), tools, AT_ONCE)

    assert count == asked


async def test_what_is_no_url_is_not_tried_twice(tmp_path: Path, tools: Tools) -> None:
    with pytest.raises(ArtifactFailed, match="'http://:1' is no URL"):
        await download("http://:1", "sha256:0", Store(tmp_path / "git"), tools)


async def test_a_download_belongs_to_the_trace_of_its_run(
    tmp_path: Path, tools: Tools, served: tuple[str, StoredArtifact]
) -> None:
    seen: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        seen.append(request.headers.get("traceparent", ""))
        return web.Response(status=404)

    application = web.Application()
    application.router.add_get("/x", refuse)
    async with serve_application(application) as url:
        with (
            traced() as traces,
            reconciling("Kustomization", "g", "ns", "app", "a change", str),
            pytest.raises(ArtifactPending),
        ):
            await download(f"{url}/x", "sha256:0", Store(tmp_path / "git"), tools)

    (root,) = traces.spans
    assert f"{root.context.trace_id:032x}" in seen[0]


async def test_an_artifact_that_is_too_large_is_not_read_to_its_end(
    tmp_path: Path, tools: Tools, served: tuple[str, StoredArtifact]
) -> None:
    url, stored = served
    policy = DownloadPolicy(bytes=10)

    with pytest.raises(ArtifactFailed, match="has more than 10 bytes"):
        await download(
            f"{url}/{stored.path}", stored.digest, Store(tmp_path / "git"), tools, policy
        )
