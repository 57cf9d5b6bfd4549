from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from anyio import to_thread
from dulwich.repo import Repo

from engine.serve.git import git_application
from engine.source.author import commit_files, create_repository
from engine.source.bases import MAX_FILE_BYTES, Bases
from engine.source.failures import FileError, GitError
from engine.source.git import Tools
from engine.source.git_pack import Limits
from engine.source.store import Store
from engine.source.stores import Stores
from engine.source.transport import open_session
from tests.support.forge import forges, gitmodules
from tests.support.git_server import serve_application
from tests.support.processes import until


@dataclass
class Forge:
    """A Git server that notes what it is asked, and answers once its gate is open."""

    folder: Path
    bases: Bases
    url: str = ""
    asked: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    gate: anyio.Event | None = None

    @property
    def repository(self) -> str:
        return f"{self.url}/base"

    def commit(self, files: Mapping[str, str | None], branch: str = "main") -> str:
        content = {name: None if text is None else text.encode() for name, text in files.items()}
        return commit_files(self.folder / "base", content, "change", branch)

    @web.middleware
    async def note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.asked.append(request.path.removeprefix("/"))
        self.headers.append(request.headers)
        if self.gate is not None:
            await self.gate.wait()
        return await handler(request)


@asynccontextmanager
async def forge_at(
    folder: Path, application: web.Application | None = None
) -> AsyncIterator[Forge]:
    create_repository(folder / "served" / "base")
    stores = Stores(folder / "stores")
    async with open_session() as session:
        tools = Tools(session, anyio.CapacityLimiter(2))

        async def store_of(url: str) -> Store:
            return await to_thread.run_sync(stores.of, url)

        forge = Forge(folder / "served", Bases(store_of, tools, Limits(pack_bytes=100_000)))
        served = git_application(forge.folder) if application is None else application
        served.middlewares.append(forge.note)
        async with serve_application(served) as forge.url:
            yield forge
    stores.close()


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[Forge]:
    async with forge_at(tmp_path) as forge:
        forge.commit({"app/x.yaml": "one", "logo.png": "png", ".sourceignore": "app\n"})
        yield forge


async def test_a_base_has_all_files_of_its_repository_whatever_is_ignored_elsewhere(
    forge: Forge,
) -> None:
    tree = await forge.bases.repository(forge.repository, "")

    assert list(tree.names("")) == [".sourceignore", "app", "logo.png"]
    assert tree.read("app/x.yaml") == b"one"


async def test_a_ref_is_a_branch_a_tag_a_full_name_or_a_commit(forge: Forge) -> None:
    old = forge.commit({"app/x.yaml": "old"})
    with Repo(str(forge.folder / "base")) as repo:
        repo.refs[b"refs/tags/v1"] = old.encode()  # type: ignore[index, assignment]  # dulwich's NewTypes
        repo.refs[b"refs/tags/both"] = old.encode()  # type: ignore[index, assignment]  # as above
    forge.commit({"app/x.yaml": "new"})
    forge.commit({"app/x.yaml": "side"}, "feature/side")
    forge.commit({"app/x.yaml": "branch"}, "both")

    found = {}
    for ref in (
        "",
        "HEAD",
        "main",
        "v1",
        "feature/side",
        "refs/heads/main",
        "both",
        old,
        old.upper(),
    ):
        tree = await forge.bases.repository(forge.repository, ref)
        found[ref] = tree.read("app/x.yaml").decode()

    assert found == {
        **dict.fromkeys(("", "HEAD", "main", "refs/heads/main"), "new"),
        **dict.fromkeys(("v1", "both", old, old.upper()), "old"),
        "feature/side": "side",
    }


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("nowhere", 'couldn\'t find remote ref "nowhere": no tag and no branch is called so'),
        ("0123abc", "a commit is named by all of its 40 digits"),
    ],
)
async def test_a_ref_that_is_not_there_is_named(forge: Forge, ref: str, said: str) -> None:
    with pytest.raises(GitError, match=said):
        await forge.bases.repository(forge.repository, ref)


async def test_a_commit_that_is_here_is_not_looked_up_and_a_branch_is(forge: Forge) -> None:
    commit = forge.commit({"app/x.yaml": "two"})
    await forge.bases.repository(forge.repository, "main")
    forge.asked.clear()

    await forge.bases.repository(forge.repository, commit)
    assert forge.asked == []
    await forge.bases.repository(forge.repository, "main")
    assert forge.asked == ["base/info/refs", "base/git-upload-pack"]  # no pack: nothing is new


async def test_who_asks_while_another_one_fetches_waits_and_looks_himself_once_for_all(
    forge: Forge,
) -> None:
    forge.gate = anyio.Event()
    found: list[bytes] = []

    async def ask() -> None:
        found.append((await forge.bases.repository(forge.repository, "main")).read("app/x.yaml"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await until(lambda: forge.asked)
        for _ in range(5):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        forge.commit({"app/x.yaml": "pushed meanwhile"})
        forge.gate.set()

    assert found[1:] == [b"pushed meanwhile"] * 5
    assert forge.asked.count("base/info/refs") == 2
    assert repr(forge.bases) == "<Bases fetching=0>"


async def test_who_waits_for_one_that_gives_up_fetches_himself(forge: Forge) -> None:
    forge.gate = anyio.Event()
    found: list[bytes] = []

    async def ask() -> None:
        found.append((await forge.bases.repository(forge.repository, "main")).read("app/x.yaml"))

    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as first:
            async with anyio.create_task_group() as inner:
                inner.start_soon(ask)
                await until(lambda: forge.asked)
                tasks.start_soon(ask)
                await anyio.wait_all_tasks_blocked()
                first.cancel()
        forge.gate.set()

    assert found == [b"one"]


async def test_a_host_that_nobody_reaches_is_asked_once_for_all_who_wait(forge: Forge) -> None:
    problems: list[str] = []

    async def ask() -> None:
        try:
            await forge.bases.repository(f"{forge.url}/nowhere", "main")
        except GitError as error:
            problems.append(error.problem)

    forge.gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await until(lambda: forge.asked)
        for _ in range(5):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        forge.gate.set()

    assert len(problems) == 6
    assert forge.asked == ["nowhere/info/refs"] * 2


async def test_a_repository_that_is_too_large_is_refused(forge: Forge) -> None:
    forge.commit({"big": Random(1).randbytes(150_000).hex()})

    with pytest.raises(GitError, match="more than the 100000 bytes allowed"):
        await forge.bases.repository(forge.repository, "main")


def files(**content: str) -> web.Application:
    """A web server that gives files, refuses, redirects, or asks for a login."""
    application = web.Application()

    async def give(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name == "private":
            raise web.HTTPUnauthorized
        if name == "moved":
            raise web.HTTPFound(request.query["to"])
        if name == "large":
            return web.Response(body=b"#" * (MAX_FILE_BYTES + 1))
        if name not in content:
            raise web.HTTPNotFound
        return web.Response(text=content[name] + request.query_string)

    application.router.add_get("/{name}", give)
    application.router.add_get("/{name}/info/refs", give)
    return application


async def test_a_file_is_what_the_server_gives_for_its_url_and_query(tmp_path: Path) -> None:
    async with forge_at(tmp_path, files(map="kind: Map ")) as forge:
        assert await forge.bases.file(f"{forge.url}/map?ref=v1") == b"kind: Map ref=v1"
        moved = f"{forge.url}/moved?to=/map"
        assert await forge.bases.file(moved) == b"kind: Map "
        with pytest.raises(FileError, match=r"HTTP 404 from 'http://127.0.0.1:\d+/other'"):
            await forge.bases.file(f"{forge.url}/other")
        with pytest.raises(GitError, match="more than the"):
            await forge.bases.file(f"{forge.url}/large")


async def test_a_login_in_a_url_goes_to_its_own_host_only(tmp_path: Path) -> None:
    async with (
        forge_at(tmp_path / "a", files(map="kind: Map")) as other,
        forge_at(tmp_path / "b", files()) as forge,
    ):
        url = forge.url.replace("://", "://user:s3cr3tpass@")

        await forge.bases.file(f"{url}/moved?to={other.url}/map")

        assert "Authorization" in forge.headers[0]
        assert "Authorization" not in other.headers[0]


async def test_a_base_that_wants_a_login_is_told_so_without_speaking_of_a_secret(
    tmp_path: Path,
) -> None:
    async with forge_at(tmp_path, files()) as forge:
        with pytest.raises(GitError, match="fetched without credentials") as caught:
            await forge.bases.repository(f"{forge.url}/private", "")

    assert "spec.secretRef" not in caught.value.problem


async def test_a_base_has_its_submodules_unless_the_url_says_no(tmp_path: Path) -> None:
    async with forges(tmp_path / "forges") as (other,), open_session() as session:
        lib = other.commit("lib", {"lib.yaml": b"lib"})
        other.commit("base", {"x.yaml": b"one"} | gitmodules({"in/lib": "../lib"}), {"in/lib": lib})
        stores = Stores(tmp_path / "stores")

        async def store_of(url: str) -> Store:
            return await to_thread.run_sync(stores.of, url)

        tools = Tools(session, anyio.CapacityLimiter(2), store_of=stores.of)
        bases = Bases(store_of, tools, Limits())
        whole = await bases.repository(other.address("base"), "")
        plain = await bases.repository(other.address("base"), "", submodules=False)
        stores.close()

        assert whole.read("in/lib/lib.yaml") == b"lib"
        assert plain.entry("in/lib") is None
