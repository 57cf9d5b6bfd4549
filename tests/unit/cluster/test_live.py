from random import Random

import pytest

from engine.cluster import Forbidden, connected
from engine.cluster.endpoint import Endpoint
from engine.cluster.live import FetchedLive
from engine.objects.ref import Ref
from tests.support.clock import ImpatientClock
from tests.support.scripted_api import ScriptedApi, json, scripted_api, status

PODS = {"resources": [{"name": "pods", "kind": "Pod", "namespaced": True}]}
HERE, GONE, SECRET = (Ref("", "Pod", "ns", name) for name in ("here", "gone", "secret"))
UNSERVED = Ref("example.com", "Widget", "ns", "w")


def serve_pods(api: ScriptedApi) -> None:
    api.on("GET", "/api", json({"versions": ["v1"]}))
    api.on("GET", "/apis", json({"groups": []}))
    api.on("GET", "/api/v1", json(PODS))
    api.on("GET", "/api/v1/namespaces/ns/pods/here", json({"kind": "Pod", "metadata": {}}))
    api.on("GET", "/api/v1/namespaces/ns/pods/secret", status(403, "no"))


async def test_the_view_holds_what_exists_and_nothing_else() -> None:
    async with scripted_api() as api:
        serve_pods(api)
        async with connected(Endpoint(api.url), ImpatientClock(), Random(1)) as client:
            found = await FetchedLive(client).view([HERE, GONE, UNSERVED, HERE], {HERE: "v1"})

    assert found == {HERE: {"kind": "Pod", "metadata": {}}}
    assert len(api.asked("GET", "/api/v1/namespaces/ns/pods/here")) == 1


async def test_an_object_that_may_not_be_read_fails_the_view() -> None:
    async with scripted_api() as api:
        serve_pods(api)
        async with connected(Endpoint(api.url), ImpatientClock(), Random(1)) as client:
            with pytest.raises(Forbidden, match="no"):
                await FetchedLive(client, in_flight=2).view([HERE, SECRET], {})
