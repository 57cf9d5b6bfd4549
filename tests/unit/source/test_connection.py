"""What people are told when a server gives no answer: their words, not those of a library."""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import anyio
import pytest
from anyio.abc import SocketStream
from yarl import URL

from engine.source.connection import explained
from engine.source.failures import GitOperationFailed
from engine.source.git import GitRequest, Tools, fetch
from engine.source.git_refs import Reference
from engine.source.proxies import Proxy
from engine.source.stores import Stores


@asynccontextmanager
async def answering(reply: bytes) -> AsyncIterator[int]:
    """The port of a server that reads one request, says `reply` and hangs up."""

    async def serve(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            if reply:
                await stream.send(reply)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield listener.extra(anyio.abc.SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


async def told(folder: Path, tools: Tools, url: str, proxy: Proxy | None = None) -> str:
    request = GitRequest(url, Reference("main"), proxy=proxy)
    with pytest.raises(GitOperationFailed) as caught:
        await fetch(request, Stores(folder / "stores").of(url), tools)
    return str(caught.value).partition(f"unable to clone '{url}': ")[2]


async def test_a_port_where_nothing_listens(tmp_path: Path, tools: Tools) -> None:
    assert await told(tmp_path, tools, "http://127.0.0.1:1/fleet.git") == (
        "cannot reach '127.0.0.1:1': connection refused: nothing listens there, or a firewall "
        "rejects it"
    )


async def test_a_name_that_does_not_resolve(tmp_path: Path, tools: Tools) -> None:
    text = await told(tmp_path, tools, "https://git.invalid/fleet.git")

    assert text.startswith("cannot reach 'git.invalid:443': the name 'git.invalid' ")
    assert text.endswith(": check its spelling, and the cluster's DNS")


async def test_a_proxy_that_is_not_there(tmp_path: Path, tools: Tools) -> None:
    proxy = Proxy("http://127.0.0.1:1")

    text = await told(tmp_path, tools, "http://git.example.com/fleet.git", proxy)

    assert text.startswith("cannot reach the proxy '127.0.0.1:1': connection refused")


REFUSED = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"


async def test_a_proxy_that_wants_to_know_who_asks(tmp_path: Path, tools: Tools) -> None:
    async with answering(REFUSED) as port:
        proxy = Proxy(f"http://127.0.0.1:{port}")
        text = await told(tmp_path, tools, "https://git.example.com/fleet.git", proxy)

    assert text == (
        f"the proxy '127.0.0.1:{port}' asks for credentials (HTTP 407): check the Secret of "
        "spec.proxySecretRef, asked for 'git.example.com:443'"
    )


@pytest.mark.parametrize(
    ("scheme", "reply", "wanted"),
    [
        ("http", b"", "broke: "),
        ("http", b"SSH-2.0-x\r\n", "broke: what answers there does not speak HTTP: check the port"),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n0", "it ended before the answer"),
        ("https", b"HTTP/1.1 400 x\r\n\r\n", "no TLS connection: the port does not speak TLS"),
    ],
)
async def test_an_answer_that_is_none(
    tmp_path: Path, tools: Tools, scheme: str, reply: bytes, wanted: str
) -> None:
    async with answering(reply) as port:
        text = await told(tmp_path, tools, f"{scheme}://127.0.0.1:{port}/fleet.git")

    assert wanted in text
    assert "aiohttp" not in text
    assert "ssl:" not in text
    assert f"'127.0.0.1:{port}'" in text


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (
            aiohttp.ConnectionTimeoutError("Connection timeout to host http://h/x"),
            "cannot reach 'h:80': no connection within 30s: a firewall or network policy may drop "
            "what is sent, or the host is down",
        ),
        (
            aiohttp.ClientOSError(errno.ECONNRESET, "Connection reset by peer"),
            "the connection to 'h:80' broke: the connection was cut: the server, a proxy or a "
            "firewall ended it",
        ),
        (TimeoutError(), "cannot reach 'h:80': no connection within 30s"),
        (OSError(errno.ENOMEM, "x"), "the connection to 'h:80' broke: Cannot allocate memory"),
        (aiohttp.ClientError(), "the connection to 'h:80' broke: ClientError"),
    ],
)
def test_every_error_has_words(error: Exception, wanted: str) -> None:
    assert explained(error, URL("http://h/x")).startswith(wanted)


def test_an_address_of_version_6_is_written_as_in_urls() -> None:
    assert "'[::1]:80'" in explained(aiohttp.ClientError("x"), URL("http://[::1]/x"))
