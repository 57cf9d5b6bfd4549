"""Repositories inside of repositories."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from dulwich.objects import Blob

from engine.errors import Failure
from engine.source.credentials import ANONYMOUS, Credentials
from engine.source.failures import GitError, GitOperationFailed
from engine.source.git import Fetched, GitRequest, Tools, fetch
from engine.source.git_entry import Child, tree_object
from engine.source.git_pack import Limits
from engine.source.git_refs import Reference
from engine.source.store import Store
from engine.source.stores import Stores
from engine.source.submodules import (
    Budget,
    Submodule,
    absolute,
    credentials_for,
    fetched_all,
    links_of,
    parse_gitmodules,
    submodules_of,
)
from tests.support.forge import Forge, forges, gitmodules
from tests.unit.source.test_include import files_of

ADA = Credentials("ada", "s3cret", ca=b"")


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[list[Forge]]:
    async with forges(tmp_path, 2) as found:
        yield found


@pytest.fixture
def forge(two: list[Forge]) -> Forge:
    return two[0]


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path / "stores")


async def fetched(
    forge: Forge, tools: Tools, stores: Stores, *, login: Credentials = ANONYMOUS, **asked: object
) -> Fetched:
    url = forge.address("fleet")
    request = GitRequest(url, Reference("main"), login, recurse_submodules=True, **asked)  # type: ignore[arg-type]  # what a test asks for
    return await fetch(request, stores.of(url), tools)


async def problem_of(forge: Forge, tools: Tools, stores: Stores) -> str:
    with pytest.raises(Failure) as caught:
        await fetched(forge, tools, stores)
    assert isinstance(caught.value, GitOperationFailed)
    return str(caught.value)


async def test_submodules_and_those_in_them_stand_in_their_folders(
    forge: Forge, tools: Tools, stores: Stores
) -> None:
    inner = forge.commit("inner", {"i.yaml": b"inner"})
    lib = forge.commit("lib", {"l.yaml": b"lib"} | gitmodules({"in": "../inner"}), {"in": inner})
    forge.commit(
        "fleet",
        {"a.yaml": b"1"} | gitmodules({"libs/one": "../lib", "two": forge.address("lib")}),
        {"libs/one": lib, "two": lib},
    )

    found = files_of((await fetched(forge, tools, stores)).tree)

    assert found == {
        "a.yaml": b"1",
        "libs/one/l.yaml": b"lib",
        "libs/one/in/i.yaml": b"inner",
        "two/l.yaml": b"lib",
        "two/in/i.yaml": b"inner",
    }


async def test_without_being_asked_for_submodules_are_left_out(
    forge: Forge, tools: Tools, stores: Stores
) -> None:
    lib = forge.commit("lib", {"l.yaml": b"lib"})
    forge.commit("fleet", {"a.yaml": b"1"} | gitmodules({"lib": "../lib"}), {"lib": lib})
    url = forge.address("fleet")

    found = await fetch(GitRequest(url, Reference("main")), stores.of(url), tools)

    assert set(files_of(found.tree)) == {"a.yaml"}
    assert not [each for each in forge.asked if each.path.startswith("lib")]


async def test_a_submodule_that_is_here_costs_no_request(
    forge: Forge, tools: Tools, stores: Stores
) -> None:
    lib = forge.commit("lib", {"l.yaml": b"lib"})
    forge.commit("fleet", gitmodules({"lib": "../lib"}), {"lib": lib})
    await fetched(forge, tools, stores)
    forge.asked.clear()
    forge.commit("fleet", {"a.yaml": b"2"})

    found = await fetched(forge, tools, stores)

    assert set(files_of(found.tree)) == {"a.yaml", "lib/l.yaml"}
    assert {each.path.partition("/")[0] for each in forge.asked} == {"fleet"}


async def test_an_older_commit_of_a_submodule_is_fetched_by_its_id(
    forge: Forge, tools: Tools, stores: Stores
) -> None:
    old = forge.commit("lib", {"l.yaml": b"old"})
    forge.commit("lib", {"l.yaml": b"new"})
    forge.commit("fleet", gitmodules({"lib": "../lib"}), {"lib": old})

    assert files_of((await fetched(forge, tools, stores)).tree) == {"lib/l.yaml": b"old"}


async def test_credentials_go_to_the_same_host_alone(
    two: list[Forge], tools: Tools, stores: Stores
) -> None:
    home, other = two
    near = home.commit("near", {"n.yaml": b"1"})
    far = other.commit("far", {"f.yaml": b"1"})
    home.commit(
        "fleet",
        gitmodules({"near": "../near", "far": other.address("far")}),
        {"near": near, "far": far},
    )

    await fetched(home, tools, stores, login=ADA)

    assert all(each.login for each in home.asked)
    assert {each.login for each in other.asked} == {""}


@pytest.mark.parametrize(
    ("url", "own", "same"),
    [
        ("https://h/a", "https://h/b", True),
        ("https://h:443/a", "https://H/b", True),
        ("http://h/a", "https://h/b", False),
        ("https://h:8443/a", "https://h/b", False),
        ("https://h.evil/a", "https://h/b", False),
        ("https://h@evil/a", "https://h/b", False),
        ("ssh://git@h/a", "https://h/b", False),
        ("ssh://git@h:22/a", "ssh://git@h/b", True),
    ],
)
def test_the_same_host_is_the_same_scheme_name_and_port(url: str, own: str, same: bool) -> None:
    login = Credentials("u", "p", identity=b"k", known_hosts=b"h", key=b"k", ca=b"authority")

    assert credentials_for(url, own, login) == (login if same else Credentials(ca=b"authority"))


@pytest.mark.parametrize(
    ("url", "base", "meant"),
    [
        ("../lib.git", "https://h/org/fleet.git", "https://h/org/lib.git"),
        ("../../x/lib", "https://h/org/fleet", "https://h/x/lib"),
        ("./lib", "https://h/org/fleet", "https://h/org/fleet/lib"),
        ("../lib", "https://u:p@h/org/fleet/", "https://u:p@h/org/lib"),
        ("../lib", "ssh://git@h:22/org/fleet", "ssh://git@h:22/org/lib"),
        ("git@h:org/lib.git", "https://h/fleet", "ssh://git@h/org/lib.git"),
        ("https://other/lib", "https://h/fleet", "https://other/lib"),
    ],
)
def test_a_url_is_read_as_git_reads_it(url: str, base: str, meant: str) -> None:
    assert absolute(url, base, "lib") == meant


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc", "/etc/passwd", "ext::sh -c touch% x", "fd::7", "-uhttps://h/x", "lib"),
        *("git://h/x", "ftp://h/x", "../../../../other.org/x", "..", "../", "./..", "../a/../../b"),
        *("", "https://", "--upload-pack=touch x", "../a/.."),
    ],
)
def test_cve_2025_21613_a_url_that_leads_elsewhere_is_refused(url: str) -> None:
    """Nothing local is read, nothing is run, and a relative URL stays on its host."""
    with pytest.raises(GitError) as caught:
        absolute(url, "https://h/org/fleet", "lib")

    assert "submodule 'lib'" in caught.value.problem


async def test_a_submodule_without_an_entry_is_named(
    forge: Forge, tools: Tools, stores: Stores
) -> None:
    lib = forge.commit("lib", {"l.yaml": b"1"})
    forge.commit("fleet", {"a.yaml": b"1"}, {"libs/lib": lib})

    said = await problem_of(forge, tools, stores)

    assert "no URL found for submodule path 'libs/lib' in .gitmodules" in said


async def test_an_entry_without_a_submodule_is_of_no_matter(
    forge: Forge, tools: Tools, stores: Stores
) -> None:
    entries = gitmodules({"../../outside": "file:///etc", "gone": "ext::sh"})
    forge.commit("fleet", {"a.yaml": b"1"} | entries)

    assert set(files_of((await fetched(forge, tools, stores)).tree)) == {"a.yaml"}


async def test_cve_2018_11235_a_link_for_a_gitmodules_is_not_followed(
    forge: Forge, tools: Tools, stores: Stores
) -> None:
    """The list of submodules must be a file of the commit itself."""
    lib = forge.commit("lib", {"l.yaml": b"1"})
    text = gitmodules({"lib": "../lib"})[".gitmodules"]
    forge.commit("fleet", {"x": text}, {"lib": lib}, links={".gitmodules": b"x"})

    assert "no URL found for submodule path 'lib'" in await problem_of(forge, tools, stores)


async def test_a_commit_that_a_submodule_does_not_have_is_named_with_it(
    forge: Forge, tools: Tools, stores: Stores
) -> None:
    forge.commit("lib", {"l.yaml": b"1"})
    forge.commit("fleet", gitmodules({"lib": "../lib"}), {"lib": "1" * 40})

    said = await problem_of(forge, tools, stores)

    assert f"submodule 'lib' from '{forge.address('lib')}': " in said
    assert "1" * 40 in said


async def test_submodules_that_never_end_are_stopped(
    forge: Forge, tools: Tools, stores: Stores
) -> None:
    below = forge.commit("r0", {"x.yaml": b"1"})
    for number in range(1, 12):
        entries = gitmodules({"in": f"../r{number - 1}"})
        below = forge.commit(f"r{number}", entries, {"in": below})
    forge.commit("fleet", gitmodules({"in": "../r11"}), {"in": below})

    said = await problem_of(forge, tools, stores)

    assert "submodules are nested more than the 10 levels allowed, down to" in said


def test_too_many_submodules_are_refused() -> None:
    budget = Budget(most=2)
    budget.below("https://h/a").below("https://h/b")

    with pytest.raises(GitError, match="more than the 2 submodules allowed"):
        budget.below("https://h/c")


def test_a_small_tree_that_unfolds_to_endless_submodules_is_stopped(tmp_path: Path) -> None:
    store = Store(tmp_path)
    tree = tree_object({"s": Child(0o160000, "1" * 40)})
    for _ in range(20):  # 10 ** 20 submodules
        store.add([tree])
        tree = tree_object({f"d{n}": Child(0o40000, tree.id.decode()) for n in range(10)})
    store.add([tree])

    with pytest.raises(GitError, match="too many submodules"):
        links_of(store, tree.id.decode())


def test_a_gitmodules_that_is_too_long_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    blob = Blob.from_string(b"#" * (1024 * 1024 + 1))
    children = {".gitmodules": Child(0o100644, blob.id.decode()), "s": Child(0o160000, "1" * 40)}
    tree = tree_object(children)
    store.add([blob, tree])

    with pytest.raises(GitError, match="more than the 1048576 bytes allowed"):
        submodules_of(store, tree.id.decode(), "https://h/a", lambda _: True)


async def test_only_submodules_in_the_folders_that_are_kept_are_fetched(
    forge: Forge, tools: Tools, stores: Stores
) -> None:
    one, two = forge.commit("one", {"deploy/x": b"1", "y": b"2"}), forge.commit("two", {"z": b"3"})
    entries = gitmodules({"libs/one": "../one", "libs/two": "../two"})
    forge.commit("fleet", {"a": b"1"} | entries, {"libs/one": one, "libs/two": two})

    found = await fetched(forge, tools, stores, sparse=("libs/one/deploy",))

    assert set(files_of(found.tree)) == {"libs/one/deploy/x"}
    assert not [each for each in forge.asked if each.path.startswith("two")]


async def test_the_limits_hold_for_submodules_too(
    forge: Forge, tools: Tools, stores: Stores
) -> None:
    lib = forge.commit("lib", {f"{number}.yaml": b"1" for number in range(20)})
    forge.commit("fleet", gitmodules({"lib": "../lib"}), {"lib": lib})

    with pytest.raises(
        GitOperationFailed, match=r"submodule 'lib' from .* more than the 10 entries"
    ):
        await fetched(forge, tools, stores, limits=Limits(entries=10))


def test_gitmodules_are_read_as_git_reads_them() -> None:
    text = """
# a comment
[core]
\tpath = not/one
[submodule "a b"] ; another
\tpath = libs/a
\tURL = "https://h/#a" # not of it
\tupdate = !rm -rf /
[ submodule "c" ]
path=libs/c\r
url = https://h/\\
c
[include]
\tpath = /etc/passwd
[submodule "a b"]
\turl = https://h/b
"""

    assert parse_gitmodules(text) == [
        {"path": "libs/a", "url": "https://h/b", "update": "!rm -rf /"},
        {"path": "libs/c", "url": "https://h/c"},
    ]


async def test_submodules_are_fetched_together_but_those_of_one_repository_in_turn() -> None:
    wanted = [Submodule(f"p{number}", f"https://h/{number % 6}", "c") for number in range(12)]
    under_way: list[str] = []
    most = 0

    async def fetch_one(each: Submodule) -> str:
        nonlocal most
        assert each.url not in under_way
        under_way.append(each.url)
        most = max(most, len(under_way))
        await anyio.lowlevel.checkpoint()
        under_way.remove(each.url)
        return each.path

    found = await fetched_all(wanted, fetch_one)

    assert found == [(each.path, each.path) for each in wanted]
    assert most == 4


async def test_the_first_submodule_that_fails_ends_the_others() -> None:
    ended: list[str] = []

    async def fetch_one(each: Submodule) -> str:
        try:
            if each.path == "bad":
                raise GitError("no such commit")
            await anyio.sleep_forever()
        finally:
            ended.append(each.path)
        return ""

    with pytest.raises(GitError, match=r"submodule 'bad' from 'https://h/bad': no such commit"):
        await fetched_all(
            [Submodule(name, f"https://h/{name}", "c") for name in ("good", "bad")], fetch_one
        )
    assert sorted(ended) == ["bad", "good"]
