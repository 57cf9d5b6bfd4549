"""Where tenants may not name this machine, its link and the API server: nothing is asked there."""

import socket
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import TCPConnector
from yarl import URL

from engine.cluster.connect import InvalidKubeconfig
from engine.cluster.endpoint import Endpoint
from engine.cluster.transport import NotSent, Request, Transport
from engine.reconcile.remote_client import judged
from engine.runtime import SystemClock
from engine.serve.git import git_application
from engine.settings import Settings
from engine.source.addresses import ForbiddenAddress, Guarded, guarded_by
from engine.source.bases import Bases
from engine.source.credentials import ANONYMOUS, Credentials
from engine.source.depot import open_depot
from engine.source.failures import GitError, GitOperationFailed
from engine.source.git import Tools
from engine.source.git_pack import Limits
from engine.source.guard import Guard
from engine.source.proxies import Proxy
from engine.source.transport import open_session
from tests.support.gateways import http_gateway, socks_gateway
from tests.support.git_server import serve_application
from tests.support.ssh_git import HOST, known_hosts, serve_asyncssh
from tests.unit.source.conftest import Fetcher
from tests.unit.source.test_transport import redirecting

NAME = "git.invalid"
GATEWAYS = {"http": http_gateway, "socks5": socks_gateway}
WORDS = "is loopback, link-local or multicast: a tenant's object, file or Secret may not lead"
PLACES = {
    "metadata": "http://169.254.169.254/latest/meta-data",
    "loopback": "https://127.0.0.1:9440/x",
    "of IPv6": "http://[::1]:9440/x",
    "mapped": "http://[::ffff:169.254.169.254]/x",
    "by name": "http://localhost:9440/x",
    "as a name elsewhere": f"http://{NAME}/x",
    "ssh": "ssh://git@127.0.0.1/x",
    "ssh to a name": f"ssh://git@{NAME}/x",
    "ssh to a number": "ssh://git@2130706433/x",
}


class Names(AbstractResolver):
    """Knows one name, which leads to this machine; all else is asked of the system."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        address = self._address if host == NAME else socket.gethostbyname(host)
        found = {"hostname": host, "host": address, "port": port, "family": socket.AF_INET}
        return [ResolveResult(**found, proto=0, flags=0)]  # type: ignore[typeddict-item]

    async def close(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def guarding(tools: Tools, *allowed: str) -> AsyncIterator[Tools]:
    """The tools with a guard; allowed: places that may be named all the same."""
    names = Guarded(Names, allowed=allowed)
    async with open_session(TCPConnector(resolver=names)) as session:
        yield replace(tools, guard=Guard(session, names))


@pytest.fixture
async def guarded(fetcher: Fetcher) -> AsyncIterator[Fetcher]:
    async with guarding(fetcher.tools) as tools:
        yield replace(fetcher, tools=tools)


def place_of(url: str) -> str:
    return f"{URL(url).host}:{URL(url).port}"


@pytest.mark.parametrize("url", PLACES.values(), ids=PLACES)
async def test_cve_2026_44936_a_repository_at_a_local_address_is_refused(
    url: str, guarded: Fetcher
) -> None:
    login = Credentials(identity=HOST.export_private_key(), known_hosts=known_hosts(HOST, "*"))

    with pytest.raises(GitOperationFailed, match=WORDS):
        await guarded.fetch(url, login if url.startswith("ssh") else ANONYMOUS)


async def test_a_repository_at_a_local_address_is_fetched_where_nothing_was_asked_for(
    served: Path, fetcher: Fetcher
) -> None:
    async with serve_application(git_application(served)) as url:
        found = await fetcher.fetch(f"{url}/fleet.git", ANONYMOUS)

    assert found.tree.read("a.yaml") == b"1"
    assert guarded_by(Settings()) is None


async def test_a_place_that_the_operator_allows_is_fetched_from(
    served: Path, fetcher: Fetcher
) -> None:
    async with (
        serve_application(git_application(served)) as url,
        guarding(fetcher.tools, place_of(url)) as tools,
    ):
        found = await replace(fetcher, tools=tools).fetch(f"{url}/fleet.git", ANONYMOUS)

    assert found.tree.read("a.yaml") == b"1"


async def test_a_server_over_ssh_that_the_operator_allows_is_fetched_from(
    served: Path, fetcher: Fetcher
) -> None:
    async with serve_asyncssh(served) as server, guarding(fetcher.tools, "127.0.0.1") as tools:
        found = await replace(fetcher, tools=tools).fetch(server.url(), server.credentials())

    assert found.tree.read("a.yaml") == b"1"


async def test_a_redirect_to_a_local_address_is_not_followed(
    served: Path, fetcher: Fetcher
) -> None:
    async with (
        serve_application(git_application(served)) as inner,
        serve_application(redirecting(inner)) as url,
        guarding(fetcher.tools, place_of(url)) as tools,
    ):
        with pytest.raises(GitOperationFailed, match=f"'127.0.0.1' {WORDS}"):
            await replace(fetcher, tools=tools).fetch(f"{url}/fleet.git", ANONYMOUS)


@pytest.mark.parametrize("kind", GATEWAYS)
@pytest.mark.parametrize("host", ["127.0.0.1", NAME])
@pytest.mark.parametrize("url", ["http://git.example/fleet.git", "ssh://git@git.example/fleet.git"])
async def test_a_tenants_proxy_at_a_local_address_is_not_asked(
    kind: str, host: str, url: str, guarded: Fetcher
) -> None:
    login = Credentials(identity=HOST.export_private_key(), known_hosts=known_hosts(HOST, "*"))
    async with GATEWAYS[kind]({}) as way:
        proxy = Proxy(way.address.replace("127.0.0.1", host))
        with pytest.raises(GitOperationFailed, match=WORDS):
            await guarded.fetch(url, login if url.startswith("ssh") else ANONYMOUS, proxy=proxy)

    assert way.asked == []


@pytest.mark.parametrize("kind", GATEWAYS)
async def test_the_operators_proxy_may_be_beside_the_engine(
    kind: str, served: Path, guarded: Fetcher
) -> None:
    names: dict[str, int] = {}
    async with serve_application(git_application(served)) as url, GATEWAYS[kind](names) as way:
        names[NAME] = URL(url).port or 0
        tools = replace(guarded.tools, environment={"HTTP_PROXY": way.address})
        through = replace(guarded, tools=tools)
        found = await through.fetch(f"http://{NAME}/fleet.git", ANONYMOUS)
        with pytest.raises(GitOperationFailed, match=WORDS):
            await through.fetch("http://169.254.169.254/x", ANONYMOUS)

    assert found.tree.read("a.yaml") == b"1"


async def test_a_base_at_a_local_address_is_refused(guarded: Fetcher) -> None:
    async def none(_: str) -> object:
        raise AssertionError("no repository is asked for here")

    bases = Bases(none, guarded.tools, Limits())  # type: ignore[arg-type]
    with pytest.raises(GitError, match=WORDS):
        await bases.file("http://169.254.169.254/latest/user-data")


async def test_the_setting_puts_a_guard_before_all_that_is_fetched(tmp_path: Path) -> None:
    names = guarded_by(Settings(no_local_addresses=True), "https://api.example")
    async with open_depot(tmp_path, Settings(), names) as depot:
        with pytest.raises(GitError, match=WORDS):
            await depot.bases.repository("http://127.0.0.1:9/x", "main")


@pytest.mark.parametrize("name", ["api.example", "API.example.", NAME])
async def test_the_engines_own_api_server_is_no_git_server(name: str) -> None:
    of_api = "api.example" if name != NAME else "10.96.0.1"
    names = guarded_by(Settings(tenancy="strict").effective, f"https://{of_api}:6443")
    assert names is not None
    names._resolver = Names("10.96.0.1")

    async def reached(port: int) -> None:
        names.check(name, port)
        await names.resolve(NAME, port)

    with pytest.raises(ForbiddenAddress, match="is the API server"):
        await reached(6443)
    await reached(443)


CLUSTERS = {
    "server": Endpoint("https://127.0.0.1:6443"),
    "proxy": Endpoint("https://api.example", proxy="http://169.254.169.254:80"),
}


@pytest.mark.parametrize("endpoint", CLUSTERS.values(), ids=CLUSTERS)
def test_a_cluster_at_a_local_address_is_refused(endpoint: Endpoint) -> None:
    names = Guarded(Names)

    with pytest.raises(InvalidKubeconfig, match=f"cluster 'apps/remote': .*{WORDS}"):
        judged(endpoint, "apps/remote", names, {})


async def test_a_cluster_whose_name_leads_to_a_local_address_is_not_asked() -> None:
    endpoint = judged(Endpoint(f"http://{NAME}:9"), "apps/remote", Guarded(Names), {})
    async with aclosing(_Closing(Transport(endpoint, SystemClock(), "test"))) as opened:
        with pytest.raises(NotSent, match=WORDS):
            await opened.transport.send(Request("get", "GET", "/version"), {})


async def test_other_clusters_may_be_reached_by_the_operators_proxy_beside_the_engine() -> None:
    proxy = "http://127.0.0.1:3128"
    endpoint = Endpoint("https://api.example", proxy=proxy)

    assert judged(endpoint, "apps/remote", Guarded(Names), {"HTTPS_PROXY": proxy}) == endpoint


class _Closing:
    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.aclose = partial(transport.close)
