"""What a look at a repository costs: requests and bytes, counted at the server."""

import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import anyio
import pytest

from engine.errors import Failure
from engine.source.author import add_tag
from engine.source.credentials import ANONYMOUS, Credentials
from engine.source.failures import CopyFailure, GitOperationFailed, InvalidCommitSignature
from engine.source.git import Fetched, GitRequest, Tools, fetch
from engine.source.git_refs import Reference
from engine.source.include import Included
from engine.source.stores import Stores
from engine.source.tree import MemoryTree
from engine.source.verify import Trust
from tests.support.forge import Forge, forges

pytestmark = pytest.mark.slow
FILES = {f"apps/{number % 20}/{number}.yaml": os.urandom(500) for number in range(400)}


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[Forge]:
    async with forges(tmp_path) as found:
        yield found[0]


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(tmp_path / "stores")


class Shop:
    """Fetches from one forge and says what that cost."""

    def __init__(self, forge: Forge, tools: Tools, stores: Stores) -> None:
        self.forge, self.tools, self.stores = forge, tools, stores

    async def fetch(self, reference: Reference | None = None, **asked: object) -> Fetched:
        url = self.forge.address("fleet")
        request = GitRequest(url, reference or Reference("main"), **asked)  # type: ignore[arg-type]  # what a test asks for
        return await fetch(request, self.stores.of(url), self.tools)

    def costs(self) -> tuple[int, int, int]:
        """(requests, packs among them, bytes of the answers) since the last call."""
        asked, self.forge.asked[:] = list(self.forge.asked), []
        packs = [each for each in asked if each.size > 2000]
        return len(asked), len(packs), sum(each.size for each in asked)


@pytest.fixture
def shop(forge: Forge, tools: Tools, stores: Stores) -> Shop:
    return Shop(forge, tools, stores)


async def test_a_look_at_what_has_not_changed_is_two_small_requests(shop: Shop) -> None:
    commit = shop.forge.commit("fleet", FILES)
    add_tag(shop.forge.folder / "fleet", "v1.0.0", commit, "annotated")
    for reference in (Reference("main"), Reference(tag="v1.0.0"), Reference(semver="1.x")):
        await shop.fetch(reference)
        shop.costs()

        await shop.fetch(reference)

        requests, packs, size = shop.costs()
        assert (requests, packs) == (2, 0)
        assert size < 1000


async def test_a_change_costs_what_it_changes(shop: Shop) -> None:
    shop.forge.commit("fleet", FILES)
    await shop.fetch()
    _, packs, whole = shop.costs()
    assert packs == 1

    shop.forge.commit("fleet", {"apps/3/3.yaml": os.urandom(500)})
    await shop.fetch()

    requests, _, size = shop.costs()
    assert requests == 3
    assert size < whole / 50  # a file, two folders and a commit


async def test_another_branch_costs_what_is_different_there(shop: Shop) -> None:
    first = shop.forge.commit("fleet", FILES)
    await shop.fetch()
    _, _, whole = shop.costs()
    add_tag(shop.forge.folder / "fleet", "v1", first)
    shop.forge.commit("fleet", {"more.yaml": b"1"})

    await shop.fetch(Reference(tag="v1"))
    same = shop.costs()
    await shop.fetch()

    assert same[:2] == (2, 0)
    assert shop.costs()[2] < whole / 50


async def test_many_objects_of_one_repository_share_looks_and_the_pack(shop: Shop) -> None:
    shop.forge.commit("fleet", FILES)
    found: list[str] = []

    async def one() -> None:
        found.append((await shop.fetch()).tree.id)

    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(one)

    requests, packs, _ = shop.costs()
    assert len(set(found)) == 1
    assert len(found) == 30
    assert packs == 1
    assert requests <= 5  # the first looks for itself, the second for all the others


async def test_those_who_ask_as_somebody_else_look_for_themselves(shop: Shop) -> None:
    shop.forge.commit("fleet", FILES)

    async with anyio.create_task_group() as tasks:
        for login in (ANONYMOUS, Credentials("ada", "s3cret")):
            tasks.start_soon(partial(shop.fetch, credentials=login))

    looks = [each.login for each in shop.forge.asked if each.path.endswith("info/refs")]
    assert len(set(looks)) == 2


async def refused(shop: Shop, failure: type[Failure], **asked: object) -> None:
    with pytest.raises(failure):
        await shop.fetch(**asked)


async def test_what_is_refused_here_is_not_fetched_again_and_again(shop: Shop) -> None:
    shop.forge.commit("fleet", FILES)
    trust = Trust("HEAD", (b"x",), (), 0.0)
    other = Included("apps", MemoryTree({"a": b"1"}))
    for failure, asked in (
        (InvalidCommitSignature, {"trust": trust}),
        (CopyFailure, {"included": (other,)}),
        (GitOperationFailed, {"sparse": ("nowhere",)}),
    ):
        await refused(shop, failure, **asked)
        shop.costs()

        await refused(shop, failure, **asked)

        assert shop.costs()[:2] == (2, 0)


async def test_a_rewritten_history_costs_what_differs_from_what_is_here(shop: Shop) -> None:
    shop.forge.commit("fleet", FILES)
    await shop.fetch()
    _, _, whole = shop.costs()
    (shop.forge.folder / "fleet" / "refs" / "heads" / "main").unlink()
    rewritten = shop.forge.commit("fleet", {**FILES, "new.yaml": b"1"})  # without any parent

    found = await shop.fetch()

    assert found.commit.id == rewritten
    assert found.commit.parents == ()
    assert shop.costs()[2] < whole / 50
