"""Redirects, limits and answers that are not Git's."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from aiohttp import web
from yarl import URL

from engine.serve.git import git_application
from engine.source.author import commit_files, create_repository
from engine.source.credentials import Credentials
from engine.source.failures import AuthenticationFailed, GitError, GitOperationFailed
from engine.source.git import Fetched, GitRequest, Tools, fetch
from engine.source.git_pack import Limits
from engine.source.git_refs import Reference
from engine.source.proxies import Proxy
from engine.source.stores import Stores
from engine.source.tls import tls_context
from engine.source.transport import GitHttp, without_secrets
from tests.support.git_server import serve_application

SECRET = Credentials("flux", "s3cret")


class Recorder:
    """A Git server that remembers what it was shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.url = ""

    def application(self, folder: Path) -> web.Application:
        application = git_application(folder)

        async def remember(request: web.Request, _: web.StreamResponse) -> None:
            self.shown.append(request.headers.get("Authorization", ""))

        application.on_response_prepare.append(remember)
        return application


@pytest.fixture
async def recorder(tmp_path: Path) -> AsyncIterator[Recorder]:
    create_repository(tmp_path / "served" / "fleet.git")
    commit_files(tmp_path / "served" / "fleet.git", {"a.yaml": b"1"}, "x")
    found = Recorder()
    async with serve_application(found.application(tmp_path / "served")) as url:
        found.url = url
        yield found


def redirecting(target: str, status: int = 302) -> web.Application:
    application = web.Application()

    async def redirect(request: web.Request) -> web.Response:
        location = f"{target}{request.path_qs}" if target.startswith("http") else target
        return web.Response(status=status, headers={"Location": location})

    application.router.add_route("*", "/{path:.*}", redirect)
    return application


async def fetched(tmp_path: Path, tools: Tools, url: str, limits: Limits | None = None) -> Fetched:
    request = GitRequest(url, Reference("main"), SECRET, limits=limits or Limits())
    return await fetch(request, Stores(tmp_path / "stores").of(url), tools)


async def test_cve_2026_41506_credentials_stay_home_when_a_server_redirects(
    tmp_path: Path, tools: Tools, recorder: Recorder
) -> None:
    async with serve_application(redirecting(recorder.url)) as url:
        found = await fetched(tmp_path, tools, f"{url}/fleet.git")

    assert found.tree.read("a.yaml") == b"1"
    assert recorder.shown == ["", "", ""]


async def test_credentials_go_to_the_same_host(
    tmp_path: Path, tools: Tools, recorder: Recorder
) -> None:
    await fetched(tmp_path, tools, f"{recorder.url}/fleet.git")

    assert [text.partition(" ")[0] for text in recorder.shown] == ["Basic"] * 3


async def test_a_redirect_with_a_user_in_it_sends_none(
    tmp_path: Path, tools: Tools, recorder: Recorder
) -> None:
    target = recorder.url.replace("://", "://attacker:chosen@")
    async with serve_application(redirecting(target)) as url:
        await fetched(tmp_path, tools, f"{url}/fleet.git")

    assert recorder.shown == ["", "", ""]


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("file:///etc/passwd", "which is no web address"),
        ("ssh://git@example.org/x", "which is no web address"),
        ("http://[", "which is no URL"),
        ("", "which is no web address"),
        ("/again", "more than 5 redirects"),
    ],
)
async def test_a_redirect_that_leads_astray_is_not_followed(
    tmp_path: Path, tools: Tools, location: str, problem: str
) -> None:
    async with serve_application(redirecting(location)) as url:
        with pytest.raises(GitOperationFailed, match=problem):
            await fetched(tmp_path, tools, f"{url}/fleet.git")


async def test_a_request_that_was_posted_is_not_redirected(
    tmp_path: Path, tools: Tools, recorder: Recorder
) -> None:
    application = web.Application()

    async def lead(request: web.Request) -> web.Response:
        async with tools.session.get(f"{recorder.url}{request.path_qs}") as response:
            return web.Response(body=await response.read())

    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"{recorder.url}{request.path}"})

    application.router.add_get("/{path:.*}", lead)
    application.router.add_post("/{path:.*}", redirect)
    async with serve_application(application) as url:
        with pytest.raises(GitOperationFailed, match="must not be repeated"):
            await fetched(tmp_path, tools, f"{url}/fleet.git")


async def test_a_pack_that_is_too_large_is_cut_off(
    tmp_path: Path, tools: Tools, recorder: Recorder
) -> None:
    with pytest.raises(GitOperationFailed, match="sent more than the 64 bytes allowed"):
        await fetched(tmp_path, tools, f"{recorder.url}/fleet.git", Limits(pack_bytes=64))

    assert not list((tmp_path / "stores").glob("*/objects/pack/*"))


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (200, b"<!DOCTYPE html><html>", "not Git's protocol"),
        (200, b"000", "cut off"),
        (200, b"00ff# service", "cut off"),
        (200, b"0003", "not Git's protocol"),
        (200, b"0010ERR go away\n", "the server reports: go away"),
        (200, b"0010xyz refs/foo", "a ref that cannot be read"),
        (500, b"", r"out of order \(HTTP 500 from 'http:.*/fleet.git/info/refs'\): tried again"),
        (407, b"", r"the proxy asks for credentials \(HTTP 407\): check"),
        (418, b"", r"refuses the request \(HTTP 418 from '"),
        (403, b"", "authorization failed"),
    ],
)
async def test_an_answer_that_is_not_gits_is_described(
    tmp_path: Path, tools: Tools, status: int, body: bytes, problem: str
) -> None:
    application = web.Application()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    application.router.add_get("/{path:.*}", answer)
    async with serve_application(application) as url:
        with pytest.raises((GitOperationFailed, AuthenticationFailed), match=problem) as caught:
            await fetched(tmp_path, tools, f"{url.replace('://', '://me:s3cret@')}/fleet.git")

    assert "s3cret" not in str(caught.value)


async def test_a_proxy_is_asked_with_its_own_credentials(
    tmp_path: Path, tools: Tools, recorder: Recorder
) -> None:
    seen: list[tuple[str, str]] = []

    async def forward(request: web.Request) -> web.Response:
        seen.append((request.path, request.headers.get("Proxy-Authorization", "")))
        url = f"{recorder.url}{request.path_qs}"
        async with tools.session.request(
            request.method, url, data=await request.read()
        ) as response:
            return web.Response(body=await response.read())

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", forward)
    async with serve_application(application) as address:
        url = "http://git.invalid/fleet.git"
        request = GitRequest(url, Reference("main"), proxy=Proxy(address, "p", "q"))
        found = await fetch(request, Stores(tmp_path / "stores").of(url), tools)

    assert found.tree.read("a.yaml") == b"1"
    assert seen == [
        ("/fleet.git/info/refs", "Basic cDpx"),
        ("/fleet.git/git-upload-pack", "Basic cDpx"),
    ]


def test_tls_material_that_is_none_names_its_key() -> None:
    with pytest.raises(GitError, match=r"see 'ca.crt'"):
        tls_context(b"not PEM", b"", b"")
    with pytest.raises(GitError, match=r"'tls.crt' and 'tls.key'"):
        tls_context(b"", b"not PEM", b"not PEM")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p@h/x@y", "https://***@h/x@y"),
        ("a http://t@h b https://u:p@i/c", "a http://***@h b https://***@i/c"),
        ("the word s3cret", "the word ***"),
        ("https://h/x", "https://h/x"),
    ],
)
def test_secrets_are_masked(text: str, shown: str) -> None:
    assert without_secrets(text, SECRET) == shown


@pytest.mark.parametrize("path", ["info/refs", "git-upload-pack"])
async def test_refs_without_end_are_cut_off(tools: Tools, path: str) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b"003d" + b"1" * 40 + b" refs/heads/main\n")
        return response

    application = web.Application()
    application.router.add_route("*", f"/fleet.git/{path}", endless)
    async with serve_application(application) as url:
        transport = GitHttp(tools.session, URL(f"{url}/fleet.git"), SECRET)
        asked = (
            transport.advertisement(65536) if path == "info/refs" else transport.ask(b"", 2, 65536)
        )
        with pytest.raises(GitError, match="sent more than the 65536 bytes allowed"):
            await asked


async def test_a_pack_that_lies_about_its_packets_is_described(
    tmp_path: Path, tools: Tools, recorder: Recorder
) -> None:
    async def lie(request: web.Request) -> web.Response:
        body = await request.read()
        if b"command=fetch" in body:
            return web.Response(body=b"000dpackfile\nfff9\1PACK")
        async with tools.session.post(
            f"{recorder.url}{request.path}", data=body, headers={"Git-Protocol": "version=2"}
        ) as response:
            return web.Response(body=await response.read())

    async def lead(request: web.Request) -> web.Response:
        headers = {"Git-Protocol": "version=2"}
        url = f"{recorder.url}{request.path_qs}"
        async with tools.session.get(url, headers=headers) as response:
            return web.Response(body=await response.read())

    application = web.Application()
    application.router.add_get("/{path:.*}", lead)
    application.router.add_post("/{path:.*}", lie)
    async with serve_application(application) as url:
        with pytest.raises(GitOperationFailed, match="not Git's protocol"):
            await fetched(tmp_path, tools, f"{url}/fleet.git")

    assert not list((tmp_path / "stores").glob("*/objects/pack/*"))


async def test_who_gives_up_a_server_that_drips_hangs_up(tmp_path: Path, tools: Tools) -> None:
    dripped, gone = anyio.Event(), anyio.Event()

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"0")
                dripped.set()
                await anyio.lowlevel.checkpoint()
        finally:
            gone.set()

    application = web.Application()
    application.router.add_get("/{path:.*}", drip)
    async with serve_application(application) as url:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fetched, tmp_path, tools, f"{url}/fleet.git")
            await dripped.wait()
            tasks.cancel_scope.cancel()

        await gone.wait()
