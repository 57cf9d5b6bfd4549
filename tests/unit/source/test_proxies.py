"""Proxies: chosen by the object or by the pod, for the web and for ssh; each is really asked."""

import base64
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from engine.serve.git import git_application
from engine.source.credentials import ANONYMOUS, Credentials
from engine.source.failures import AuthenticationFailed, GitError, GitOperationFailed
from engine.source.proxies import Proxy, Routes
from tests.support.gateways import Gateway, http_gateway, socks_gateway
from tests.support.git_server import serve_application
from tests.support.ssh_git import HOST, SshGit, known_hosts, serve_asyncssh
from tests.unit.source.conftest import Fetcher
from tests.unit.source.test_tls import certificate, server_context

__all__ = ["certificate"]
NAME = "git.invalid"
GATEWAYS = {"http": http_gateway, "socks5": socks_gateway}


def gateway(
    kind: str, names: dict[str, int], **options: Any
) -> AbstractAsyncContextManager[Gateway]:
    return GATEWAYS[kind](names, **options)


@pytest.fixture
async def web(served: Path) -> AsyncIterator[int]:
    """The port of a Git server."""
    async with serve_application(git_application(served)) as url:
        yield URL(url).port or 0


@pytest.fixture
async def ssh_server(served: Path) -> AsyncIterator[SshGit]:
    async with serve_asyncssh(served) as server:
        yield server


def ssh_url(server: SshGit) -> str:
    return server.url().replace(f"127.0.0.1:{server.port}", NAME)


def ssh_login(server: SshGit) -> Credentials:
    return server.credentials(known=known_hosts(HOST, NAME))


@pytest.mark.parametrize("kind", GATEWAYS)
async def test_the_web_is_reached_through_a_proxy_that_knows_us(
    kind: str, web: int, fetcher: Fetcher
) -> None:
    async with gateway(kind, {NAME: web}, login="me:s3cret") as way:
        proxy = Proxy(way.address, "me", "s3cret")
        found = await fetcher.fetch(f"http://{NAME}/fleet.git", ANONYMOUS, proxy=proxy)

    assert found.tree.read("a.yaml") == b"1"
    assert {each.split("?")[0] for each in way.asked} == (
        {f"GET http://{NAME}/fleet.git/info/refs", f"POST http://{NAME}/fleet.git/git-upload-pack"}
        if kind == "http"
        else {f"CONNECT {NAME}:80"}
    )
    assert set(way.logins) == {"me:s3cret"}


@pytest.mark.parametrize("kind", GATEWAYS)
async def test_tls_goes_through_a_tunnel_and_is_ended_by_the_server(
    kind: str, served: Path, fetcher: Fetcher, certificate: Path
) -> None:
    context = server_context(certificate)
    login = Credentials("git", "s3cret", ca=(certificate / "crt").read_bytes())
    async with (
        serve_application(git_application(served), context) as url,
        gateway(kind, {"127.0.0.1": 0}, login="me:pw") as way,
    ):
        proxy = Proxy(way.address, "me", "pw")
        found = await fetcher.fetch(f"{url}/fleet.git", login, proxy=proxy)

    assert found.tree.read("a.yaml") == b"1"
    assert set(way.asked) == {f"CONNECT {url.removeprefix('https://')}"}
    assert set(way.logins) == {"me:pw"}


@pytest.mark.parametrize("kind", GATEWAYS)
async def test_ssh_goes_through_a_proxy(kind: str, ssh_server: SshGit, fetcher: Fetcher) -> None:
    async with gateway(kind, {NAME: ssh_server.port}, login="me:s3cret") as way:
        proxy = Proxy(way.address, "me", "s3cret")
        found = await fetcher.fetch(ssh_url(ssh_server), ssh_login(ssh_server), proxy=proxy)

    assert found.tree.read("a.yaml") == b"1"
    assert way.asked == [f"CONNECT {NAME}:22"]
    assert way.logins == ["me:s3cret"]


async def test_ssh_goes_through_a_proxy_that_speaks_tls(
    ssh_server: SshGit, fetcher: Fetcher, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "crt"))
    async with http_gateway({NAME: ssh_server.port}, server_context(certificate)) as way:
        found = await fetcher.fetch(
            ssh_url(ssh_server), ssh_login(ssh_server), proxy=Proxy(way.address)
        )

    assert found.tree.read("a.yaml") == b"1"
    assert way.asked == [f"CONNECT {NAME}:22"]


async def test_the_first_words_of_a_server_may_come_with_the_proxys_answer(
    ssh_server: SshGit, fetcher: Fetcher
) -> None:
    async with http_gateway({NAME: ssh_server.port}, is_eager=True) as way:
        found = await fetcher.fetch(
            ssh_url(ssh_server), ssh_login(ssh_server), proxy=Proxy(way.address)
        )

    assert found.tree.read("a.yaml") == b"1"


async def told(fetcher: Fetcher, url: str, proxy: Proxy) -> str:
    login = SshGit(Path("/x"), HOST).credentials(known=known_hosts(HOST, NAME))
    with pytest.raises(GitOperationFailed) as caught:
        await fetcher.fetch(url, login if url.startswith("ssh") else ANONYMOUS, proxy=proxy)
    assert "s3cret" not in str(caught.value)
    return str(caught.value).partition(f"'{url}': ")[2].replace(f":{proxy.url.port}'", ":PORT'")


URLS = {"ssh": f"ssh://git@{NAME}/x", "http": f"http://{NAME}/x", "https": f"https://{NAME}/x"}
PORTS = {"ssh": 22, "http": 80, "https": 443}


@pytest.mark.parametrize("kind", GATEWAYS)
@pytest.mark.parametrize("scheme", URLS)
async def test_a_login_that_a_proxy_does_not_take(kind: str, scheme: str, fetcher: Fetcher) -> None:
    async with gateway(kind, {NAME: 1}, login="me:other") as way:
        for proxy in (Proxy(way.address, "me", "s3cret"), Proxy(way.address)):
            text = await told(fetcher, URLS[scheme], proxy)

            assert "check the Secret of spec.proxySecretRef" in text
            assert (scheme, kind) == ("http", "http") or "'127.0.0.1:PORT'" in text


@pytest.mark.parametrize("scheme", ["ssh", "http"])
@pytest.mark.parametrize("kind", GATEWAYS)
async def test_a_proxy_that_is_not_there(kind: str, scheme: str, fetcher: Fetcher) -> None:
    text = await told(fetcher, URLS[scheme], Proxy(f"{kind}://127.0.0.1:1"))

    assert text == (
        "cannot reach the proxy '127.0.0.1:PORT': connection refused: nothing listens there, or a "
        "firewall rejects it"
    )


@pytest.mark.parametrize("scheme", ["ssh", "http"])
@pytest.mark.parametrize("kind", GATEWAYS)
async def test_a_proxy_whose_name_is_nobodys(kind: str, scheme: str, fetcher: Fetcher) -> None:
    text = await told(fetcher, URLS[scheme], Proxy(f"{kind}://proxy.invalid:1080"))

    assert text.startswith("cannot reach the proxy 'proxy.invalid:PORT': the name 'proxy.invalid' ")


@pytest.mark.parametrize("scheme", ["ssh", "http"])
async def test_a_socks_proxy_that_does_not_know_the_host(scheme: str, fetcher: Fetcher) -> None:
    async with socks_gateway({}) as way:
        text = await told(fetcher, URLS[scheme], Proxy(way.address))

    assert text == (
        f"cannot reach '{NAME}:{PORTS[scheme]}' through the proxy '127.0.0.1:PORT': it cannot "
        "reach the host, or not look its name up: check the spelling"
    )


@pytest.mark.parametrize("scheme", ["ssh", "https"])
async def test_an_http_proxy_that_does_not_know_the_host(scheme: str, fetcher: Fetcher) -> None:
    async with http_gateway({}) as way:
        text = await told(fetcher, URLS[scheme], Proxy(way.address))

    assert text == (
        f"the proxy '127.0.0.1:PORT' refuses to connect (HTTP 502), asked for "
        f"'{NAME}:{PORTS[scheme]}'"
    )


@pytest.mark.parametrize("scheme", ["ssh", "http"])
async def test_what_is_no_proxy_of_the_kind_that_is_said(
    scheme: str, web: int, fetcher: Fetcher
) -> None:
    text = await told(fetcher, URLS[scheme], Proxy(f"socks5://127.0.0.1:{web}"))

    assert "through the proxy '127.0.0.1:PORT': " in text
    assert "is it a proxy of the kind that its address says?" in text


async def test_ssh_through_what_is_no_http_proxy(ssh_server: SshGit, fetcher: Fetcher) -> None:
    text = await told(fetcher, URLS["ssh"], Proxy(f"http://127.0.0.1:{ssh_server.port}"))

    assert "the proxy '127.0.0.1:PORT'" in text


async def test_the_pods_proxy_is_used_where_none_is_chosen(
    web: int, ssh_server: SshGit, fetcher: Fetcher
) -> None:
    async with http_gateway({NAME: web}) as way, socks_gateway({NAME: ssh_server.port}) as socks:
        environment = {
            "http_proxy": way.address.replace("://", "://me:pw@"),
            "ALL_PROXY": socks.address,
            "NO_PROXY": "10.0.0.0/8,.svc",
        }
        fetcher.tools = replace(fetcher.tools, environment=environment)
        await fetcher.fetch(f"http://{NAME}/fleet.git", ANONYMOUS)
        await fetcher.fetch(ssh_url(ssh_server), ssh_login(ssh_server))

    assert set(way.logins) == {"me:pw"}
    assert socks.asked == [f"CONNECT {NAME}:22"]


ENVIRONMENT = {
    "HTTP_PROXY": "http://web:3128",
    "https_proxy": "web:3129",
    "ALL_PROXY": "socks5://all:1080",
    "NO_PROXY": "internal.example.com, 10.0.0.0/8,192.0.2.7",
}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://git.example.com/x", "http://web:3128"),
        ("https://git.example.com/x", "http://web:3129"),
        ("ssh://git@git.example.com/x", "socks5://all:1080"),
        ("https://internal.example.com/x", None),
        ("https://git.internal.example.com/x", None),
        ("ssh://git@git.internal.example.com/x", None),
        ("https://10.1.2.3/x", None),
        ("https://192.0.2.7/x", None),
        ("https://192.0.2.8/x", "http://web:3129"),
        ("http://localhost:3000/x", None),
        ("http://[::1]/x", None),
    ],
)
def test_the_pods_variables_are_read_as_by_go(url: str, address: str | None) -> None:
    found = Routes(environment=ENVIRONMENT).to(URL(url))

    assert (found.address if found else None) == address


def test_the_objects_own_proxy_goes_first() -> None:
    own = Proxy("http://own:8080")

    assert Routes(own, ENVIRONMENT).to(URL("https://10.1.2.3/x")) == own


def test_a_variable_that_is_no_proxy_is_named() -> None:
    with pytest.raises(GitError, match=r"proxy for 'h:443' that is none: HTTP_PROXY, HTTPS_PROXY"):
        Routes(environment={"HTTPS_PROXY": "ftp://x"}).to(URL("https://h/x"))


def test_a_secret_gives_what_flux_reads_from_it() -> None:
    data = {"address": b"http://proxy.example.com:3128", "username": b"me", "password": b"s3cret"}

    found = Proxy.from_secret(data, "apps/proxy")

    assert found == Proxy("http://proxy.example.com:3128", "me", "s3cret")
    assert "s3cret" not in repr(found)
    assert found.url_with_login == "http://me:s3cret@proxy.example.com:3128"
    assert found.secrets == (base64.b64encode(b"me:s3cret").decode(), "s3cret")


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        (b"https://p.example.com", Proxy("https://p.example.com")),
        (b"socks5://me:a%40b@p.example.com", Proxy("socks5://p.example.com:1080", "me", "a@b")),
        (b"http://[2001:db8::1]:3128\n", Proxy("http://[2001:db8::1]:3128")),
    ],
)
def test_an_address_may_hold_a_login(address: bytes, wanted: Proxy) -> None:
    assert Proxy.from_secret({"address": address}, "apps/proxy") == wanted


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({}, "secret 'apps/proxy': key 'address' not found"),
        ({"address": b""}, "the proxy's address is none"),
        ({"address": b"s3cret"}, "the proxy's address is none"),
        ({"address": b"ftp://s3cret:1"}, "it must read http://, https:// or socks5://"),
        ({"address": b"http://s3cret:port"}, "the proxy's address is none"),
        ({"address": b"http://h:1", "username": b"\xff"}, "a value is not UTF-8 text"),
        ({"address": b"socks5://h:1", "username": b"s3cret" * 50}, "of at most 255 bytes"),
        ({"address": b"socks5://u:" + b"s3cret" * 50 + b"@h:1"}, "of at most 255 bytes"),
    ],
)
def test_a_secret_that_names_no_proxy_is_described(data: dict[str, bytes], problem: str) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        Proxy.from_secret(data, "apps/proxy")

    assert str(caught.value).startswith("failed to configure proxy options: secret 'apps/proxy'")
    assert problem in str(caught.value)
    assert "s3cret" not in str(caught.value)
