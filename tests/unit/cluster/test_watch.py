import json as standard_json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import anyio
import pytest
from aiohttp import web

from engine.cluster import Forbidden, NotFound, Resource, Unreachable, connected
from engine.cluster.allowance import Allowance
from engine.cluster.breaker import Breaker
from engine.cluster.client import Query
from engine.cluster.endpoint import Endpoint
from engine.cluster.errors import Paused
from engine.cluster.limiter import Limiter
from engine.cluster.retry import BREAKS
from engine.cluster.watch import FIRST_PAUSE, FORGIVEN, LONGEST_PAUSE, Event, EventType, Watch
from tests.support.clock import ImpatientClock
from tests.support.scripted_api import (
    Reply,
    ScriptedApi,
    cut,
    either,
    events,
    json,
    scripted_api,
    status,
)

REFUSED = Unreachable(0, "", "GET http://x/version: Connection refused")
_LARGE = Allowance()
PODS = Resource("", "v1", "Pod", "pods", namespaced=True)
PATH = "/api/v1/namespaces/ns/pods"


@dataclass
class Scene:
    api: ScriptedApi
    clock: ImpatientClock
    watch: Watch

    def on(self, listing: Reply, *watches: Reply) -> None:
        self.api.on("GET", PATH, either(listing, *watches))

    def asked(self, watch: bool) -> list[Any]:
        """Queries of lists, or of watches that are no lists."""
        queries = [s.query for s in self.api.seen if "sendInitialEvents" not in s.query]
        return [query for query in queries if ("watch" in query) is watch]


@asynccontextmanager
async def scene(
    query: Query | None = None,
    random: Random | None = None,
    allowance: Allowance = _LARGE,
) -> AsyncIterator[Scene]:
    async with scripted_api() as api:
        clock = ImpatientClock()
        endpoint = Endpoint(api.url, allowance=allowance)
        async with connected(endpoint, clock, Random(1)) as client:
            watch = Watch(client, PODS, clock, random or Random(1), "ns", query)
            yield Scene(api, clock, watch)


def pod(name: str, version: int, uid: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid or name, "resourceVersion": str(version)}}


def listing(version: int, *pods: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(pods), "metadata": {"resourceVersion": str(version)}}


def change(kind: str, obj: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": obj}


def bookmark(version: int) -> dict[str, Any]:
    return change("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


def error(code: int) -> dict[str, Any]:
    return change("ERROR", {"kind": "Status", "code": code, "message": f"code {code}"})


async def heard(watch: Watch, count: int) -> list[Event]:
    """The first so many events."""
    found = []
    async with aclosing(watch.events()) as stream:
        async for event in stream:
            found.append(event)
            if len(found) == count:
                break
    return found


def told(found: list[Event]) -> str:
    """Events as text: `ADDED a, SYNCED`."""
    return ", ".join(
        f"{e.type} {e.obj['metadata']['name']}" if e.obj else str(e.type) for e in found
    )


async def test_what_exists_is_told_then_synced_then_each_change() -> None:
    async with scene() as s:
        changes = (
            change("ADDED", pod("b", 6)),
            change("MODIFIED", pod("a", 7)),
            bookmark(8),
            change("DELETED", pod("b", 9)),
        )
        s.on(json(listing(5, pod("a", 3))), events(*changes, then="silence"))
        found = await heard(s.watch, 6)

    assert told(found) == "ADDED a, SYNCED, ADDED b, MODIFIED a, BOOKMARK, DELETED b"
    assert found[0].obj["kind"] == "Pod"
    assert s.asked(watch=False)[0]["resourceVersion"] == "0"
    (asked,) = s.asked(watch=True)
    assert (asked["resourceVersion"], asked["allowWatchBookmarks"]) == ("5", "true")
    assert 300 <= int(asked["timeoutSeconds"]) <= 600
    assert s.watch.statistics().objects == 1


def end_of_list(version: int) -> dict[str, Any]:
    annotations = {"k8s.io/initial-events-end": "true"}
    return change(
        "BOOKMARK", {"metadata": {"resourceVersion": str(version), "annotations": annotations}}
    )


async def test_what_exists_is_streamed_where_the_server_can() -> None:
    async with scene({"label_selector": "a=b"}) as s:
        initial = (change("ADDED", pod("b", 9)), change("ADDED", pod("a", 3)), end_of_list(10))
        s.api.on(
            "GET",
            PATH,
            events(*initial, change("DELETED", pod("a", 11))),
            events(bookmark(12), then="silence"),
        )
        found = await heard(s.watch, 5)

    assert told(found) == "ADDED b, ADDED a, SYNCED, DELETED a, BOOKMARK"
    first, second = (seen.query for seen in s.api.seen)
    assert (first["sendInitialEvents"], first["resourceVersionMatch"]) == ("true", "NotOlderThan")
    assert (first["resourceVersion"], first["labelSelector"]) == ("0", "a=b")
    assert second["resourceVersion"] == "11"
    assert "sendInitialEvents" not in second


async def test_a_streamed_list_that_broke_off_is_begun_again_and_loses_nothing() -> None:
    async with scene() as s:
        s.api.on(
            "GET",
            PATH,
            events(*(change("ADDED", pod(name, 1)) for name in "abc"), end_of_list(5)),
            events(error(410)),
            events(change("ADDED", pod("a", 1)), change("ADDED", pod("d", 8))),
            events(
                *(change("ADDED", pod(name, 9)) for name in "ad"), end_of_list(9), then="silence"
            ),
        )
        found = await heard(s.watch, 10)

    assert told(found[:4]) == "ADDED a, ADDED b, ADDED c, SYNCED"
    assert told(found[4:]) == ("ADDED d, MODIFIED a, MODIFIED d, DELETED b, DELETED c, SYNCED")


async def test_a_server_that_does_not_end_a_streamed_list_is_asked_for_a_plain_one() -> None:
    async with scene() as s:
        s.watch.initial_silence = 0.01
        s.api.on(
            "GET",
            PATH,
            events(change("ADDED", pod("a", 1)), then="silence"),
            json(listing(5, pod("a", 1), pod("b", 2))),
            events(bookmark(6), then="silence"),
        )
        found = await heard(s.watch, 4)

    assert told(found) == "ADDED a, ADDED b, SYNCED, BOOKMARK"


@pytest.mark.parametrize("then", ["end", "cut"])
async def test_after_a_break_it_goes_on_from_the_last_version(then: str) -> None:
    async with scene() as s:
        s.on(
            json(listing(5)),
            events(change("ADDED", pod("a", 6)), bookmark(11), then=then),
            events(change("ADDED", pod("b", 12)), then="silence"),
        )
        found = await heard(s.watch, 5 if then == "cut" else 4)

    found = [e for e in found if e.type is not EventType.TROUBLE]
    assert told(found) == "SYNCED, ADDED a, BOOKMARK, ADDED b"
    assert [q["resourceVersion"] for q in s.asked(watch=True)] == ["5", "11"]
    assert len(s.asked(watch=False)) == 1


@pytest.mark.parametrize(
    "gone", [status(410, "old"), events(error(410))], ids=["at the head", "in the stream"]
)
async def test_a_forgotten_version_is_listed_again_and_the_difference_told(gone: Reply) -> None:
    async with scene() as s:
        first = json(listing(5, *(pod(name, 1) for name in "abcd")))
        second = json(listing(50, pod("a", 1), pod("b", 40), pod("c", 41, "new"), pod("e", 42)))
        lists = iter((first, second))

        async def listed(request: Any) -> Any:
            return await next(lists)(request)

        s.on(listed, gone, events(then="silence"))
        found = await heard(s.watch, 11)

    assert told(found[:5]) == "ADDED a, ADDED b, ADDED c, ADDED d, SYNCED"
    assert told(found[5:]) == "MODIFIED b, DELETED c, ADDED c, ADDED e, DELETED d, SYNCED"
    replaced, vanished = (e.obj for e in found if e.type is EventType.DELETED)
    metadata = {"name": "c", "uid": "c", "resourceVersion": "41"}
    assert replaced == {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    assert vanished["metadata"] == {"name": "d", "uid": "d", "resourceVersion": "50"}
    assert "resourceVersion" not in s.asked(watch=False)[1]


ALL = (change("ADDED", pod("a", 1)), end_of_list(5))


@pytest.mark.parametrize(
    "forgetful",
    [
        [events(*ALL, error(410))],
        [events(*ALL), status(410, "old")],
        [events(*ALL), events(error(410))],
        [events(*ALL, bookmark(6), change("MODIFIED", pod("a", 7)), error(410))],
    ],
    ids=["in one stream", "at the next head", "in the next stream", "after some news"],
)
async def test_a_server_that_tells_all_and_forgets_it_each_time_is_asked_less_and_less(
    forgetful: list[Reply],
) -> None:
    async with scene() as s:
        s.api.on("GET", PATH, *forgetful * 9)
        lists = 0
        async with aclosing(s.watch.events()) as stream:
            async for event in stream:
                lists += event.type is EventType.SYNCED
                if lists == 9:
                    break

    assert sum(pause > FIRST_PAUSE for pause in s.clock.slept) >= 5
    assert max(s.clock.slept) >= LONGEST_PAUSE / 2


async def test_a_version_forgotten_after_long_is_asked_for_anew_at_once() -> None:
    async with scene() as s:
        anew = events(*ALL, then="silence")
        s.api.on("GET", PATH, events(*ALL, error(410)), anew, status(410), anew)
        first = await heard(s.watch, 3)
        s.clock.skip(FORGIVEN)
        second = await heard(s.watch, 1)

    assert told(first + second) == "ADDED a, SYNCED, SYNCED, SYNCED"
    assert s.clock.slept == []


class Extreme(Random):
    """Of all that may come by chance, the least or the most."""

    def __init__(self, share: float) -> None:
        super().__init__(0)
        self.share = share

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self.share


@pytest.mark.parametrize(
    ("breaks", "least", "most"),
    [
        (events(bookmark(6), then="cut"), FIRST_PAUSE / 2, FIRST_PAUSE),
        (events(bookmark(6)), 0.0, FIRST_PAUSE),
        (events(bookmark(6), then="silence"), 0.0, FIRST_PAUSE),
    ],
    ids=["cut", "ended", "silent"],
)
async def test_watches_that_broke_at_once_come_back_spread_over_a_while(
    breaks: Reply, least: float, most: float
) -> None:
    for share, pause in ((0.0, least), (1.0, most)):
        async with scene(random=Extreme(share)) as s:
            s.watch.bookmark_period = 0.01
            s.on(json(listing(5)), breaks, events(bookmark(7), then="silence"))
            await heard(s.watch, 4 if least else 3)  # a cut is told

            assert s.clock.slept[0] == pause
            assert int(s.asked(watch=True)[0]["timeoutSeconds"]) == 300 + 300 * share


async def test_a_silent_connection_is_replaced() -> None:
    async with scene() as s:
        s.watch.bookmark_period = 0.01
        s.on(
            json(listing(5)),
            events(change("ADDED", pod("a", 6)), then="silence"),
            events(change("ADDED", pod("b", 7)), then="silence"),
        )
        found = await heard(s.watch, 3)

    assert told(found) == "SYNCED, ADDED a, ADDED b"
    assert [q["resourceVersion"] for q in s.asked(watch=True)] == ["5", "6"]


@pytest.mark.parametrize(
    ("refusal", "problem"),
    [(status(403, "no"), Forbidden), (status(404, "what"), NotFound)],
    ids=["forbidden", "not served"],
)
async def test_a_kind_that_may_not_be_seen_yet_is_reported_and_tried_again(
    refusal: Reply, problem: type[Exception]
) -> None:
    async with scene() as s:
        s.api.on("GET", PATH, refusal, refusal, either(json(listing(5)), events(then="silence")))
        found = await heard(s.watch, 3)

    assert told(found) == "TROUBLE, TROUBLE, SYNCED"
    assert isinstance(found[0].problem, problem)
    first, second = s.clock.slept[:2]
    assert 0.4 <= first <= 0.8 <= second <= 1.6


async def test_pauses_grow_while_the_connection_fails_but_not_for_ever() -> None:
    async with scene() as s:
        s.on(json(listing(5)), cut)
        found = await heard(s.watch, 12)

    assert told(found) == "SYNCED" + ", TROUBLE" * 11
    assert isinstance(found[-1].problem, Unreachable)
    assert LONGEST_PAUSE / 2 <= s.clock.slept[-1] <= LONGEST_PAUSE


async def test_a_version_refused_again_and_again_is_given_up() -> None:
    async with scene() as s:
        s.on(json(listing(5)), status(504, "Too large resource version"))
        found = await heard(s.watch, 5)

    assert told(found) == "SYNCED, TROUBLE, TROUBLE, TROUBLE, SYNCED"


@pytest.mark.parametrize(
    ("code", "header"), [(429, "Retry-After"), (503, "Retry-After"), (401, "WWW-Authenticate")]
)
async def test_a_server_under_load_is_given_its_time_and_not_asked_for_everything_again(
    code: int, header: str
) -> None:
    async with scene() as s:
        busy = status(code, "busy", **{header: "9"})
        s.on(json(listing(5)), *[busy] * 4, events(bookmark(6), then="silence"))
        found = await heard(s.watch, 6)

    assert told(found) == "SYNCED" + ", TROUBLE" * 4 + ", BOOKMARK"
    assert len(s.asked(watch=False)) == 1
    if header == "Retry-After":
        assert min(s.clock.slept) >= 9


async def test_a_line_that_is_no_event_ends_only_the_stream() -> None:
    async with scene() as s:
        odd = {"html": "a proxy speaks"}
        s.on(json(listing(5)), events(odd), events(bookmark(6), then="silence"))
        found = await heard(s.watch, 3)

    assert told(found) == "SYNCED, TROUBLE, BOOKMARK"
    assert "pods: not an event of a watch" in str(found[1].problem)


async def test_streams_that_end_at_once_are_not_opened_in_a_hot_loop() -> None:
    async with scene() as s:
        s.on(json(listing(5)), *[events()] * 4, events(bookmark(6), then="silence"))
        await heard(s.watch, 2)

    assert len(s.clock.slept) == 4
    assert sum(s.clock.slept) > 4


async def test_freshness_lasts_twice_the_period_of_bookmarks() -> None:
    async with scene() as s:
        assert not s.watch.is_fresh(s.clock.monotonic())
        s.on(json(listing(5)), events(then="silence"))
        await heard(s.watch, 1)
        now = s.clock.monotonic()

        assert s.watch.is_fresh(now + 119)
        assert not s.watch.is_fresh(now + 121)


async def test_selectors_and_metadata_alone_are_asked_for_in_list_and_watch() -> None:
    async with scene({"label_selector": "a=b", "metadata_only": True}) as s:
        partial = {"kind": "PartialObjectMetadata", **pod("a", 6)}
        s.on(json(listing(5)), events(change("ADDED", partial), then="silence"))
        found = await heard(s.watch, 2)

    assert [q["labelSelector"] for q in s.asked(True) + s.asked(False)] == ["a=b", "a=b"]
    assert (found[1].obj["kind"], found[1].obj["apiVersion"]) == ("Pod", "v1")
    assert "PartialObjectMetadataList" in s.api.seen[1].headers["Accept"]


async def test_an_event_in_many_pieces_is_one_event() -> None:
    big = pod("a", 6)
    big["data"] = "x" * 500_000
    async with scene() as s:
        s.on(json(listing(5)), events(change("ADDED", big), then="silence"))
        found = await heard(s.watch, 2)

    assert len(found[1].obj["data"]) == 500_000
    assert "pods" in repr(s.watch)


async def test_what_was_told_before_an_outage_is_told_anew_however_short_the_outage() -> None:
    async with scripted_api() as api:
        clock = ImpatientClock()
        breaker = Breaker(clock, Random(1))
        limiter = Limiter(clock, breaker=breaker)
        endpoint = Endpoint(api.url)
        async with connected(endpoint, clock, Random(1), limiter=limiter) as client:
            watch = Watch(client, PODS, clock, Random(1), "ns")
            stream = events(change("ADDED", pod("b", 6)), then="silence")
            api.on("GET", PATH, either(json(listing(5, pod("a", 3))), stream))
            found = []
            async with aclosing(watch.events()) as heard_of:
                async for event in heard_of:
                    found.append(event)
                    if event.obj and event.obj["metadata"]["name"] == "b" and len(found) < 4:
                        breaker.failed(REFUSED, BREAKS)
                        breaker.answered()
                    if len([each for each in found if each.type is EventType.SYNCED]) == 2:
                        break

    assert told(found) == "ADDED a, SYNCED, ADDED b, TROUBLE, DELETED b, SYNCED"
    assert isinstance(found[3].problem, Paused)


async def test_objects_without_end_are_not_kept() -> None:
    told_of = [change("ADDED", pod(name, number)) for number, name in enumerate("abcd", 6)]
    async with scene(allowance=Allowance(list_objects=3)) as s:
        s.on(json(listing(5, pod("z", 1))), events(*told_of, then="silence"))
        found = await heard(s.watch, 5)

    assert told(found) == "ADDED z, SYNCED, ADDED a, ADDED b, TROUBLE"
    assert "more than 3 objects" in str(found[4].problem)
    assert s.watch._client.room.taken == 0  # nobody watches any more


async def test_what_is_no_object_ends_no_watch_but_is_a_trouble_of_it() -> None:
    odd = [{"type": "ADDED", "object": obj} for obj in (7, {"metadata": {"name": {}}})]
    async with scene() as s:
        for told_of in (*odd, {"type": "ERROR", "object": {"code": "x", "details": []}}, [1]):
            s.on(json(listing(5)), events(told_of, then="silence"))  # type: ignore[arg-type] # odd
            found = await heard(Watch(s.watch._client, PODS, s.clock, Random(1), "ns"), 2)

            assert told(found) == "SYNCED, TROUBLE"


def nested(pod: dict[str, Any], levels: int) -> str:
    """The object with so many mappings in each other."""
    return standard_json.dumps(pod)[:-1] + ', "spec": {' + '"a":{' * levels + "}" * levels + "}}"


async def test_an_object_that_is_nested_without_measure_hides_no_other() -> None:
    """CVE-2024-27454: the API server keeps 10,000 levels, and our reader 1,024."""
    deep = nested(pod("deep", 6), 2_000)

    async def listed(_: web.Request) -> web.Response:
        text = standard_json.dumps(listing(5, pod("a", 1), pod("b", 2)))
        return web.Response(text=text.replace("[{", f"[{deep}, {{"))

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        changed = f'{{"type": "MODIFIED", "object": {nested(pod("deep", 7), 2_000)}}}\n'
        await response.write(changed.encode())
        await response.write(standard_json.dumps(change("ADDED", pod("c", 8))).encode() + b"\n")
        await anyio.sleep_forever()
        return response

    async with scene() as s:
        s.on(listed, stream)
        found = await heard(s.watch, 6)

    assert told(found) == "ADDED deep, ADDED a, ADDED b, SYNCED, MODIFIED deep, ADDED c"
    assert found[4].obj["metadata"]["resourceVersion"] == "7"


async def test_a_line_without_end_is_not_kept() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x" * 1001)
        await anyio.sleep_forever()
        return response

    async with scene(allowance=Allowance(answer_bytes=1000)) as s:
        s.on(json(listing(5)), endless)
        found = await heard(s.watch, 2)

    assert told(found) == "SYNCED, TROUBLE"
    assert "no event ends within 1000 bytes" in str(found[1].problem)
