"""An API server that a tenant names may be anything: nothing that it says is read without end."""

import gzip
import itertools
import json as standard_json
import zlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

import anyio
import pytest
from aiohttp import web

from engine.cluster import ApiError, Client, Resource, connected
from engine.cluster import discovery as module
from engine.cluster.allowance import Allowance, Room
from engine.cluster.body import Garbled, Overlong, read_body
from engine.cluster.endpoint import Endpoint
from engine.cluster.errors import Excessive
from tests.support.clock import ImpatientClock
from tests.support.scripted_api import Reply, ScriptedApi, json, scripted_api, status

CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", namespaced=True)
PATH = "/api/v1/namespaces/ns/configmaps"
ONE = f"{PATH}/one"
OBJ = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": "ns"}}
SMALL = Allowance(answer_bytes=100_000, answer_time=5.0, list_objects=10, flags="--remote")


@asynccontextmanager
async def hostile(allowance: Allowance = SMALL) -> AsyncIterator[tuple[ScriptedApi, Client]]:
    async with scripted_api() as api:
        endpoint = Endpoint(api.url, allowance=allowance)
        async with connected(endpoint, ImpatientClock(), Random(1)) as client:
            yield api, client


def endless(
    piece: bytes, *, code: int = 200, pause: float = 0.0, encoding: str = "identity"
) -> Reply:
    """An answer that goes on for as long as it is read."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=code, headers={"Content-Encoding": encoding})
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(piece)
                await anyio.sleep(pause)
        return response

    return reply


def packed(body: bytes, encoding: str = "gzip") -> Reply:
    async def reply(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers={"Content-Encoding": encoding})

    return reply


def listed(*names: str, token: str = "") -> dict[str, Any]:
    items = [{"metadata": {"name": name}} for name in names]
    return {"items": items, "metadata": {"resourceVersion": "7", "continue": token}}


async def test_an_answer_without_end_is_given_up_and_names_the_setting() -> None:
    async with hostile() as (api, client):
        api.on("GET", ONE, endless(b"x" * 10_000))
        with pytest.raises(Excessive, match=r"more than 100000 bytes.* --remote-answer-bytes"):
            await client.get(CONFIG_MAPS, "ns", "one")

        assert len(api.asked("GET", ONE)) == 1


async def test_an_answer_that_trickles_is_given_up_and_not_asked_for_again() -> None:
    async with hostile(Allowance(answer_time=0.2)) as (api, client):
        api.on("GET", ONE, endless(b" ", pause=0.02))
        with pytest.raises(Excessive, match=r"no end within 0.2 s.* --api-answer-timeout"):
            await client.get(CONFIG_MAPS, "ns", "one")

        assert len(api.asked("GET", ONE)) == 1


async def test_of_the_text_of_a_refusal_only_the_beginning_is_read() -> None:
    async with hostile(Allowance()) as (api, client):
        api.on("GET", ONE, endless(b"x" * 100_000, code=400))
        with pytest.raises(ApiError, match=r"^HTTP 400: x{500}$"):
            await client.get(CONFIG_MAPS, "ns", "one")


async def test_what_is_packed_is_unpacked_and_counted_so() -> None:
    bomb, fine = gzip.compress(b"0" * 5_000_000), gzip.compress(standard_json.dumps(OBJ).encode())
    async with hostile() as (api, client):
        api.on("GET", ONE, packed(fine), packed(bomb))

        assert await client.get(CONFIG_MAPS, "ns", "one") == OBJ
        assert len(bomb) < 10_000
        with pytest.raises(Excessive):
            await client.get(CONFIG_MAPS, "ns", "one")


@pytest.mark.parametrize(
    ("body", "encoding", "why"),
    [
        (b"no gzip", "gzip", "is no gzip"),
        (gzip.compress(b"{}")[:-4], "gzip", "the end of the answer is missing"),
        (gzip.compress(b"{}") + b"more", "gzip", "goes on after its end"),
        (zlib.compress(b"{}"), "deflate", "not asked for"),
    ],
)
async def test_what_cannot_be_unpacked_is_refused(body: bytes, encoding: str, why: str) -> None:
    async with hostile() as (api, client):
        api.on("GET", ONE, packed(body, encoding))
        with pytest.raises(ApiError, match=why):
            await client.get(CONFIG_MAPS, "ns", "one")


async def test_a_gzip_bomb_is_unpacked_a_piece_at_a_time() -> None:
    room = Room(10**9)
    taken: list[int] = []

    async def chunks() -> AsyncIterator[bytes]:
        for chunk in _cut(gzip.compress(b"0" * 50_000_000), 16_384):
            yield chunk
            taken.append(room.taken)

    with pytest.raises(Overlong):
        await read_body(chunks(), "gzip", 1_000_000, room)
    assert taken == []  # given up inside of the first chunk
    assert room.taken == 0


async def test_what_comes_after_the_end_of_a_gzip_is_not_kept() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield gzip.compress(b"{}")
        yield b"and more"

    with pytest.raises(Garbled):
        await read_body(chunks(), "gzip", 1000, Room(1000))


async def test_answers_that_come_at_the_same_time_have_a_bound_together() -> None:
    came = anyio.Event()
    failed: list[Exception] = []

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b" " * 90_000)
        await came.wait()
        return response

    async with hostile() as (api, client), anyio.create_task_group() as tasks:
        api.on("GET", ONE, half)

        async def ask() -> None:
            try:
                await client.get(CONFIG_MAPS, "ns", "one")
            except ApiError as error:
                failed.append(error)
                came.set()

        for _ in range(3):
            tasks.start_soon(ask)

    assert [type(error) for error in failed].count(Excessive) == 1


async def test_a_list_without_end_is_given_up() -> None:
    tokens = itertools.count()

    async def page(_: web.Request) -> web.StreamResponse:
        return web.json_response(listed("a", token=str(next(tokens))))

    async with hostile() as (api, client):
        api.on("GET", PATH, page)
        with pytest.raises(Excessive, match=r"more than 10 objects.* --remote-list-objects"):
            await client.list(CONFIG_MAPS, "ns")

    assert next(tokens) == 11


async def test_pages_that_lead_to_themselves_are_given_up() -> None:
    async with hostile() as (api, client):
        api.on("GET", PATH, json(listed(token="again")))
        with pytest.raises(Excessive, match="has no end after 0 objects"):
            await client.list(CONFIG_MAPS, "ns")

        assert len(api.asked("GET", PATH)) == 2


async def test_empty_pages_end_with_the_time_of_a_list() -> None:
    tokens, clock = itertools.count(), ImpatientClock()

    async with scripted_api() as api:

        async def page(_: web.Request) -> web.StreamResponse:
            await clock.sleep(10.0)
            return web.json_response(listed(token=str(next(tokens))))

        api.on("GET", PATH, page)
        async with connected(Endpoint(api.url, allowance=SMALL), clock, Random(1)) as client:
            with pytest.raises(Excessive, match="has no end after 0 objects"):
                await client.list(CONFIG_MAPS, "ns")

    assert next(tokens) == 3


async def test_a_list_that_is_too_long_in_one_piece_is_read_in_smaller_ones() -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        if request.query.get("limit") != "25" or "resourceVersion" in request.query:
            return web.json_response({"items": [], "metadata": {}, "padding": "x" * 100_000})
        return web.json_response(listed("a", "b"))

    async with hostile() as (api, client):
        api.on("GET", PATH, page)
        listing = await client.list(CONFIG_MAPS, "ns", resource_version="0", limit=0)

        assert [item["metadata"]["name"] for item in listing.items] == ["a", "b"]
        assert [seen.query.get("limit") for seen in api.seen] == [None, "500", "25"]


async def test_a_list_that_is_kept_as_a_whole_has_a_bound() -> None:
    tokens = itertools.count()

    async def page(_: web.Request) -> web.StreamResponse:
        found = listed("a", token=str(next(tokens))) | {"padding": "x" * 90_000}
        return web.json_response(found)

    async with hostile() as (api, client):
        api.on("GET", PATH, page)
        with pytest.raises(Excessive, match="longer than 800000 bytes"):
            await client.list(CONFIG_MAPS, "ns")


@pytest.mark.parametrize("items", [7, {"a": 1}, [7], [{}], [{"metadata": {"name": 7}}]])
async def test_a_list_of_what_are_no_objects_is_refused(items: Any) -> None:
    async with hostile() as (api, client):
        api.on("GET", PATH, json({"items": items}))
        with pytest.raises(ApiError, match="no list of objects"):
            await client.list(CONFIG_MAPS, "ns")


@pytest.mark.parametrize("answer", [[], 7, None])
async def test_an_answer_that_is_no_object_is_refused(answer: Any) -> None:
    async with hostile() as (api, client):
        api.on("GET", ONE, json(answer))
        with pytest.raises(ApiError, match="not an object but other JSON"):
            await client.get(CONFIG_MAPS, "ns", "one")


@pytest.mark.parametrize("code", [301, 302, 307, 308])
async def test_a_redirect_is_refused_whatever_it_says(code: int) -> None:
    async with hostile() as (api, client):
        api.on("GET", ONE, json(OBJ, code=code, Location=f"{api.url}{PATH}/two"))
        with pytest.raises(ApiError, match="another address, which is not followed"):
            await client.get(CONFIG_MAPS, "ns", "one")

        assert not api.asked("GET", f"{PATH}/two")


async def test_headers_without_end_are_refused() -> None:
    many = {f"X-{number}": "x" for number in range(1000)}
    async with hostile() as (api, client):
        api.on("GET", ONE, json(OBJ, **many))
        with pytest.raises(ApiError):
            await client.get(CONFIG_MAPS, "ns", "one")


async def test_cookies_are_not_kept() -> None:
    async with hostile() as (api, client):
        api.on("GET", ONE, json(OBJ, Set_Cookie="a=b; Path=/"))
        for _ in range(2):
            await client.get(CONFIG_MAPS, "ns", "one")

        assert all("Cookie" not in seen.headers for seen in api.seen)


async def test_nobody_sleeps_for_as_long_as_a_server_says() -> None:
    clock = ImpatientClock()
    async with scripted_api() as api:
        api.on("GET", ONE, status(429, "later", Retry_After="9" * 30), json(OBJ))
        async with connected(Endpoint(api.url), clock, Random(1)) as client:
            began = clock.monotonic()
            assert await client.get(CONFIG_MAPS, "ns", "one") == OBJ

    assert clock.monotonic() - began <= 60.0


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "Status", "code": "x", "details": [], "message": "no"},
        {"kind": "Status", "details": {"causes": [7, "x"]}, "message": "no"},
        {"kind": "Status", "details": {"causes": 7, "retryAfterSeconds": {}}, "message": "no"},
    ],
)
async def test_a_refusal_of_any_shape_is_one(said: dict[str, Any]) -> None:
    async with hostile() as (api, client):
        api.on("GET", ONE, json(said, code=403))
        with pytest.raises(ApiError, match="no"):
            await client.get(CONFIG_MAPS, "ns", "one")


def _group(name: str, kinds: Iterable[Any]) -> dict[str, Any]:
    resources = [{"resource": f"{kind}s", "responseKind": {"kind": kind}} for kind in kinds]
    return {"metadata": {"name": name}, "versions": [{"version": "v1", "resources": resources}]}


async def test_kinds_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KINDS", 10)
    kinds = {"kind": "APIGroupDiscoveryList", "items": [_group("", map(str, range(11)))]}
    async with hostile() as (api, client):
        api.on("GET", "/api", json(kinds))
        with pytest.raises(Excessive, match="more than 10 kinds"):
            await client.discovery.all()


async def test_groups_without_end_are_not_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VERSIONS", 3)
    groups = [{"name": f"g{number}", "versions": [{"version": "v1"}]} for number in range(10)]
    async with hostile() as (api, client):
        api.on("GET", "/api", json({"versions": []}))
        api.on("GET", "/apis", json({"groups": groups}))
        with pytest.raises(Excessive, match="more than 3 versions"):
            await client.discovery.all()

        assert len(api.seen) == 2 + 3


@pytest.mark.parametrize(
    "said",
    [
        {"groups": 7},
        {"groups": [{"name": "x", "versions": [7]}]},
        {"kind": "APIGroupDiscoveryList", "items": [7]},
        {"kind": "APIGroupDiscoveryList", "items": [_group("x", [{"a": 1}])]},
        {"kind": "APIGroupDiscoveryList", "items": [_group({}, ["A"])]},  # type: ignore[arg-type] # odd
    ],
)
async def test_what_is_no_discovery_document_is_refused(said: dict[str, Any]) -> None:
    async with hostile() as (api, client):
        api.on("GET", "/api", json({"versions": []}))
        api.on("GET", "/apis", json(said))
        with pytest.raises(ApiError, match="no discovery document"):
            await client.discovery.all()


def _cut(body: bytes, size: int) -> Iterable[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))
