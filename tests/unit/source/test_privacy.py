"""What was fetched with a tenant's login or proxy, no other tenant gets by its URL and commit."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from engine.errors import Failure
from engine.serve.git import git_application
from engine.settings import Settings
from engine.source.author import commit_files, create_repository
from engine.source.credentials import ANONYMOUS, Credentials
from engine.source.depot import Depot, open_depot
from engine.source.failures import AuthenticationFailed, GitError
from engine.source.git import GitRequest
from engine.source.git_refs import Reference
from engine.source.proxies import Proxy
from tests.support.forge import Forge, gitmodules
from tests.support.git_server import serve_application

ADA = Credentials("ada", "s3cret")


@web.middleware
async def private(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Repositories called private are shown to whoever logs in."""
    if request.path.startswith("/private") and "Authorization" not in request.headers:
        return web.Response(status=401)
    return await handler(request)


@pytest.fixture
async def depot(tmp_path: Path) -> AsyncIterator[Depot]:
    async with open_depot(tmp_path / "storage", Settings()) as depot:
        yield depot


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[Forge]:
    forge = Forge(tmp_path / "served")
    forge.folder.mkdir()
    application = git_application(forge.folder)
    application.middlewares.append(private)
    async with serve_application(application) as forge.url:
        yield forge


async def adas_commit(forge: Forge, depot: Depot) -> str:
    """The id of a commit that tenant a has fetched with a login."""
    commit = forge.commit("private", {"key.yaml": b"canary"})
    url = forge.address("private")
    await depot.fetch(GitRequest(url, Reference("main"), ADA, tenant="a"))
    return commit


async def test_a_base_that_is_private_is_not_read_from_what_a_tenant_has_fetched(
    forge: Forge, depot: Depot
) -> None:
    commit = await adas_commit(forge, depot)

    with pytest.raises(GitError, match="bases are fetched without credentials"):
        await depot.bases.repository(forge.address("private"), commit)


async def test_a_submodule_that_is_private_is_not_read_from_what_another_tenant_has_fetched(
    forge: Forge, depot: Depot
) -> None:
    commit = await adas_commit(forge, depot)
    forge.commit("mine", gitmodules({"lib": forge.address("private")}), {"lib": commit})
    url = forge.address("mine")
    request = GitRequest(url, Reference("main"), recurse_submodules=True, tenant="b")

    with pytest.raises(Failure, match="submodule 'lib'"):
        await depot.fetch(request)

    # A login that the host takes, but which stands for another tenant.
    with_login = replace(request, credentials=ADA)
    assert (await depot.fetch(with_login)).tree.read("lib/key.yaml") == b"canary"


async def test_a_login_in_a_url_is_needed_again_by_who_has_none(forge: Forge, depot: Depot) -> None:
    commit = forge.commit("private", {"key.yaml": b"canary"})
    url = forge.address("private")
    await depot.bases.repository(url.replace("://", "://ada:s3cret@"), commit)

    with pytest.raises(GitError):
        await depot.bases.repository(url, commit)


async def test_a_proxy_that_lies_gets_nothing_of_another_tenants(
    forge: Forge, depot: Depot, tmp_path: Path
) -> None:
    """It names a commit of another tenant's as the branch's: its objects are not taken as here."""
    commit = await adas_commit(forge, depot)
    create_repository(tmp_path / "lies" / "private")
    commit_files(tmp_path / "lies" / "private", {"mine.yaml": b"1"}, "mine")
    lies = git_application(tmp_path / "lies")

    async with serve_application(lies) as proxy:
        request = GitRequest(
            forge.address("private"), Reference(commit=commit), proxy=Proxy(proxy), tenant="b"
        )
        with pytest.raises(Failure) as caught:
            await depot.fetch(request)

    assert not isinstance(caught.value, AuthenticationFailed)  # the lie was believed so far


async def test_what_needs_no_login_is_kept_once_for_all(forge: Forge, depot: Depot) -> None:
    forge.commit("open", {"a.yaml": b"1"})
    request = GitRequest(forge.address("open"), Reference("main"), ANONYMOUS)

    trees = [(await depot.fetch(replace(request, tenant=each))).tree for each in ("a", "b")]

    assert trees[0].store is trees[1].store
