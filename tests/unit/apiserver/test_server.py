from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from engine.apiserver import Server, serve

JSON = {"Content-Type": "application/json"}
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


async def test_openapi_2_is_answered_in_the_form_asked_for(session: aiohttp.ClientSession) -> None:
    form = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"

    plain = await fetch(session, "/openapi/v2")
    async with session.get("/openapi/v2", headers={"Accept": form}) as response:
        packed = await response.read()

    assert plain["swagger"] == "2.0"
    assert response.content_type == form.replace("@", ".")
    assert packed.startswith(b"\x0a\x032.0")


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


async def status_of(session: aiohttp.ClientSession, path: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with session.get(path, headers=headers) as response:
        body = await response.read()
    if response.status == 401:
        status = orjson.loads(body)
        assert (status["kind"], status["reason"]) == ("Status", "Unauthorized")
    return response.status


@pytest.mark.parametrize("path", [MAPS, "/apis", "/version", "/livez", "/nowhere"])
async def test_a_wrong_token_opens_nothing(session: aiohttp.ClientSession, path: str) -> None:
    assert await status_of(session, path, "wrong") == 401


async def test_the_token_of_the_kubeconfig_is_good_at_its_own_server_only(
    server: Server, session: aiohttp.ClientSession
) -> None:
    token = server.kubeconfig()["users"][0]["user"]["token"]

    async with serve() as other, aiohttp.ClientSession(other.url) as elsewhere:
        assert await status_of(session, MAPS, token) == 200
        assert await status_of(elsewhere, MAPS, token) == 401


async def test_a_token_for_somebody_else_is_good_for_nothing_here(
    session: aiohttp.ClientSession,
) -> None:
    account = "/api/v1/namespaces/default/serviceaccounts/default/token"
    reviews = "/apis/authentication.k8s.io/v1"
    async with session.post(account, json={"spec": {"audiences": ["a"]}}) as response:
        token = (await response.json())["status"]["token"]

    async def is_good(**spec: list[str]) -> bool:
        asked = {"spec": {"token": token, **spec}}
        async with session.post(f"{reviews}/tokenreviews", json=asked) as response:
            return bool((await response.json())["status"]["authenticated"])

    assert not await is_good()
    assert not await is_good(audiences=["b"])
    assert await is_good(audiences=["b", "a"])
    headers = {"Authorization": f"Bearer {token}"}
    async with session.get("/api/v1/namespaces", headers=headers) as response:
        assert response.status == 401


async def test_a_token_of_a_service_account_says_whose_it_is(
    session: aiohttp.ClientSession,
) -> None:
    account = "/api/v1/namespaces/default/serviceaccounts/default/token"
    reviews = "/apis/authentication.k8s.io/v1"
    async with session.post(account, json={}) as response:
        token = (await response.json())["status"]["token"]
    headers = {"Authorization": f"Bearer {token}"}

    async with session.post(f"{reviews}/selfsubjectreviews", json={}, headers=headers) as response:
        asked = (await response.json())["status"]["userInfo"]
    async with session.post(f"{reviews}/tokenreviews", json={"spec": {"token": token}}) as response:
        reviewed = (await response.json())["status"]
    forged = token[:-4] + "AAAA"
    async with session.post(
        f"{reviews}/tokenreviews", json={"spec": {"token": forged}}
    ) as response:
        refused = (await response.json())["status"]

    assert asked["username"] == "system:serviceaccount:default:default"
    audiences = ["https://kubernetes.default.svc"]
    assert reviewed == {"authenticated": True, "user": asked, "audiences": audiences}
    assert refused["authenticated"] is False
    assert await status_of(session, MAPS, forged) == 401


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
async def test_a_body_over_the_limit_is_refused(
    session: aiohttp.ClientSession, method: str
) -> None:
    path = MAPS if method == "POST" else f"{MAPS}/a?fieldManager=f"
    headers = {"Content-Type": "application/apply-patch+yaml" if method == "PATCH" else ""}

    async with session.request(
        method, path, data=BytesIO(b" " * (3 * 1024 * 1024 + 1)), headers=headers
    ) as response:
        status = orjson.loads(await response.read())

    assert (response.status, status["code"]) == (413, 413)
    assert status["reason"] == "RequestEntityTooLarge"
    assert status["message"] == "Request entity too large: limit is 3145728"


async def test_a_body_below_the_limit_is_judged_by_its_kind(
    session: aiohttp.ClientSession,
) -> None:
    body = {"metadata": {"name": "a"}, "data": {"a": "x" * 2 * 1024 * 1024}}

    async with session.post(MAPS, data=BytesIO(orjson.dumps(body)), headers=JSON) as response:
        status = await response.json()

    assert response.status == 422
    assert "may not be more than 1048576 bytes" in status["message"]


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
