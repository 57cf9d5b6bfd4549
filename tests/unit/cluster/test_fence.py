"""A write begins only while the Lease lasts, however long it took to come so far."""

import socket
from random import Random

import anyio
import pytest

from engine.cluster import LeaseLost, Resource, connected
from engine.cluster.endpoint import Endpoint
from engine.runtime import SystemClock
from tests.support.scripted_api import hang, scripted_api

CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", namespaced=True)


async def test_the_fence_is_asked_when_the_connection_stands_and_before_the_first_byte() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        accepted: list[socket.socket] = []

        def fence() -> None:
            accepted.append(listener.accept()[0])  # fails if nobody has connected yet
            raise LeaseLost("it is over")

        host, port = listener.getsockname()
        endpoint = Endpoint(f"http://{host}:{port}")
        async with connected(endpoint, SystemClock(), Random(0)) as client:
            with pytest.raises(LeaseLost, match="it is over"):
                await client.fenced(fence).merge_patch(CONFIG_MAPS, "default", "web", {})

        with accepted[0] as connection:
            assert connection.recv(1) == b""


@pytest.mark.parametrize(("dry_run", "is_doubtful"), [(False, True), (True, False)])
async def test_a_write_that_was_given_up_is_remembered(dry_run: bool, is_doubtful: bool) -> None:
    async with scripted_api() as api:
        api.on("PATCH", "/api/v1/namespaces/default/configmaps/web", hang)
        clock = SystemClock()
        async with connected(Endpoint(api.url), clock, Random(0)) as client:
            writer = client.fenced(lambda: None)
            with anyio.move_on_after(0.1):
                await writer.merge_patch(CONFIG_MAPS, "default", "web", {}, dry_run=dry_run)

            assert (client.doubtful_until > clock.monotonic() + 10) is is_doubtful
