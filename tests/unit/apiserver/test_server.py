from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from engine.apiserver import Server, serve

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serve() as running:
        yield running


@pytest.fixture
async def session(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as client:
        yield client


async def fetch(session: aiohttp.ClientSession, path: str, **headers: str) -> Any:
    async with session.get(path, headers=headers) as response:
        return orjson.loads(await response.read())


async def test_a_kubeconfig_leads_to_the_server(server: Server) -> None:
    assert server.kubeconfig()["clusters"][0]["cluster"]["server"] == server.url
    assert server.statistics().store.objects > 4


async def test_discovery_in_both_forms(session: aiohttp.ClientSession) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

    plain = await fetch(session, "/apis/apps/v1")
    groups = await fetch(session, "/apis")
    aggregated = await fetch(session, "/apis", Accept=accept)

    assert {row["name"] for row in plain["resources"]} >= {"deployments", "deployments/scale"}
    assert [group["name"] for group in groups["groups"]] == [
        item["metadata"]["name"] for item in aggregated["items"]
    ]


async def test_every_openapi_document_of_the_index_is_served(
    session: aiohttp.ClientSession,
) -> None:
    index = await fetch(session, "/openapi/v3")
    apps = await fetch(session, index["paths"]["apis/apps/v1"]["serverRelativeURL"])

    patch = apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}
    assert "io.k8s.api.core.v1.PodSpec" in apps["components"]["schemas"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/readyz/ping"])
async def test_it_says_that_it_is_well(session: aiohttp.ClientSession, path: str) -> None:
    async with session.get(path) as response:
        assert (response.status, await response.text()) == (200, "ok")


async def test_a_watch_streams_changes(session: aiohttp.ClientSession) -> None:
    query = "?watch=true&resourceVersion=1&fieldSelector=metadata.name=a&timeoutSeconds=5"
    async with session.get(f"{MAPS}{query}") as stream:
        async with session.post(MAPS, json={"metadata": {"name": "a"}}) as response:
            assert response.status == 201
        first = orjson.loads(await stream.content.readline())

    assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "a")


async def test_a_watch_of_a_kind_that_goes_ends(session: aiohttp.ClientSession) -> None:
    body = {
        "metadata": {"name": "things.g.io"},
        "spec": {
            "group": "g.io",
            "scope": "Cluster",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object"}},
                }
            ],
        },
    }
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    async with session.post(path, json=body) as response:
        assert response.status == 201
    async with session.get("/apis/g.io/v1/things?watch=true") as stream:
        async with session.delete(f"{path}/things.g.io") as response:
            assert response.status == 200
        assert await stream.content.read() == b""


async def test_warnings_are_headers(session: aiohttp.ClientSession) -> None:
    body = {"metadata": {"name": "a"}, "foo": 1}

    async with session.post(MAPS, json=body) as response:
        assert response.headers["Warning"] == '299 - "unknown field \\"foo\\""'


async def test_everybody_may_do_everything(session: aiohttp.ClientSession) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    async with session.post(path, json={"spec": {}}) as response:
        assert (await response.json())["status"] == {"allowed": True}


async def test_objects_are_there_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "objects.db"
    body = {"metadata": {"name": "a"}}
    async with (
        serve(storage=file) as first,
        aiohttp.ClientSession(first.url) as session,
        session.post(MAPS, json=body) as response,
    ):
        made = await response.json()

    async with serve(storage=file) as second, aiohttp.ClientSession(second.url) as session:
        found = await fetch(session, f"{MAPS}/a")

    assert found == made
