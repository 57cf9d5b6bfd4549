from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import anyio
import pytest

from engine.serve.http import listening
from engine.serve.probes import metrics, probes
from engine.telemetry import Metrics, logger
from tests.support.observing import logged


@asynccontextmanager
async def asking(routes) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        listening("127.0.0.1:0", routes) as address,
        aiohttp.ClientSession(f"http://{address}") as session,
    ):
        yield session


@pytest.mark.parametrize(
    ("path", "why", "wanted"),
    [
        ("/healthz", "", (200, "ok\n")),
        ("/healthz", "the API server", (200, "ok\n")),
        ("/readyz", "", (200, "ok\n")),
        ("/readyz", "the API server", (503, "the API server\n")),
        ("/secrets", "", (404, "404: Not Found")),
    ],
)
async def test_it_is_alive_and_says_what_it_waits_for(path, why, wanted) -> None:
    async with asking(probes(lambda: why)) as session, session.get(path) as answer:
        assert (answer.status, await answer.text()) == wanted


async def test_the_log_level_is_changed_at_run_time() -> None:
    with logged("info") as log:
        async with asking(probes(lambda: "")) as session:
            logger.debug("unheard")
            async with session.put("/loglevel", data=" DEBUG\n") as answer:
                assert (answer.status, await answer.text()) == (200, "debug\n")
            logger.debug("heard")
            async with session.get("/loglevel") as answer:
                assert await answer.text() == "debug\n"

    assert '"msg":"heard"' in log.getvalue()
    assert "unheard" not in log.getvalue()


@pytest.mark.parametrize("wanted", ["", "loud", "x" * 1000])
async def test_what_is_no_log_level_is_refused_and_changes_nothing(wanted: str) -> None:
    with logged("info"):
        async with asking(probes(lambda: "")) as session:
            async with session.put("/loglevel", data=wanted) as answer:
                text = await answer.text()
                assert answer.status == 400
            async with session.get("/loglevel") as answer:
                assert await answer.text() == "info\n"

    assert text == f"{wanted[:40]!r} is no log level: use one of trace, debug, info, error\n"


async def test_metrics_are_looked_up_and_rendered_once_a_second_for_all_who_ask() -> None:
    series, looks = Metrics(), []
    texts: list[str] = []

    def sample() -> None:
        looks.append(1)
        series.in_flight.set(len(looks))

    async with asking(metrics(series, sample)) as session:

        async def scrape() -> None:
            async with session.get("/metrics") as answer:
                assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
                texts.append(await answer.text())

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(scrape)

    assert len(looks) == 1
    assert len(set(texts)) == 1
    assert "lockstep_api_requests_in_flight 1.0" in texts[0]
