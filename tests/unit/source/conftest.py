"""A Git server with one repository, and what fetching from it needs."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import anyio
import pytest

from engine.source.author import Executable, commit_files, create_repository
from engine.source.credentials import ANONYMOUS, Credentials
from engine.source.git import Fetched, GitRequest, Tools, fetch
from engine.source.git_refs import Reference
from engine.source.proxies import Proxy
from engine.source.ssh_pool import SshConnections
from engine.source.store import Store
from engine.source.stores import Stores
from engine.source.transport import open_session
from tests.support.git_server import HAS_GIT, serve_git, serve_old_git, serve_real_git
from tests.support.ssh_git import SshGit, repository


@dataclass
class Remote:
    """A repository on a server, and a store to fetch it into."""

    folder: Path
    url: str
    tools: Tools
    stores: Stores
    credentials: Credentials = field(default=ANONYMOUS)

    @property
    def store(self) -> Store:
        return self.stores.of(self.url)

    def commit(self, files: Mapping[str, bytes | Executable | None], branch: str = "main") -> str:
        return commit_files(self.folder, files, "A change", branch, committed_at=1_700_000_000)

    async def fetch(self, request: GitRequest | None = None, **reference: str) -> Fetched:
        wanted = request or GitRequest(self.url)
        wanted = replace(wanted, reference=Reference(**reference), credentials=self.credentials)
        return await fetch(wanted, self.store, self.tools)


@pytest.fixture
async def tools(tmp_path: Path) -> AsyncIterator[Tools]:
    stores = Stores(tmp_path / "submodules")
    async with open_session() as session:
        yield Tools(session, anyio.CapacityLimiter(2), store_of=stores.of)
    stores.close()


real = pytest.mark.skipif(not HAS_GIT, reason="git is not installed")


SERVERS = {
    "ours": serve_git,
    "ours, version 0": serve_old_git,
    "git": serve_real_git,
    "git, version 0": partial(serve_real_git, version=0),
}


@pytest.fixture(
    params=[
        # Git's own server is a process for each request.
        name if name.startswith("ours") else pytest.param(name, marks=(real, pytest.mark.slow))
        for name in SERVERS
    ]
)
async def remote(
    request: pytest.FixtureRequest, tmp_path: Path, tools: Tools
) -> AsyncIterator[Remote]:
    """One repository, on our own server and on Git's, in both versions of the protocol."""
    create_repository(tmp_path / "repositories" / "fleet.git")
    async with SERVERS[request.param](tmp_path / "repositories") as server:
        url = server.repository_url("fleet.git")
        folder = tmp_path / "repositories" / "fleet.git"
        stores = Stores(tmp_path / "stores")
        yield Remote(folder, url, tools, stores)
        stores.close()


@dataclass
class Fetcher:
    """Fetches over ssh into stores of its own."""

    folder: Path
    tools: Tools
    stores: Stores

    async def __call__(
        self, server: SshGit, credentials: Credentials | None = None, **reference: str
    ) -> Fetched:
        wanted = Reference(**reference) if reference else Reference("main")
        return await self.fetch(server.url(), credentials or server.credentials(), wanted)

    async def fetch(
        self,
        url: str,
        credentials: Credentials,
        reference: Reference | None = None,
        proxy: Proxy | None = None,
    ) -> Fetched:
        request = GitRequest(url, reference or Reference("main"), credentials, proxy=proxy)
        return await fetch(request, self.stores.of(url), self.tools)


@pytest.fixture
async def ssh() -> AsyncIterator[SshConnections]:
    async with SshConnections() as connections:
        yield connections


@pytest.fixture
async def fetcher(tmp_path: Path, tools: Tools, ssh: SshConnections) -> AsyncIterator[Fetcher]:
    stores = Stores(tmp_path / "stores")
    yield Fetcher(tmp_path, replace(tools, ssh=ssh), stores)
    stores.close()


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A folder with the repository `fleet.git`, of one commit."""
    commit_files(repository(tmp_path / "served"), {"a.yaml": b"1"}, "First", committed_at=1)
    return tmp_path / "served"
