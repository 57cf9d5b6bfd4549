"""What is gone from the cluster is gone from the engine: nothing grows with what came and went.

`make soak` tries it for longer, and then looks at the memory, too.
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from plugins import PLUGIN
from tests.support import soak
from tests.support.apiserver import ApiServer, namespace_at
from tests.support.chat import Generic, room
from tests.support.fleet import fleet_at, is_ready
from tests.support.holdings import exceeding, holdings, resident_bytes
from tests.support.proxy import fault_proxy
from tests.support.visitors import Visitors

ROUNDS = 1  # at least, after the first one
SECONDS = soak.SECONDS * soak.LEAKS
LIMIT = 600 + 2 * SECONDS if SECONDS else 120  # a round takes seconds on a busy machine
PATIENCE = 20  # looks: connections and answers that are late take a while to end
WARM = 10  # rounds after which memory is as large as it is to be
ROUND_BYTES = 64 * 2**10  # that a round may add, of what BOUNDED names; a run holds more

BOUNDED: Mapping[str, int] = {
    # news of late: a minute, five minutes, or so many
    "Complaints._told": 4096,
    "Concurrency.*": 2_000,
    "Contention.*": 1_000,
    "Courier._seen": 100_000,
    "Event.*": 1_000,  # what each watch told last, of whichever object
    "Mirror._deleted": 10_000,
    "Queue._later": 1_000,
    "Recorder._seen": 4_096,
    "Sightings._gone": 10_000,
    "Telling._said": 10_000,
    "_History.*": 5_000,
    "object _History": 1_000,
    "object _Said": 10_000,
    # kept for use: by content, dropped by age or number
    "DataKeys._kept": 50_000,
    "GitFolders.*": 200_000,
    "GitTree._folders": 200_000,
    "Layout.*": 200_000,
    "NamedPacks.*": 1_000,
    "Store.*": 200_000,
    "Stores._open": 1_000,
    "Written.*": 100,
    "cache *": 131_072,
    "object Child": 200_000,
    "object Entry": 200_000,
    "object GitFolders": 1_000,
    "object KeptFiles": 1_000,
    "object Layout": 200_000,
    "object NamedPacks": 1_000,
    "object Place": 200_000,
    "object Store": 1_000,
    "object _Kept": 50_000,
    "descriptor */storage/git/*.idx": 4_000,
    "descriptor */storage/git/*.pack": 4_000,
    # of connections that wait for their next request, and what they were opened for
    "Line.requests": 200,
    "Lines._heads*": 200,
    "Scope.*": 1_000,
    "descriptor socket": 200,
    "object Group": 10,
    "object Scope": 200,
    "object _Hiding": 200,
    "thread AnyIO worker thread": 40,
    # names of the above, and numbers that do not go with objects of users
    "object Ref": 100_000,
    "series *": 200,
}
"""What may grow, to what number at most: everything else is as it was before the first round."""


@asynccontextmanager
async def visited(server: ApiServer, folder: Path) -> AsyncIterator[Visitors]:
    """An engine on which rounds can be made."""
    async with (
        fault_proxy(server, folder) as proxy,
        namespace_at(server, "leaks") as namespace,
        fleet_at(server, namespace, folder) as fleet,
        room((chat := Generic()).answer) as url,
    ):
        await Visitors.prepare(fleet, proxy.url)
        behind = replace(fleet, server=replace(fleet.server, kubeconfig=proxy.kubeconfig))
        # One builder, which stays: others end once they are idle for a while, between two looks.
        async with behind.engine(PLUGIN, concurrent_builds=1) as state:
            await fleet.until("Kustomization", "app", is_ready)
            yield Visitors(fleet, state, proxy, chat, url)


@pytest.mark.limit(LIMIT)
async def test_nothing_is_kept_of_what_has_gone(
    embedded_api_server: ApiServer, tmp_path: Path
) -> None:
    async with visited(embedded_api_server, tmp_path) as visitors:
        end = time.monotonic() + SECONDS
        await visitors.come_and_go()
        before = holdings("engine.apiserver")
        while visitors.rounds <= ROUNDS or time.monotonic() < end:
            await visitors.come_and_go()
        for _ in range(PATIENCE):
            found = exceeding(before, holdings("engine.apiserver"), BOUNDED)
            if not found:
                break
            await anyio.sleep(0.5)

    assert found == {}


@pytest.mark.real("the embedded one keeps its objects in the memory of this process")
@pytest.mark.skipif(not SECONDS, reason="memory shows only after many rounds: make soak")
@pytest.mark.limit(LIMIT)
async def test_memory_does_not_grow_with_rounds(api_server: ApiServer, tmp_path: Path) -> None:
    async with visited(api_server, tmp_path) as visitors:
        end = time.monotonic() + SECONDS
        for _ in range(WARM):
            await visitors.come_and_go()
        before = resident_bytes()
        while time.monotonic() < end or visitors.rounds < 2 * WARM:
            await visitors.come_and_go()
        grown = resident_bytes() - before

    assert grown < ROUND_BYTES * (visitors.rounds - WARM)
