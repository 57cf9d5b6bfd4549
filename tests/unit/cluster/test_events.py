from random import Random
from typing import Any

import pytest

from engine.cluster import connected
from engine.cluster.endpoint import Endpoint
from engine.cluster.events import event_writer, poster
from tests.support.clock import ImpatientClock
from tests.support.scripted_api import Reply, ScriptedApi, json, scripted_api, status

PATH = "/api/v1/namespaces/ns/events"
BODY: dict[str, Any] = {
    "metadata": {"name": "e", "namespace": "ns"},
    "count": 2,
    "lastTimestamp": "t",
}


async def write(api: ScriptedApi, count: int) -> None:
    async with connected(Endpoint(api.url), ImpatientClock(), Random(1)) as client:
        await event_writer(client)(BODY, count)


async def test_an_event_is_created_and_then_counted() -> None:
    async with scripted_api() as api:
        api.on("POST", PATH, json({}))
        api.on("PATCH", f"{PATH}/e", json({}))
        await write(api, 1)
        await write(api, 2)

    assert [each.body for each in api.asked("PATCH")] == [{"count": 2, "lastTimestamp": "t"}]


async def test_one_that_expired_is_created_anew() -> None:
    async with scripted_api() as api:
        api.on("POST", PATH, json({}))
        api.on("PATCH", f"{PATH}/e", status(404, "gone"))
        await write(api, 2)

    assert len(api.asked("POST")) == 1


async def test_one_that_is_refused_stops_nothing() -> None:
    async with scripted_api() as api:
        api.on("POST", PATH, status(403, "no"))
        await write(api, 1)

    assert len(api.asked("POST")) == 1


async def test_a_notification_is_tried_again_and_then_given_up() -> None:
    async with scripted_api() as api:
        api.on("POST", "/", *[status(500, "no")] * 6, status(200, "yes"), status(500, "no"))
        async with poster(f"{api.url}/", ImpatientClock()) as post:
            assert post is not None
            tries = []
            for _ in range(4):
                await post({"message": "m"}, {})
                tries.append(len(api.seen))

    assert tries == [5, 6, 7, 12]  # five tries; one while nobody answers; five again after success


async def test_a_notification_that_is_known_is_not_repeated() -> None:
    async with scripted_api() as api:
        api.on("POST", "/", status(429, "known"))
        async with poster(f"{api.url}/", ImpatientClock()) as post:
            assert post is not None
            await post({"message": "m"}, {})

    assert [each.body for each in api.seen] == [{"message": "m"}]


async def test_without_an_address_nothing_is_posted() -> None:
    async with poster("", ImpatientClock()) as post:
        assert post is None


@pytest.mark.parametrize(
    ("answers", "tries"),
    [([500, 502, 200], 3), ([400], 1), ([404], 1), ([429], 1), ([503] * 9, 5)],
)
async def test_only_what_may_pass_is_tried_again(answers: list[int], tries: int) -> None:
    async with scripted_api() as api:
        api.on("POST", "/", *[status(code, "no") for code in answers])
        async with poster(f"{api.url}/", ImpatientClock()) as post:
            assert post is not None
            await post({"message": "m"}, {"traceparent": "00-1-2-01"})

    assert len(api.seen) == tries
    assert api.seen[0].headers["traceparent"] == "00-1-2-01"
    assert api.seen[0].headers["Content-Type"] == "application/json"


TERMINATING = {"details": {"causes": [{"reason": "NamespaceTerminating"}]}, "code": 403}


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (status(403, "no"), [("ERROR", "event ns/e not written")]),
        (json({"kind": "Status", **TERMINATING}, code=403), []),
        (status(409, "there", reason="AlreadyExists"), []),
    ],
)
async def test_an_event_that_somebody_might_miss_is_logged(
    answer: Reply, wanted: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    async with scripted_api() as api:
        api.on("POST", PATH, answer)
        with caplog.at_level("INFO", "lockstep"):
            await write(api, 1)

    assert [(each.levelname, each.message) for each in caplog.records] == wanted
