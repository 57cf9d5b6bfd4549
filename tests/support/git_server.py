"""Git servers for tests: ours, and the real `git http-backend` where git is installed."""

import os
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from aiohttp import web
from aiohttp.typedefs import Handler

from engine.serve.git import GitServer, git_application, serve_git

HAS_GIT = shutil.which("git") is not None


@asynccontextmanager
async def serve_real_git(folder: Path, version: int = 2) -> AsyncIterator[GitServer]:
    """Serve bare repositories below `folder` with `git http-backend`; version: the highest."""

    async def backend(request: web.Request) -> web.Response:
        return _from_cgi(await _run_backend(folder, _as_asked(request, version)))

    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_route("*", "/{path:.*}", backend)
    async with serve_application(application) as url:
        yield GitServer(url)


@asynccontextmanager
async def serve_old_git(folder: Path) -> AsyncIterator[GitServer]:
    """Our own server, asked as by clients that know only version 0."""

    @web.middleware
    async def forget(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(_as_asked(request, 0))

    application = git_application(folder)
    application.middlewares.append(forget)
    async with serve_application(application) as url:
        yield GitServer(url)


def _as_asked(request: web.Request, version: int) -> web.Request:
    if version == 2:
        return request
    headers = {name: text for name, text in request.headers.items() if name != "Git-Protocol"}
    return request.clone(headers=headers)


@asynccontextmanager
async def serve_application(
    application: web.Application, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve on a free port of the loopback; the URL, without a slash at the end."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        scheme = "https" if tls else "http"
        yield f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _run_backend(folder: Path, request: web.Request) -> bytes:
    body = await request.read()
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(folder),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query_string,
        "REQUEST_METHOD": request.method,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "REMOTE_ADDR": "127.0.0.1",
    }
    command = ["git", "http-backend"]
    done = await anyio.run_process(command, input=body, env=environment, check=False)
    return done.stdout


def _from_cgi(output: bytes) -> web.Response:
    head, _, body = output.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    status = int(headers.pop("Status", "200").split()[0])
    return web.Response(status=status, body=body, headers=headers)


__all__ = [
    "HAS_GIT",
    "GitServer",
    "serve_application",
    "serve_git",
    "serve_old_git",
    "serve_real_git",
]
