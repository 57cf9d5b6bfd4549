"""Serve bare Git repositories over HTTP, read-only: for the demo and for tests."""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from anyio import to_thread

from engine.source.credentials import ANONYMOUS, Credentials
from engine.source.upload_pack import advertise, answer

_REQUEST_BYTES = 16 * 1024 * 1024  # a request only names commits


@dataclass(frozen=True, slots=True)
class GitServer:
    """A server that runs; url: without a slash at the end."""

    url: str

    def repository_url(self, name: str) -> str:
        """The address of the repository in the folder `name`."""
        return f"{self.url}/{name}"


@asynccontextmanager
async def serve_git(
    folder: Path, credentials: Credentials = ANONYMOUS, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[GitServer]:
    """Serve each bare repository `folder/<name>` as `<url>/<name>` until the block ends.

    credentials: what clients must show (user and password, or a bearer token); none by default.
    port: 0 takes a free one.
    """
    runner = web.AppRunner(
        git_application(folder, credentials), access_log=None, shutdown_timeout=1
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound = runner.addresses[0]
        yield GitServer(f"http://{bound[0]}:{bound[1]}")
    finally:
        await runner.cleanup()


def git_application(folder: Path, credentials: Credentials = ANONYMOUS) -> web.Application:
    """The routes of `serve_git`, to be mounted elsewhere."""
    root = folder.resolve()

    async def info_refs(request: web.Request) -> web.Response:
        repository = _repository(root, request)
        if request.query.get("service") != "git-upload-pack":
            raise web.HTTPForbidden(text="only git-upload-pack is served here\n")
        body = await to_thread.run_sync(advertise, repository, _version(request))
        return _reply("application/x-git-upload-pack-advertisement", body)

    async def upload_pack(request: web.Request) -> web.Response:
        repository = _repository(root, request)
        body = await to_thread.run_sync(answer, repository, await request.read(), _version(request))
        return _reply("application/x-git-upload-pack-result", body)

    application = web.Application(
        client_max_size=_REQUEST_BYTES, middlewares=[_authenticate(credentials)]
    )
    application.router.add_get("/{name}/info/refs", info_refs)
    application.router.add_post("/{name}/git-upload-pack", upload_pack)
    return application


def _repository(root: Path, request: web.Request) -> Path:
    name = request.match_info["name"]
    if name.startswith(".") or "/" in name or not (root / name / "objects").is_dir():
        raise web.HTTPNotFound(text=f"no repository {name!r}\n")
    return root / name


def _version(request: web.Request) -> int:
    """Which version of the protocol the client offers."""
    return 2 if "version=2" in request.headers.get("Git-Protocol", "").split(":") else 0


def _reply(content_type: str, body: bytes) -> web.Response:
    headers = {"Content-Type": content_type, "Cache-Control": "no-cache"}
    return web.Response(body=body, headers=headers)


def _authenticate(credentials: Credentials) -> Middleware:
    wanted = ""
    if credentials.bearer_token:
        wanted = f"Bearer {credentials.bearer_token}"
    elif credentials.username:
        wanted = aiohttp.encode_basic_auth(credentials.username, credentials.password, "utf-8")

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if wanted and not hmac.compare_digest(given.encode(), wanted.encode()):
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Basic realm="git"'})
        return await handler(request)

    return middleware
