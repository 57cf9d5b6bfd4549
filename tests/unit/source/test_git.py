"""Fetching over HTTP, from our own server and from Git's."""

import pickle
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from dulwich.objects import Commit, ObjectID, Tag
from dulwich.refs import Ref
from dulwich.repo import Repo

from engine.errors import Failure
from engine.serve.git import git_application
from engine.source.author import Executable, add_tag, commit_files, create_repository, move_branch
from engine.source.credentials import Credentials
from engine.source.failures import (
    AuthenticationFailed,
    EmptyGitRepository,
    GitOperationFailed,
    URLInvalid,
)
from engine.source.git import GitRequest, Tools, fetch
from engine.source.git_pack import Limits
from engine.source.git_refs import Reference
from engine.source.git_tree import GitTree
from engine.source.stores import Stores
from engine.source.tree import Entry, Form
from tests.support.git_server import serve_application, serve_git
from tests.unit.source.conftest import Remote


async def test_a_branch_is_fetched_with_its_revision_and_files(remote: Remote) -> None:
    commit = remote.commit({"apps/web.yaml": b"kind: Service\n", "run.sh": Executable(b"#!\n")})

    found = await remote.fetch(branch="main")

    assert found.revision == f"main@sha1:{commit}"
    assert found.commit.subject == "A change"
    assert found.tree.read("apps/web.yaml") == b"kind: Service\n"
    assert list(found.tree.names("")) == ["apps", "run.sh"]
    assert found.tree.names("")["run.sh"].executable


async def test_a_change_is_seen_and_leaves_untouched_folders_their_ids(remote: Remote) -> None:
    remote.commit({"a/x.yaml": b"1", "b/y.yaml": b"2"})
    before = await remote.fetch(branch="main")
    remote.commit({"a/x.yaml": b"3", "a/z.yaml": b"4"})

    after = await remote.fetch(branch="main")

    assert after.tree.read("a/x.yaml") == b"3"
    assert after.tree.entry("b") == before.tree.entry("b")
    assert after.tree.entry("a") != before.tree.entry("a")
    assert after.tree.id != before.tree.id


async def test_a_commit_that_is_held_is_not_fetched_again(remote: Remote) -> None:
    remote.commit({"a.yaml": b"1"})
    await remote.fetch(branch="main")
    before = remote.store.statistics()

    await remote.fetch(branch="main")

    assert remote.store.statistics().packs == before.packs == 1


async def test_a_force_push_is_followed(remote: Remote) -> None:
    first = remote.commit({"a.yaml": b"1"})
    remote.commit({"a.yaml": b"2"})
    await remote.fetch(branch="main")
    move_branch(remote.folder, "main", first)

    found = await remote.fetch(branch="main")

    assert found.revision == f"main@sha1:{first}"
    assert found.tree.read("a.yaml") == b"1"


async def test_a_branch_that_was_deleted_is_named_with_those_there_are(remote: Remote) -> None:
    remote.commit({"a.yaml": b"1"})
    remote.commit({"a.yaml": b"1"}, branch="old")
    await remote.fetch(branch="old")
    move_branch(remote.folder, "old", None)

    with pytest.raises(GitOperationFailed) as caught:
        await remote.fetch(branch="old")

    assert str(caught.value).endswith(
        'couldn\'t find remote ref "refs/heads/old": check spec.ref (there are refs/heads/main)'
    )
    assert str(caught.value).startswith(
        f"failed to checkout and determine revision: unable to clone '{remote.url}': "
    )


async def test_without_a_reference_master_is_meant(remote: Remote) -> None:
    commit = remote.commit({"a.yaml": b"1"}, branch="master")

    assert (await remote.fetch()).revision == f"master@sha1:{commit}"


@pytest.mark.parametrize("message", ["", "annotated"])
async def test_a_tag_leads_to_its_commit(remote: Remote, message: str) -> None:
    commit = remote.commit({"a.yaml": b"1"})
    add_tag(remote.folder, "v1.2.3", commit, message)
    remote.commit({"a.yaml": b"2"})

    found = await remote.fetch(tag="v1.2.3", branch="main")

    assert found.revision == f"v1.2.3@sha1:{commit}"
    assert found.tree.read("a.yaml") == b"1"


async def test_a_tag_that_moved_is_followed(remote: Remote) -> None:
    add_tag(remote.folder, "stable", remote.commit({"a.yaml": b"1"}), "first")
    await remote.fetch(tag="stable")
    second = remote.commit({"a.yaml": b"2"})
    add_tag(remote.folder, "stable", second, "second")

    assert (await remote.fetch(tag="stable")).revision == f"stable@sha1:{second}"


async def test_a_semver_takes_the_newest_tag_in_its_range(remote: Remote) -> None:
    for tag in ("v1.0.0", "1.9.2", "v1.10.0", "v2.0.0", "v1.11.0-rc.1", "latest"):
        add_tag(remote.folder, tag, remote.commit({"a.yaml": tag.encode()}), "annotated")

    found = await remote.fetch(semver="1.x", tag="")

    assert found.revision.startswith("v1.10.0@sha1:")
    assert found.tree.read("a.yaml") == b"v1.10.0"


async def test_tags_of_the_same_version_are_told_apart_by_the_commits_time(remote: Remote) -> None:
    for tag, when in (("1.0.0+b", 10), ("1.0.0+c", 30), ("1.0.0+a", 20)):
        commit = commit_files(
            remote.folder, {"a.yaml": tag.encode()}, "x", "main", committed_at=when
        )
        add_tag(remote.folder, tag, commit)

    assert (await remote.fetch(semver="1.0.0")).revision.startswith("1.0.0+c@sha1:")


async def test_a_semver_that_matches_nothing_says_so(remote: Remote) -> None:
    add_tag(remote.folder, "v1.0.0", remote.commit({"a.yaml": b"1"}))

    with pytest.raises(GitOperationFailed, match=r"no match found for semver: >=2.0.0"):
        await remote.fetch(semver=">=2.0.0")


async def test_a_name_keeps_the_full_ref_in_the_revision(remote: Remote) -> None:
    commit = remote.commit({"a.yaml": b"1"}, branch="feature")
    remote.commit({"a.yaml": b"2"})

    found = await remote.fetch(name="refs/heads/feature", tag="v1", branch="main")

    assert found.revision == f"refs/heads/feature@sha1:{commit}"


async def test_an_older_commit_is_found_by_its_id(remote: Remote) -> None:
    first = remote.commit({"a.yaml": b"1"})
    remote.commit({"a.yaml": b"2"})

    plain = await remote.fetch(commit=first)
    with_branch = await remote.fetch(commit=first, branch="main")

    assert plain.revision == f"sha1:{first}"
    assert with_branch.revision == f"main@sha1:{first}"
    assert plain.tree.read("a.yaml") == b"1"


async def test_a_commit_that_does_not_exist_is_reported(remote: Remote) -> None:
    remote.commit({"a.yaml": b"1"})

    with pytest.raises(GitOperationFailed, match="unable to resolve commit object for '1111"):
        await remote.fetch(commit="1" * 40)


async def test_an_empty_repository_has_a_reason_of_its_own(remote: Remote) -> None:
    with pytest.raises(EmptyGitRepository, match="git repository is empty"):
        await remote.fetch(branch="main")


async def test_what_is_ignored_is_not_in_the_tree(remote: Remote) -> None:
    remote.commit({"a.yaml": b"1", "b/logo.png": b"2", ".gitignore": b"x", "docs/x.md": b"3"})

    plain = await remote.fetch(branch="main")
    other = await remote.fetch(GitRequest(remote.url, ignore="docs/\n"), branch="main")

    assert list(plain.tree.names("")) == ["a.yaml", "b", "docs"]
    assert plain.tree.names("b") == {}
    assert list(other.tree.names("")) == ["a.yaml", "b"]
    assert list(other.tree.names("b")) == ["logo.png"]


async def test_a_tree_reads_the_same_in_another_process(remote: Remote) -> None:
    remote.commit({"a/b.yaml": b"1"})
    found = await remote.fetch(branch="main")

    copy = pickle.loads(pickle.dumps(found.tree))

    assert isinstance(copy, GitTree)
    assert copy.read("a/b.yaml") == b"1"
    assert copy.id == found.tree.id


@pytest.mark.parametrize("path", ["..", "a/..", "/a", "a//b.yaml", "a/b.yaml/c", "./a", "no"])
async def test_a_path_that_leads_elsewhere_finds_nothing(remote: Remote, path: str) -> None:
    remote.commit({"a/b.yaml": b"1"})
    tree = (await remote.fetch(branch="main")).tree

    assert tree.entry(path) is None
    assert tree.entry("") == Entry(Form.FOLDER, tree.id)


async def test_after_a_restart_held_commits_need_no_fetch(remote: Remote, tmp_path: Path) -> None:
    remote.commit({"a.yaml": b"1"})
    await remote.fetch(branch="main")
    leftover = remote.store.folder / "objects" / "pack" / "tmpabc.pack"
    leftover.write_bytes(b"PACK half written")

    remote.stores = Stores(tmp_path / "stores")
    found = await remote.fetch(branch="main")

    assert found.tree.read("a.yaml") == b"1"
    assert remote.store.statistics().packs == 1
    assert not leftover.exists()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://example.org/a.git", "scheme 'ftp' cannot be fetched"),
        ("https://", "cannot be fetched"),
        ("http://[::1/a", "invalid URL"),
    ],
)
async def test_a_url_that_cannot_be_fetched_is_terminal(
    tmp_path: Path, tools: Tools, url: str, problem: str
) -> None:
    with pytest.raises(URLInvalid) as caught:
        await fetch(GitRequest(url), Stores(tmp_path).of(url), tools)

    assert problem in str(caught.value)
    assert caught.value.terminal


@pytest.fixture
async def guarded(tmp_path: Path, tools: Tools) -> Remote:
    create_repository(tmp_path / "repositories" / "fleet.git")
    url = "http://unset/fleet.git"
    folder = tmp_path / "repositories" / "fleet.git"
    return Remote(folder, url, tools, Stores(tmp_path / "stores"))


@pytest.mark.parametrize(
    "credentials",
    [Credentials("flux", "s3cret"), Credentials(bearer_token="t0ken")],
    ids=["basic", "bearer"],
)
async def test_credentials_open_a_server_that_asks_for_them(
    guarded: Remote, credentials: Credentials
) -> None:
    guarded.commit({"a.yaml": b"1"})
    async with serve_git(guarded.folder.parent, credentials) as server:
        guarded.url = server.repository_url("fleet.git")
        guarded.credentials = credentials

        assert (await guarded.fetch(branch="main")).tree.read("a.yaml") == b"1"


async def test_credentials_in_the_url_are_used_and_never_shown(guarded: Remote) -> None:
    guarded.commit({"a.yaml": b"1"})
    async with serve_git(guarded.folder.parent, Credentials("flux", "s3cret")) as server:
        plain = server.repository_url("fleet.git")
        guarded.url = plain.replace("://", "://flux:s3cret@")

        assert await guarded.fetch(branch="main")
        with pytest.raises(GitOperationFailed) as caught:
            await guarded.fetch(branch="none")

    assert "s3cret" not in str(caught.value)
    assert "://***@127.0.0.1" in str(caught.value)


async def test_wrong_credentials_are_an_authentication_failure(guarded: Remote) -> None:
    async with serve_git(guarded.folder.parent, Credentials("flux", "right")) as server:
        guarded.url = server.repository_url("fleet.git")
        guarded.credentials = Credentials("flux", "wr0ng")

        with pytest.raises(AuthenticationFailed) as caught:
            await guarded.fetch(branch="main")

    address = f"{guarded.url}/info/refs"
    told = f"authentication required (HTTP 401 from '{address}'): check the Secret"
    assert told in str(caught.value)
    assert "wr0ng" not in str(caught.value)


async def test_a_repository_that_is_not_there_is_reported(guarded: Remote) -> None:
    async with serve_git(guarded.folder.parent) as server:
        guarded.url = server.repository_url("other.git")

        with pytest.raises(GitOperationFailed, match=r"repository not found \(HTTP 404 from 'http"):
            await guarded.fetch(branch="main")


@pytest.mark.parametrize("phase", ["info/refs", "git-upload-pack"])
async def test_a_server_that_hangs_is_left_at_the_deadline(guarded: Remote, phase: str) -> None:
    arrived = anyio.Event()

    async def hang(_: web.Request) -> web.Response:
        arrived.set()
        await anyio.sleep_forever()
        raise AssertionError

    async def advertise(_: web.Request) -> web.Response:
        line = f"{'1' * 40} refs/heads/main\0side-band-64k shallow\n"
        return web.Response(body=b"%04x%s0000" % (len(line) + 4, line.encode()))

    application = web.Application()
    first = hang if phase == "info/refs" else advertise
    application.router.add_get("/fleet.git/info/refs", first)
    application.router.add_post("/fleet.git/git-upload-pack", hang)
    async with serve_application(application) as url:
        guarded.url = f"{url}/fleet.git"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_swallow, guarded)
            await arrived.wait()
            tasks.cancel_scope.cancel()

    assert guarded.store.statistics().packs == 0
    assert not list(guarded.store.folder.glob("objects/pack/*"))


async def _swallow(remote: Remote) -> None:
    with pytest.raises(Failure):
        await fetch(
            replace(GitRequest(remote.url), reference=Reference("main")), remote.store, remote.tools
        )


async def test_many_may_fetch_the_same_repository_at_once(remote: Remote) -> None:
    remote.commit({f"d{n}/a.yaml": b"%d" % n for n in range(20)})
    remote.commit({"a.yaml": b"1"}, branch="other")
    trees: list[str] = []

    async def one(branch: str) -> None:
        trees.append((await remote.fetch(branch=branch)).tree.id)

    async with anyio.create_task_group() as tasks:
        for branch in ["main", "other"] * 4:
            tasks.start_soon(one, branch)

    assert len(trees) == 8
    assert len(set(trees)) == 2
    assert len(remote.store.held()) == remote.store.statistics().packs == 2


@pytest.mark.parametrize("remote", ["ours"], indirect=True)
async def test_those_who_ask_in_different_ways_do_not_wait_for_each_other(remote: Remote) -> None:
    remote.commit({f"d{n}/a.yaml": b"%d" % n for n in range(20)})
    trees: list[str] = []

    async def one(entries: int) -> None:
        request = GitRequest(remote.url, limits=Limits(entries=entries))
        trees.append((await remote.fetch(request, branch="main")).tree.id)

    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(one, 1000 + number)

    assert len(set(trees)) == 1
    assert remote.store.statistics().packs == 1


def tag_on(repository: Path, name: str, target: str, kind: type[Commit] | type[Tag]) -> str:
    """The id of a new annotated tag on a commit or on another tag."""
    tag = Tag()
    tag.name, tag.message, tag.tagger = name.encode(), b"A tag", b"Ada <ada@example.org>"
    tag.object = (kind, ObjectID(target.encode()))
    tag.tag_time = tag.tag_timezone = 0
    with Repo(str(repository)) as repo:
        repo.object_store.add_object(tag)
        repo.refs[Ref(f"refs/tags/{name}".encode())] = tag.id
    return tag.id.decode()


async def test_a_tag_on_a_tag_leads_to_the_commit_behind_both(remote: Remote) -> None:
    commit = remote.commit({"a.yaml": b"1"})
    inner = tag_on(remote.folder, "inner", commit, Commit)
    tag_on(remote.folder, "outer", inner, Tag)
    remote.commit({"a.yaml": b"2"})

    found = await remote.fetch(tag="outer")
    by_name = await remote.fetch(name="refs/tags/outer")
    peeled = await remote.fetch(name="refs/tags/outer^{}")

    assert found.revision == f"outer@sha1:{commit}"
    assert by_name.revision == f"refs/tags/outer@sha1:{commit}"
    assert peeled.revision == f"refs/tags/outer^{{}}@sha1:{commit}"
    assert found.tree.read("a.yaml") == b"1"


async def test_a_branch_that_becomes_a_tag_is_found_as_what_it_is(remote: Remote) -> None:
    commit = remote.commit({"a.yaml": b"1"}, branch="release")
    remote.commit({"a.yaml": b"2"})
    await remote.fetch(branch="release")
    move_branch(remote.folder, "release", None)
    add_tag(remote.folder, "release", commit)

    with pytest.raises(GitOperationFailed, match='find remote ref "refs/heads/release"'):
        await remote.fetch(branch="release")
    assert (await remote.fetch(tag="release")).revision == f"release@sha1:{commit}"


async def test_a_history_that_was_rewritten_from_its_root_is_followed(remote: Remote) -> None:
    remote.commit({"a.yaml": b"1", "b.yaml": b"2"})
    await remote.fetch(branch="main")
    move_branch(remote.folder, "main", None)
    fresh = remote.commit({"a.yaml": b"1", "c.yaml": b"3"})

    found = await remote.fetch(branch="main")

    assert found.commit.id == fresh
    assert found.commit.parents == ()
    assert list(found.tree.names("")) == ["a.yaml", "c.yaml"]


async def test_a_repository_that_was_emptied_and_filled_again_is_followed(remote: Remote) -> None:
    remote.commit({"a.yaml": b"1"})
    await remote.fetch(branch="main")
    move_branch(remote.folder, "main", None)
    with pytest.raises(EmptyGitRepository):
        await remote.fetch(branch="main")
    commit = remote.commit({"a.yaml": b"2"})

    assert (await remote.fetch(branch="main")).revision == f"main@sha1:{commit}"


async def test_a_server_is_not_believed_what_a_tag_leads_to(guarded: Remote) -> None:
    good = guarded.commit({"a.yaml": b"good"})
    tag_on(guarded.folder, "v1", good, Commit)
    evil = guarded.commit({"a.yaml": b"evil"})

    @web.middleware
    async def lie(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            response.body = response.body.replace(
                b"peeled:" + good.encode(), b"peeled:" + evil.encode()
            )
        return response

    application = git_application(guarded.folder.parent)
    application.middlewares.append(lie)
    async with serve_application(application) as url:
        guarded.url = f"{url}/fleet.git"
        with pytest.raises(GitOperationFailed) as caught:
            await guarded.fetch(tag="v1")
        await guarded.fetch(branch="main")
        with pytest.raises(GitOperationFailed):  # nor once the commit is here
            await guarded.fetch(tag="v1")

    assert f"says that the tag 'v1' leads to {evil}, but it leads to {good}" in str(caught.value)
