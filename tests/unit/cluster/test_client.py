import re
import socket
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from aiohttp import web

from engine.cluster import (
    AlreadyExists,
    ApiError,
    Client,
    Conflict,
    Forbidden,
    LeaseLost,
    NotFound,
    Resource,
    Unreachable,
    connected,
)
from engine.cluster.client import Listing
from engine.cluster.credentials import TokenFile
from engine.cluster.endpoint import Endpoint
from engine.cluster.errors import TooManyRequests, Unavailable
from engine.cluster.sender import Report
from engine.cluster.transport import NotSent
from engine.runtime import Priority
from engine.telemetry import reconciling, span
from tests.support.clock import ImpatientClock
from tests.support.observing import traced
from tests.support.scripted_api import (
    ScriptedApi,
    cut,
    echo,
    events,
    hang,
    json,
    scripted_api,
    status,
)

CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", namespaced=True)
PATH = "/api/v1/namespaces/ns/configmaps"
ONE = f"{PATH}/one"
OBJ = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": "ns"}}


@dataclass
class Scene:
    api: ScriptedApi
    client: Client
    clock: ImpatientClock
    reports: list[Report]


@asynccontextmanager
async def scene(**endpoint: Any) -> AsyncIterator[Scene]:
    async with scripted_api() as api:
        clock, reports = ImpatientClock(), list[Report]()
        where = Endpoint(api.url, **endpoint)
        async with connected(where, clock, Random(1), observer=reports.append) as client:
            yield Scene(api, client, clock, reports)


async def test_an_object_is_read_and_a_missing_one_is_none() -> None:
    async with scene() as s:
        s.api.on("GET", ONE, json(OBJ))

        assert await s.client.get(CONFIG_MAPS, "ns", "one") == OBJ
        assert await s.client.get(CONFIG_MAPS, "ns", "two") is None
        assert s.api.seen[0].headers["User-Agent"].startswith("lockstep/")


async def test_an_apply_says_who_and_how() -> None:
    async with scene() as s:
        s.api.on("PATCH", ONE, echo())
        await s.client.apply(CONFIG_MAPS, OBJ, manager="me", force=True, dry_run=True)

    (seen,) = s.api.seen
    assert seen.query == {"fieldManager": "me", "force": "true", "dryRun": "All"}
    assert seen.headers["Content-Type"] == "application/apply-patch+yaml"
    assert seen.body == OBJ


async def test_patches_name_their_form_and_their_subresource() -> None:
    async with scene() as s:
        for path in (ONE, f"{ONE}/status"):
            s.api.on("PATCH", path, json(OBJ))
        patch = {"status": {"a": 1}}
        await s.client.merge_patch(
            CONFIG_MAPS, "ns", "one", patch, subresource="status", field_manager="me"
        )
        await s.client.json_patch(CONFIG_MAPS, "ns", "one", [{"op": "remove", "path": "/data"}])

    first, second = s.api.seen
    assert (first.path, first.query) == (f"{ONE}/status", {"fieldManager": "me"})
    assert first.headers["Content-Type"] == "application/merge-patch+json"
    assert second.headers["Content-Type"] == "application/json-patch+json"
    assert second.body == [{"op": "remove", "path": "/data"}]


async def test_a_create_goes_to_the_collection_and_a_subresource_to_its_object() -> None:
    async with scene() as s:
        s.api.on("POST", PATH, status(409, "there", reason="AlreadyExists"))
        s.api.on("POST", f"{ONE}/token", echo())
        with pytest.raises(AlreadyExists, match="there"):
            await s.client.create(CONFIG_MAPS, OBJ)
        await s.client.create(CONFIG_MAPS, {}, "ns", "one", subresource="token")

    assert [seen.path for seen in s.api.seen] == [PATH, f"{ONE}/token"]


async def test_a_delete_carries_what_was_judged() -> None:
    async with scene() as s:
        s.api.on("DELETE", ONE, json({"kind": "Status", "status": "Success"}), status(409, "other"))
        gone = await s.client.delete(CONFIG_MAPS, "ns", "one", uid="u", resource_version="7")
        with pytest.raises(Conflict):
            await s.client.delete(CONFIG_MAPS, "ns", "one", uid="u")

        assert await s.client.delete(CONFIG_MAPS, "ns", "two", uid="u") is None
    assert gone == {"kind": "Status", "status": "Success"}
    assert s.api.seen[0].body["preconditions"] == {"uid": "u", "resourceVersion": "7"}
    assert s.api.seen[0].body["propagationPolicy"] == "Background"


def page(names: str, token: str = "") -> dict[str, Any]:
    items = [{"metadata": {"name": name}} for name in names]
    return {"items": items, "metadata": {"resourceVersion": "9", "continue": token}}


def names(listing: Listing) -> str:
    return "".join(obj["metadata"]["name"] for obj in listing.items)


async def test_a_list_is_read_page_by_page_and_its_items_know_their_kind() -> None:
    async with scene() as s:
        s.api.on("GET", PATH, json(page("ab", "more")), json(page("c")))
        listing = await s.client.list(
            CONFIG_MAPS, "ns", limit=2, label_selector="a=b,c", resource_version="0"
        )

    assert (names(listing), listing.resource_version) == ("abc", "9")
    assert listing.items[0]["kind"] == "ConfigMap"
    common = {"labelSelector": "a=b,c", "limit": "2"}
    assert s.api.seen[0].query == {**common, "resourceVersion": "0"}
    assert s.api.seen[1].query == {**common, "continue": "more"}


async def test_a_list_whose_token_ran_out_is_begun_again_in_one_piece() -> None:
    async with scene() as s:
        s.api.on("GET", PATH, json(page("ab", "t")), status(410, "old"), json(page("xyz")))

        assert names(await s.client.list(CONFIG_MAPS, "ns")) == "xyz"
    assert "limit" not in s.api.seen[2].query


async def test_only_metadata_is_asked_for_when_that_is_enough() -> None:
    async with scene() as s:
        partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {}}
        s.api.on("GET", ONE, json(partial))
        obj = await s.client.get(CONFIG_MAPS, "ns", "one", metadata_only=True)

    assert obj == {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {}}
    assert "as=PartialObjectMetadata;" in s.api.seen[0].headers["Accept"]


async def test_a_request_shed_for_load_is_sent_again_when_the_server_says() -> None:
    async with scene() as s:
        s.api.on("POST", PATH, status(429, "busy", Retry_After="7"), echo())
        await s.client.create(CONFIG_MAPS, OBJ)

    assert max(s.clock.slept) == 7
    assert s.client.statistics().retries == 1
    assert s.client.statistics().refused == {429: 1}


@pytest.mark.parametrize("code", [429, 503])
async def test_a_watch_refused_for_load_makes_everybody_wait(code: int) -> None:
    async with scene() as s:
        s.api.on("GET", PATH, status(code, "busy", Retry_After="7"))
        with pytest.raises(ApiError, match="busy"):
            await anext(_chunks(s.client))
        limiter = s.client.statistics().limiter

    assert (limiter.rejected, round(limiter.resumes_in)) == (1, 7)


async def _chunks(client: Client) -> AsyncIterator[bytes]:
    """The chunks of a watch."""
    async with client.stream(CONFIG_MAPS, "ns", {}, {}) as stream:
        yield await stream.chunk()


@pytest.mark.parametrize("code", [429, 503])
async def test_a_request_refused_for_load_makes_everybody_wait(code: int) -> None:
    async with scene() as s:
        s.api.on("GET", ONE, status(code, "busy", Retry_After="7"), json(OBJ))
        s.api.on("GET", PATH, json(page("a")))
        began = s.clock.monotonic()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(s.client.get, CONFIG_MAPS, "ns", "one")
            await _until(lambda: s.client.statistics().limiter.rejected > 0)
            await s.client.list(CONFIG_MAPS, "ns")

        assert s.clock.monotonic() - began >= 7
        assert s.client.statistics().limiter.rejected == 1


async def _until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await anyio.lowlevel.checkpoint()


async def test_a_kind_that_was_defined_just_now_holds_nobody_else_back() -> None:
    async with scene() as s:
        s.api.on("GET", ONE, status(429, "storage is (re)initializing", Retry_After="7"))
        with pytest.raises(TooManyRequests):
            await s.client.get(CONFIG_MAPS, "ns", "one")

        assert s.client.statistics().limiter.rejected == 0


async def test_a_refusal_of_events_by_their_own_limit_holds_nobody_else_back() -> None:
    resource = Resource("", "v1", "Event", "events", namespaced=True)
    async with scene() as s:
        s.api.on("POST", "/api/v1/namespaces/ns/events", status(429, "limit", Retry_After="7"))
        with pytest.raises(TooManyRequests):
            await s.client.create(resource, OBJ)

        assert s.client.statistics().limiter.rejected == 0


async def test_what_may_have_been_acted_on_is_not_repeated_because_a_proxy_says_so() -> None:
    async with scene() as s:
        s.api.on("POST", PATH, status(504, "proxy", Retry_After="1"), echo())
        with pytest.raises(Unavailable):
            await s.client.create(CONFIG_MAPS, OBJ)
        s.api.on("POST", PATH, status(503, "starting", Retry_After="1"), echo())
        s.api.on("PATCH", ONE, status(504, "proxy", Retry_After="1"), echo())
        await s.client.create(CONFIG_MAPS, OBJ)
        await s.client.apply(CONFIG_MAPS, OBJ, manager="me")

    assert len(s.api.asked("POST")) == 3


async def test_an_object_that_is_nested_too_deep_is_not_read_in_part() -> None:
    """What is read is written back, or compared with what is to be."""

    async def deep(_: web.Request) -> web.Response:
        text = '{"metadata":{"name":"a"},"spec":' + '{"a":' * 2_000 + "1" + "}" * 2_001
        return web.Response(text=text)

    async with scene() as s:
        s.api.on("GET", f"{PATH}/a", deep)
        with pytest.raises(ApiError, match="nested too deep to be read whole: take out of it"):
            await s.client.get(CONFIG_MAPS, "ns", "a")


async def test_an_answer_that_is_no_json_is_an_error_of_the_api_server() -> None:
    async def portal(_: web.Request) -> web.Response:
        return web.Response(text="<html>please log in</html>", content_type="text/html")

    async with scene() as s:
        for method, path in (("GET", ONE), ("GET", PATH), ("PATCH", ONE)):
            s.api.on(method, path, portal)
        for asked in (
            s.client.get(CONFIG_MAPS, "ns", "one"),
            s.client.list(CONFIG_MAPS, "ns"),
            s.client.apply(CONFIG_MAPS, OBJ, manager="me"),
        ):
            with pytest.raises(ApiError, match=r"configmaps.*: not JSON but 26 bytes of text/html"):
                await asked


async def test_watches_are_counted_while_they_are_open() -> None:
    async with scene() as s:
        s.api.on("GET", PATH, events(then="silence"))
        async with s.client.stream(CONFIG_MAPS, "ns", {}, {}):
            open_ones = s.client.statistics().limiter
            with pytest.raises(NotFound):
                async with s.client.stream(CONFIG_MAPS, "none", {}, {}):
                    pytest.fail("there is none")
        after = s.client.statistics().limiter

    assert (open_ones.watches, open_ones.in_flight, after.watches) == (1, 0, 0)


async def test_a_server_that_accepts_but_never_speaks_knows_nothing_of_the_request() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # the system accepts for it
        port = listener.getsockname()[1]
        endpoint = Endpoint(f"https://127.0.0.1:{port}", request_timeout=0.05)
        async with connected(endpoint, ImpatientClock(), Random(1)) as client:
            with pytest.raises(NotSent, match="no connection in time"):
                await client.get(CONFIG_MAPS, "ns", "one")


async def test_no_answer_in_time_lowers_what_is_sent_at_once() -> None:
    async with scene(request_timeout=0.02) as s:
        s.api.on("GET", ONE, hang, json(OBJ))
        await s.client.get(CONFIG_MAPS, "ns", "one")

        assert s.client.statistics().limiter.limit == 11


async def test_audit_logs_are_told_whose_work_it_is() -> None:
    async with (
        scripted_api() as api,
        connected(Endpoint(api.url), ImpatientClock(), Random(1), role="a-controller") as client,
    ):
        await client.get(CONFIG_MAPS, "ns", "one")

    agent = api.seen[0].headers["User-Agent"]
    assert re.fullmatch(r"lockstep/\d\S* \(a-controller\)", agent)


async def test_retries_end() -> None:
    async with scene() as s:
        s.api.on("GET", ONE, status(429, "busy", Retry_After="1"))
        s.api.on("GET", PATH, status(503, "starting"))
        with pytest.raises(TooManyRequests):
            await s.client.get(CONFIG_MAPS, "ns", "one")
        with pytest.raises(Unavailable):
            await s.client.list(CONFIG_MAPS, "ns")

    assert (len(s.api.asked("GET", ONE)), len(s.api.asked("GET", PATH))) == (10, 5)


async def test_a_broken_connection_is_repeated_only_where_that_does_no_harm() -> None:
    async with scene() as s:
        s.api.on("PATCH", ONE, cut, json(OBJ))
        s.api.on("POST", PATH, cut, json(OBJ))
        s.api.on("DELETE", ONE, cut, json({}))
        await s.client.apply(CONFIG_MAPS, OBJ, manager="me")
        await s.client.delete(CONFIG_MAPS, "ns", "one", uid="u")
        with pytest.raises(Unreachable):
            await s.client.create(CONFIG_MAPS, OBJ)
        s.api.on("PATCH", ONE, cut, json(OBJ))
        with pytest.raises(Unreachable):
            await s.client.json_patch(CONFIG_MAPS, "ns", "one", [])

    assert len(s.api.asked("POST")) == 1


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    async with connected(Endpoint("http://127.0.0.1:1"), ImpatientClock(), Random(1)) as client:
        with pytest.raises(
            Unreachable, match=r"GET http://127.0.0.1:1/version: Connection refused"
        ):
            await client.document("/version")

        assert client.statistics().requests == {("get", "/version"): 5}


async def test_other_refusals_are_not_repeated() -> None:
    async with scene() as s:
        s.api.on("GET", ONE, status(403, "no"))
        s.api.on("PATCH", ONE, status(500, "broken"))
        with pytest.raises(Forbidden):
            await s.client.get(CONFIG_MAPS, "ns", "one")
        with pytest.raises(ApiError, match="broken"):
            await s.client.apply(CONFIG_MAPS, OBJ, manager="me")

    assert len(s.api.seen) == 2


async def test_a_silent_server_is_given_up_by_the_endpoints_bound() -> None:
    async with scene(request_timeout=0.02) as s:
        s.api.on("POST", PATH, hang)
        s.api.on("GET", ONE, hang, json(OBJ))
        with pytest.raises(Unreachable, match="no answer in time"):
            await s.client.create(CONFIG_MAPS, OBJ)

        assert await s.client.get(CONFIG_MAPS, "ns", "one") == OBJ


async def test_the_callers_deadline_ends_everything_and_frees_the_slot() -> None:
    async with scene() as s:
        s.api.on("GET", ONE, hang)
        with anyio.move_on_after(0.02) as scope:
            await s.client.get(CONFIG_MAPS, "ns", "one")

    assert scope.cancelled_caught
    assert s.client._sender.line.limiter.statistics().in_flight == 0


async def test_an_expired_token_is_read_again_once(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    async with scene(credentials=TokenFile(file)) as s:
        s.api.on("GET", ONE, json(OBJ), status(401, "expired"), json(OBJ), status(401, "no"))
        await s.client.get(CONFIG_MAPS, "ns", "one")
        file.write_text("new")
        await s.client.get(CONFIG_MAPS, "ns", "one")
        with pytest.raises(ApiError, match="no"):
            await s.client.get(CONFIG_MAPS, "ns", "one")

    tokens = [seen.headers["Authorization"].split()[1] for seen in s.api.seen]
    assert tokens == ["old", "old", "new", "new", "new"]


async def test_the_fence_is_asked_before_each_try_of_a_write_and_of_nothing_else() -> None:
    asked = 0

    def fence() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise LeaseLost

    async with scene() as s:
        s.api.on("GET", ONE, json(OBJ))
        s.api.on("PATCH", ONE, cut, echo())
        client = s.client.fenced(fence).at(Priority.DRIFT)
        await client.get(CONFIG_MAPS, "ns", "one")
        await client.apply(CONFIG_MAPS, OBJ, manager="me", dry_run=True)
        assert asked == 0
        s.api.on("PATCH", ONE, cut, echo())
        await client.apply(CONFIG_MAPS, OBJ, manager="me")
        assert asked == 2
        with pytest.raises(LeaseLost):
            await client.delete(CONFIG_MAPS, "ns", "one")

    assert not s.api.asked("DELETE")


async def test_views_act_as_others_and_share_everything() -> None:
    async with scene() as s:
        s.api.on("GET", ONE, json(OBJ))
        view = s.client.impersonating("system:serviceaccount:ns:sa").at(Priority.MANUAL)
        await view.get(CONFIG_MAPS, "ns", "one")
        await s.client.get(CONFIG_MAPS, "ns", "one")

    assert [x.headers.get("Impersonate-User") for x in s.api.seen] == [
        "system:serviceaccount:ns:sa",
        None,
    ]
    assert view.discovery is s.client.discovery
    assert s.client.statistics().requests == {("get", "configmaps"): 2}
    assert [report.priority for report in s.reports] == [Priority.MANUAL, Priority.INTERVAL]
    assert (s.reports[0].verb, s.reports[0].status) == ("get", 200)
    assert "as system:serviceaccount:ns:sa" in repr(view)


async def test_a_marked_endpoint_marks_what_is_asked_as_others_and_nothing_else() -> None:
    async with scene(mark="flux-system/lockstep") as s:
        s.api.on("GET", ONE, json(OBJ))
        await s.client.impersonating("system:serviceaccount:ns:sa").get(CONFIG_MAPS, "ns", "one")
        await s.client.get(CONFIG_MAPS, "ns", "one")

    name = "Impersonate-Extra-gitops.lockstep%2Fengine"
    assert [x.headers.get(name) for x in s.api.seen] == ["flux-system/lockstep", None]


async def test_each_try_is_a_span_below_the_stage_that_asks() -> None:
    missing = "/api/v1/namespaces/ns/configmaps/missing"
    with traced() as traces:
        async with scene() as s:
            s.api.on("GET", ONE, status(503, "later"), json(OBJ))
            s.api.on("GET", missing, status(404, "none"))
            s.api.on("PATCH", ONE, status(409, "conflict"))
            with reconciling("Kustomization", "g", "ns", "app", "a change", str), span("plan"):
                await s.client.get(CONFIG_MAPS, "ns", "one")
                await s.client.get(CONFIG_MAPS, "ns", "missing")
                with pytest.raises(Conflict):
                    await s.client.apply(CONFIG_MAPS, OBJ, manager="me")
            await s.client.get(CONFIG_MAPS, "ns", "one")

    (root,) = traces.roots()
    assert traces.tree(root) == {"plan": {"get configmaps": {}, "patch configmaps": {}}}
    found = [
        (each.attributes["http.response.status_code"], each.status.status_code.name)
        for each in traces.spans
        if each.attributes and "url.path" in each.attributes
    ]
    assert found == [(503, "ERROR"), (200, "UNSET"), (404, "UNSET"), (409, "ERROR")]
    carried = [each.headers.get("traceparent", "") for each in s.api.seen]
    assert [f"{root.context.trace_id:032x}" in each for each in carried] == [True] * 4 + [False]


async def test_an_idle_connection_over_tls_holds_a_record_and_not_a_quarter_of_a_mebibyte() -> None:
    async with connected(Endpoint("https://127.0.0.1:1"), ImpatientClock(), Random(1)):
        pass

    assert SSLProtocol.max_size == 16 * 1024  # what each connection gets a buffer of
