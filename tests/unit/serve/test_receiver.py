import threading
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from engine.cluster import Forbidden
from engine.hooks import Genuine
from engine.objects.ref import Object, Ref
from engine.reconcile import receiver_hits
from engine.reconcile.outcome import requested_at
from engine.serve import bodies, connections
from engine.serve.receiver import receiving
from engine.settings import Settings
from tests.support.observing import logged
from tests.support.reconciling import APP, Workshop
from tests.support.webhooks import SENDERS, TOKEN, Door, door

APP_PATCHED = [f"{APP}"]
ENTRY = {"kind": "Kustomization", "name": "app"}


@pytest.fixture(autouse=True)
def short_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends a body that nobody reads has a moment, and not a second, to stop."""
    monkeypatch.setattr(connections, "LINGERING", 0.05)


def asked(here: Door) -> str:
    return requested_at(here.shop.client.objects[APP])


async def test_a_genuine_call_asks_for_a_reconcile_of_what_the_receiver_names() -> None:
    async with door() as here:
        path = here.receiver()

        assert await here.hit(path) == 200
        assert here.patched() == APP_PATCHED
        assert here.shop.pushed[-1] == APP
        assert here.counted() == {"woken": 1}


@pytest.mark.parametrize(
    "path", ["/", "/hook", "/hook/", "/hook/x", "/hook/%2e%2e", "//x", "/metrics"]
)
async def test_a_stranger_learns_nothing_and_its_body_is_not_read(path: str) -> None:
    async with door() as here:
        here.receiver()
        declared = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"

        answer = await here.exchange(declared.encode())

        assert answer.startswith(b"HTTP/1.1 404")
        assert answer.endswith(b"\r\n\r\n")
        assert here.counted() == {"unknown": 1}


async def test_before_all_receivers_are_known_a_stranger_is_told_to_come_again() -> None:
    async with door() as here:
        here.shop.engine.hooks.known.clear()

        assert await here.hit("/hook/x") == 503


async def test_a_path_is_compared_as_it_was_sent() -> None:
    async with door() as here:
        path = here.receiver(type="generic")
        coded = path[:-1] + f"%{ord(path[-1]):x}"

        assert await here.exchange(f"GET {coded} HTTP/1.0\r\n\r\n".encode()) != b""
        assert here.patched() == []
        assert await here.hit(path + "?from=ci", method="GET") == 200


async def test_a_call_that_comes_before_the_run_begins_joins_it_and_one_after_asks_again() -> None:
    async with door() as here:
        path = here.receiver()

        assert [await here.hit(path) for _ in range(3)] == [200, 200, 200]
        assert here.patched() == APP_PATCHED
        first = asked(here)
        await here.shop.run()
        here.patched()
        assert await here.hit(path) == 200
        assert here.patched() == APP_PATCHED

    assert asked(here) > first
    assert here.counted() == {"woken": 2, "joined": 2}


async def test_one_that_was_deleted_and_made_anew_is_asked_again() -> None:
    async with door() as here:
        path = here.receiver()
        await here.hit(path)
        here.patched()
        here.shop.engine.triggers.deleted(here.shop.client.objects.pop(APP))
        here.shop.kustomization()

        assert await here.hit(path) == 200
        assert here.patched() == APP_PATCHED


async def test_an_object_that_another_controller_reconciles_is_asked_by_each_call() -> None:
    entry = {"kind": "HelmRelease", "name": "shop"}
    async with door() as here:
        path = here.receiver(resources=[entry])
        here.shop.client.put(
            {
                "apiVersion": "helm.toolkit.fluxcd.io/v2",
                "kind": "HelmRelease",
                "metadata": {"name": "shop", "namespace": APP.namespace},
            }
        )

        assert [await here.hit(path) for _ in range(2)] == [200, 200]
        assert here.patched() == [f"HelmRelease/{APP.namespace}/shop"] * 2


@pytest.mark.parametrize("extra", [0, 1, 10_000_000])
async def test_a_body_is_cut_off_where_it_is_longer_than_anybodys(extra: int) -> None:
    size = bodies.BODY_BYTES + extra
    async with door() as here:
        path = here.receiver()
        length = f"Connection: close\r\nContent-Length: {size}"
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n"

        answer = await here.exchange(head.encode(), b"x" * (0 if extra > 1 else size))

        assert answer.startswith(b"HTTP/1.1 413" if extra else b"HTTP/1.1 400")
        assert here.patched() == []


async def test_a_body_without_a_length_is_cut_off_while_it_is_read() -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    async with door() as here:
        path = here.receiver()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

        answer = await here.exchange(head.encode(), chunk * 49)

        assert answer.startswith(b"HTTP/1.1 413")


async def test_a_compressed_body_is_not_unpacked() -> None:
    async with door() as here:
        path = here.receiver(type="quay")
        call = SENDERS["quay"].call(body=b"\x1f\x8b\x08\x00").but(Content_Encoding="gzip")

        assert await here.hit(path, call) == 400


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "READ_TIME", 0.05)
    async with door() as here:
        path = here.receiver()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"

        assert (await here.exchange(head.encode())).startswith(b"HTTP/1.1 408")
        assert here.counted() == {"too slow": 1}


async def test_a_caller_who_goes_away_in_its_body_is_no_bug() -> None:
    async with door() as here:
        host, _, port = here.address.rpartition(":")
        head = f"POST {here.receiver()} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        with logged() as log, anyio.fail_after(5):
            async with await anyio.connect_tcp(host, int(port)) as stream:
                await stream.send(f"{head}Content-Length: 10\r\n\r\n".encode())
                await stream.receive()  # it is being read
                await stream.send(b"abc")
            while not here.counted():
                await anyio.lowlevel.checkpoint()

    assert here.counted() == {"broken off": 1}
    assert "bug" not in log.getvalue()
    assert "its body broke off" in log.getvalue()


async def test_a_long_body_is_not_verified_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    real = receiver_hits.verified

    def verified(*call: Any) -> Genuine:
        threads.append(threading.get_ident())
        return real(*call)

    monkeypatch.setattr(receiver_hits, "verified", verified)
    async with door() as here:
        path = here.receiver()
        for size in (10, 100_000):
            call = SENDERS["github"].call(body=b'{"x": "' + b"y" * size + b'"}')
            assert await here.hit(path, call) == 200

    assert [each == threading.get_ident() for each in threads] == [True, False]


async def test_a_header_that_does_not_end_closes_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "HEADER_TIME", 0.05)
    async with door() as here:
        path = here.receiver()

        assert await here.exchange(f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode()) == b""
        assert await here.exchange() == b""


@pytest.mark.parametrize("field", ["c4nary" * 2000, "c4nary\r\na: b" + "\r\na: b" * 200, "\0"])
async def test_headers_without_measure_are_refused_and_not_logged(field: str) -> None:
    async with door() as here:
        path = here.receiver()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nX: {field}\r\n\r\n"

        with logged("debug") as log:
            answer = await here.exchange(head.encode())

    assert answer.split()[1] == b"400"
    assert "Error handling request" in log.getvalue()
    assert "c4nary" not in log.getvalue()


async def test_whoever_opens_connections_and_says_nothing_loses_them_to_those_who_speak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "MOST", 5)
    async with door() as here:
        path = here.receiver()
        host, _, port = here.address.rpartition(":")
        silent = [await anyio.connect_tcp(host, int(port)) for _ in range(12)]

        assert await here.hit(path) == 200
        for each in silent[:8]:
            with pytest.raises(anyio.EndOfStream):
                await each.receive()
        for each in silent:
            await each.aclose()


async def test_bodies_of_one_receiver_do_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "_HELD_BYTES", 4000)
    async with door() as here:
        path, other = here.receiver(), here.receiver("other")
        body = b'{"x": "' + b"y" * 1500 + b'"}'

        assert await here.hit(path, SENDERS["github"].call(body=body)) == 503
        assert await here.hit(other) == 200
        assert await here.hit(path) == 200
        assert here.counted()["busy"] == 1


async def test_more_receivers_are_no_more_room_for_a_tenant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "_HELD_BYTES", 4000)
    async with door() as here:
        path, other = here.receiver(), here.receiver("other")
        host, _, port = here.address.rpartition(":")
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(f"{head}Content-Length: 1000\r\n\r\n".encode())
            await stream.receive()  # it is being read
            await stream.send(b"x" * 900)

            assert await here.hit(other) == 503


async def test_a_suspended_receiver_and_one_that_is_not_ready_take_no_call() -> None:
    async with door() as here:
        suspended, closed = here.receiver(suspend=True), here.receiver("closed")
        hooks = here.shop.engine.hooks
        found = hooks.find(closed)
        assert found is not None
        hooks.forget(found.ref)
        hooks.heard(_with_path(here.shop.engine.mirror.get(found.ref) or {}, closed))

        assert [await here.hit(path) for path in (suspended, closed)] == [503, 503]
        assert here.patched() == []
        assert here.counted() == {"suspended": 1, "not ready": 1}


def _with_path(obj: Object, path: str) -> Object:
    return {**obj, "status": {"webhookPath": path}}


async def test_a_token_that_was_changed_counts_within_seconds_and_the_receiver_runs_again() -> None:
    async with door() as here:
        path = here.receiver()
        here.secret("another")
        receiver_ref = here.shop.engine.hooks.find(path)
        assert receiver_ref is not None
        await here.shop.clock.sleep(6)

        assert await here.hit(path) == 400
        assert await here.hit(path, SENDERS["github"].call("another")) == 200


@pytest.mark.parametrize("kind", [kind for kind, each in SENDERS.items() if each.prove is None])
async def test_a_path_that_alone_proves_a_call_does_so_no_more_once_its_token_changed(
    kind: str,
) -> None:
    async with door() as here:
        path = here.receiver(type=kind)
        assert await here.hit(path, SENDERS[kind].call()) == 200
        here.patched()
        here.secret("another")
        await here.shop.clock.sleep(6)

        assert await here.hit(path, SENDERS[kind].call()) == 400
        assert here.patched() == []


async def test_a_call_that_could_not_be_passed_on_fails_and_the_next_one_tries_again() -> None:
    async with door() as here:
        path = here.receiver(resources=[{"kind": "Kustomization", "name": "missing"}, ENTRY])
        here.shop.client.refuse(f"patch {APP}", Forbidden(403, "Forbidden", "no"))

        with logged() as log:
            assert await here.hit(path) == 500
            assert here.patched() == APP_PATCHED
            assert await here.hit(path) == 500
        assert here.patched() == APP_PATCHED

    assert "Kustomization/missing" in log.getvalue()
    assert asked(here)


async def test_an_object_of_another_namespace_is_not_asked_where_tenancy_forbids_it() -> None:
    async with door(no_cross_namespace_refs=True) as here:
        path = here.receiver(resources=[{**ENTRY, "namespace": "elsewhere"}, ENTRY])

        assert await here.hit(path) == 500
        assert here.patched() == APP_PATCHED


async def test_nothing_that_a_caller_says_is_ever_told(capfd: pytest.CaptureFixture[str]) -> None:
    async with door() as here:
        with logged("debug") as log:
            path = here.receiver(resourceFilter="req.secret.missing == 1")
            call = SENDERS["github"].call(body=b'{"secret": {"c4nary": "c4nary"}}')
            assert await here.hit(path, call.but(X_C4nary="c4nary")) == 500
            assert await here.hit(path, call.but(X_Hub_Signature_256="sha256=c4nary")) == 400
            assert await here.hit("/hook/c4nary") == 404
            await here.shop.engine.recorder.drain()

    told = log.getvalue() + "".join(here.shop.told()) + "".join(capfd.readouterr())
    assert "has no value" in told
    for secret in ("c4nary", TOKEN, path):
        assert secret not in told


async def test_a_flood_of_refused_calls_is_two_lines_and_one_event() -> None:
    async with door() as here:
        path = here.receiver()
        wrong = SENDERS["github"].call("wrong")
        with logged() as log:
            for _ in range(5):
                assert await here.hit(path, wrong) == 400
            await here.shop.clock.sleep(11)
            assert await here.hit(path, wrong) == 400
        await here.shop.engine.recorder.drain()

    lines = log.getvalue().splitlines()
    assert len(lines) == 2
    assert "4 more calls like this" in lines[1]
    (event,) = here.shop.told()
    assert event.startswith("Warning WebhookRefused: a call of the webhook did nothing: header")


@pytest.mark.slow
async def test_a_flood_of_calls_loses_none_and_asks_once_for_each_run() -> None:
    runs = 4
    async with door() as here:
        path = here.receiver()
        for _ in range(runs):
            async with anyio.create_task_group() as callers:
                for _ in range(50):
                    callers.start_soon(here.hit, path)
            await here.shop.run()

    assert here.counted() == {"woken": runs, "joined": 49 * runs}


@pytest.mark.parametrize("is_known", [True, False])
async def test_objects_with_a_label_are_found_in_memory_where_all_are_known(is_known: bool) -> None:
    entry = {"kind": "Kustomization", "name": "*", "matchLabels": {"team": "a"}}
    async with door() as here:
        here.shop.annotate({})
        app = here.shop.client.objects[APP]
        here.shop.tell({**app, "metadata": {**app["metadata"], "labels": {"team": "a", "x": "y"}}})
        here.shop.kustomization(Ref(APP.group, APP.kind, APP.namespace, "other"))
        if is_known:
            here.shop.engine.hooks.whole.add((APP.group, APP.kind))
        path = here.receiver(resources=[entry])

        assert await here.hit(path) == 200
        assert [each for each in here.shop.client.calls if "list" in each] == (
            [] if is_known else ["list Kustomization"]
        )
        assert here.patched() == APP_PATCHED


async def test_nothing_with_the_label_is_no_error_and_no_label_is_one() -> None:
    entry = {"kind": "Kustomization", "name": "*"}
    async with door() as here:
        none = here.receiver(resources=[{**entry, "matchLabels": {"team": "b"}}])
        bad = here.receiver("bad", resources=[entry])

        with logged() as log:
            assert [await here.hit(none), await here.hit(bad)] == [200, 500]

    assert "nothing has the labels" in log.getvalue()
    assert "matchLabels field not set when using wildcard" in log.getvalue()


async def test_what_two_entries_name_is_asked_once_and_not_called_left_out() -> None:
    async with door() as here:
        path = here.receiver(resources=[ENTRY, ENTRY])
        with logged() as log:
            assert await here.hit(path) == 200

    assert here.patched() == APP_PATCHED
    assert "left out" not in log.getvalue()


async def test_an_event_names_no_object_of_another_namespace() -> None:
    entries = [ENTRY, *({**ENTRY, "namespace": "theirs", "name": name} for name in ("x", "y"))]
    other = Ref(APP.group, APP.kind, "theirs", "x")
    async with door() as here:
        here.shop.kustomization(other)
        path = here.receiver(resources=entries)

        assert await here.hit(path) == 500
        await here.shop.engine.recorder.drain()

    (said,) = here.shop.told()
    assert said == (
        f"Warning WebhookFailed: a call of the webhook: asked for a reconcile of {APP}, 1 more; "
        "not 1 of other namespaces: the engine's log says why"
    )


async def test_a_request_without_a_body_and_with_an_expectation_is_answered() -> None:
    async with door() as here:
        path = here.receiver(type="generic")
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        expecting = f"{head}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"

        assert (await here.exchange(f"{head}\r\n".encode())).startswith(b"HTTP/1.1 200")
        answer = await here.exchange(expecting.encode(), b"{}")

    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")


async def test_without_an_address_and_beside_another_receiver_of_events_nothing_is_served() -> None:
    for settings in (Settings(receiver_addr=""), Settings(events_addr="http://flux/")):
        async with receiving(Workshop(settings=settings).engine, pytest.fail):
            pass
    assert Settings(events_addr="http://flux/", receiver_addr=":9293").serves_receivers
