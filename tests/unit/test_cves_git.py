"""What went wrong in other Git libraries, and must not here: the rows of users.md 3b about Git.

Those about packs, names in trees, submodules, host keys and signatures are beside what they test,
in tests/unit/source.
"""

import hashlib
import os
import resource
import shlex
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from engine.serve.git import git_application
from engine.source.git import Fetched, GitRequest, Tools, fetch
from engine.source.git_refs import Reference
from engine.source.ssh import upload_pack
from engine.source.stores import Stores
from engine.source.transport import open_session
from tests.support.audit import audited
from tests.support.forge import Forge
from tests.support.git_server import serve_application

WRITES = ("open", "os.mkdir", "os.rename", "os.link", "os.symlink", "os.truncate", "os.remove")
MEBIBYTE = 2**20


@dataclass
class Hostile:
    """A server that shows its branch and its tag under other names, and who fetches from it."""

    folder: Path
    url: str
    tools: Tools
    stores: Stores
    renamed: dict[bytes, bytes]
    """{what it is: what is sent instead, as many bytes}."""

    async def fetch(self, reference: Reference) -> Fetched:
        return await fetch(GitRequest(self.url, reference), self.stores.of(self.url), self.tools)

    def outside(self, events: list[tuple[str, Any]]) -> list[str]:
        """What was written anywhere but below the stores, links followed."""
        stores = str(self.folder / "stores")
        places = [os.path.realpath(each) for each in written(events)]
        return [each for each in places if not each.startswith(stores)]

    def stored(self) -> list[Path]:
        return [each for each in (self.folder / "stores").rglob("*") if not each.is_dir()]


@pytest.fixture
async def hostile(tmp_path: Path) -> AsyncIterator[Hostile]:
    renamed: dict[bytes, bytes] = {}

    @web.middleware
    async def lie(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            for real, shown in renamed.items():
                assert len(real) == len(shown)
                response.body = response.body.replace(real, shown)
        return response

    application = git_application(tmp_path / "served")
    application.middlewares.append(lie)
    stores = Stores(tmp_path / "stores")
    async with open_session() as session, serve_application(application) as url:
        tools = Tools(session, anyio.CapacityLimiter(2), store_of=stores.of)
        yield Hostile(tmp_path, f"{url}/fleet", tools, stores, renamed)
    stores.close()


def written(events: list[tuple[str, Any]]) -> list[str]:
    """The places that were written to, also those that were only made or removed."""
    found = []
    for event, arguments in events:
        if event == "open":
            path, mode, flags = arguments
            wrote = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if not mode else mode != "r"
            if not isinstance(path, int) and wrote and "r" not in str(mode or ""):
                found.append(os.fsdecode(path))
        else:
            found += [os.fsdecode(each) for each in arguments if isinstance(each, (str, bytes))]
    return found


ESCAPES = {
    "a branch": (b"refs/heads/main", b"refs/heads/../x", Reference(name="refs/heads/../x")),
    "a branch by its name": (b"refs/heads/main", b"refs/heads/../x", Reference(branch="../x")),
    "an absolute branch": (b"refs/heads/main", b"refs/heads//tmp", Reference(branch="/tmp")),
    "no ref at all": (b"refs/heads/main", b"../../../../mai", Reference(name="../../../../mai")),
    "a config": (b"refs/heads/main", b"refs/../config\n", Reference(name="refs/../config")),
}


@pytest.mark.parametrize("name", ESCAPES)
async def test_cve_2026_71557_the_name_of_a_ref_leads_nowhere(name: str, hostile: Hostile) -> None:
    """Refs of a server are compared, and never become paths."""
    real, shown, reference = ESCAPES[name]
    commit = Forge(hostile.folder / "served").commit("fleet", {"a.yaml": b"1"})
    hostile.renamed[real] = shown

    with audited(*WRITES) as events:
        found = await hostile.fetch(reference)

    assert found.revision.endswith(commit)
    assert hostile.outside(events) == []
    refs = [each for each in hostile.stored() if "refs" in each.parts]
    assert [each.name for each in refs] == [commit]  # that it is held, by its id


async def test_cve_2026_71556_what_is_fetched_is_written_through_no_link(hostile: Hostile) -> None:
    """There is no checkout: a link is an object like others, and the artifact leaves it out."""
    outside = hostile.folder / "outside"
    outside.mkdir()
    links = {"a": f"{outside}".encode(), "b/c": b"../../../outside", "objects": b"/", ".x": b"a"}
    forge = Forge(hostile.folder / "served")
    forge.commit("fleet", {"z.yaml": b"1"}, links=links)
    await hostile.fetch(Reference("main"))
    forge.commit("fleet", {"b/d.yaml": b"2"})

    with audited(*WRITES) as events:
        found = await hostile.fetch(Reference("main"))
        assert found.tree.read("b/d.yaml") == b"2"

    assert written(events)
    assert hostile.outside(events) == []
    assert [each for each in hostile.stored() if each.is_symlink()] == []
    assert list(outside.iterdir()) == []


async def test_cve_2026_33762_no_index_of_a_checkout_is_read(hostile: Hostile) -> None:
    forge = Forge(hostile.folder / "served")
    forge.commit("fleet", {"a.yaml": b"1"})
    await hostile.fetch(Reference("main"))
    store = hostile.stores.of(hostile.url)
    (store.folder / "index").write_bytes(b"DIRC" + struct.pack(">LL", 4, 2**32 - 1) + b"\xff" * 99)
    forge.commit("fleet", {"a.yaml": b"2"})

    with audited("open") as events:
        found = await hostile.fetch(Reference("main"))

    assert found.tree.read("a.yaml") == b"2"
    assert [each for _, each in events if str(each[0]).endswith("/index")] == []


def lying_index() -> bytes:
    """An index of a pack, in order but for its count: it says that it has four billion objects."""
    body = b"\xfftOc" + struct.pack(">L", 2) + b"\xff" * 1024 + b"\0" * 64 + b"\1" * 20
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


async def test_cve_2026_34165_an_index_of_a_pack_that_lies_costs_nothing(hostile: Hostile) -> None:
    """No server can send one; this is what a disk, or another program, may have left."""
    forge = Forge(hostile.folder / "served")
    forge.commit("fleet", {"a.yaml": b"1"})
    await hostile.fetch(Reference("main"))
    packs = hostile.stores.of(hostile.url).folder / "objects" / "pack"
    name = packs / f"pack-{'ab' * 20}"
    name.with_suffix(".pack").write_bytes(b"PACK" + struct.pack(">LL", 2, 2**32 - 1) + b"\1" * 20)
    name.with_suffix(".idx").write_bytes(lying_index())
    forge.commit("fleet", {"a.yaml": b"2"})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    found = await hostile.fetch(Reference("main"))

    assert found.tree.read("a.yaml") == b"2"
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 64 * MEBIBYTE


@pytest.mark.parametrize(
    "path",
    ["/it's", "/';touch x;'", "/'$(id)'", "/`id`", "/a b\\", '/"', "/-x", "/--upload-pack=x"],
)
def test_cve_2026_45570_a_path_is_one_word_to_the_shell_of_an_ssh_server(path: str) -> None:
    command = upload_pack(URL.build(scheme="ssh", host="h", user="git", path=path))

    assert shlex.split(command) == ["git-upload-pack", path]
