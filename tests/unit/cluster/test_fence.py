"""A write begins only while the Lease lasts, however long it took to come so far."""

import socket
from random import Random

import pytest

from engine.cluster import LeaseLost, Resource, connected
from engine.cluster.endpoint import Endpoint
from engine.runtime import SystemClock

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
