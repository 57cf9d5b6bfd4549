"""Kustomizations for another cluster: two API servers, one cut off and brought back."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from aiohttp import web

from engine.app import State
from engine.objects.ref import Object
from engine.plan.partition import ANNOTATION, APPROVAL
from tests.support.apiserver import ApiServer, api_server_of, kubeconfig
from tests.support.controlplane import start
from tests.support.fleet import (
    Fleet,
    condition_of,
    config_map,
    has_reason,
    is_at,
    is_checking,
    is_ready,
)
from tests.support.remote import POLL, SECRET, Remote, remote_at, secret
from tests.support.scripted_api import scripted_api

AWAITED = {"apiVersion": "v1", "kind": "ConfigMap", "name": "awaited"}
RESULTS = ("success", "requeue_after", "error")

pytestmark = pytest.mark.limit(120)  # outages, and two control planes on a busy machine


@pytest.fixture(scope="module")
async def other_control_plane() -> AsyncIterator[ApiServer]:
    async with start() as plane:
        yield plane


@pytest.fixture
async def other_embedded(tmp_path: Path) -> AsyncIterator[ApiServer]:
    from engine.apiserver import serve

    folder = tmp_path / "other"
    folder.mkdir()
    async with serve() as server:
        yield api_server_of("embedded", server.kubeconfig(), folder)


@pytest.fixture
def other_server(api_server: ApiServer, request: pytest.FixtureRequest) -> ApiServer:
    """A second one of the same kind."""
    name = "other_embedded" if api_server.name == "embedded" else "other_control_plane"
    server = request.getfixturevalue(name)
    assert isinstance(server, ApiServer)
    return server


@pytest.fixture
async def remote(fleet: Fleet, other_server: ApiServer, tmp_path: Path) -> AsyncIterator[Remote]:
    async with remote_at(other_server, fleet, tmp_path) as remote:
        yield remote


def is_paused(obj: Object) -> bool:
    return "gives no answer since" in str(condition_of(obj).get("message"))


def says(text: str) -> Callable[[Object], bool]:
    def check(obj: Object) -> bool:
        return text in str(condition_of(obj).get("message"))

    return check


def runs_of(state: State) -> float:
    """How many reconciles of Kustomizations have ended."""
    assert state.engine is not None
    series = state.engine.metrics.registry
    name, labels = "controller_runtime_reconcile_total", {"controller": "kustomization"}
    found = (series.get_sample_value(name, {**labels, "result": each}) for each in RESULTS)
    return sum(each or 0.0 for each in found)


async def settled(remote: Remote) -> None:
    """Returns once nothing was asked for a while: the last answers and watches have come."""
    while True:
        if not remote.asked(anyio.current_time() - 1.0):
            return
        await anyio.sleep(POLL)


async def has_run(state: State, times: int) -> None:
    """Returns once so many more reconciles have ended."""
    wanted = runs_of(state) + times
    while True:
        if runs_of(state) >= wanted:
            return
        await anyio.sleep(POLL)


async def events(fleet: Fleet) -> list[str]:
    """`type reason: message` of the Events in the fleet's namespace."""
    resource = await fleet.resource("Event")
    listed = await fleet.client.list(resource, fleet.namespace)
    return [f"{each['type']} {each['reason']}: {each['message']}" for each in listed.items]


@pytest.mark.covers("Kustomization.spec.kubeConfig.secretRef.name")
async def test_objects_are_applied_corrected_pruned_and_deleted_there_and_not_here(
    fleet: Fleet, remote: Remote
) -> None:
    await remote.app({"app/a.yaml": config_map("a", v="1"), "app/b.yaml": config_map("b", v="1")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        assert (await remote.data("a"), await fleet.data("a")) == ({"v": "1"}, None)
        await remote.edit("a", v="9")
        await remote.until_data("a", {"v": "1"})
        commit = fleet.commit({"app/a.yaml": config_map("a", v="2"), "app/b.yaml": None})
        await fleet.request("GitRepository", "fleet", commit)
        await fleet.until("Kustomization", "app", is_at(commit))
        assert (await remote.data("a"), await remote.data("b")) == ({"v": "2"}, None)
        await fleet.delete("Kustomization", "app")
        await fleet.until_gone("Kustomization", "app")

    assert await remote.data("a") is None


async def test_an_unchanged_object_costs_no_request_there(fleet: Fleet, remote: Remote) -> None:
    await remote.app({"app/a.yaml": config_map("a", v="1")}, interval="1s")

    async with fleet.engine() as state:
        await fleet.until("Kustomization", "app", is_ready)
        await settled(remote)
        began = anyio.current_time()
        await has_run(state, 3)

    assert [str(each) for each in remote.asked(began)] == []


async def test_a_cluster_that_is_cut_off_is_paused_told_once_and_goes_on_by_itself(
    fleet: Fleet, remote: Remote
) -> None:
    await remote.app({"app/a.yaml": config_map("a", v="1")}, interval="1s")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        remote.cut()
        commit = fleet.commit({"app/a.yaml": config_map("a", v="2")})
        await fleet.request("GitRepository", "fleet", commit)
        ks = await fleet.until("Kustomization", "app", is_paused)
        message = condition_of(ks)["message"]
        began = anyio.current_time()
        await anyio.sleep(3)
        later = await fleet.get("Kustomization", "app")
        asked = remote.asked(began)
        remote.mend()
        await fleet.until("Kustomization", "app", is_at(commit))

    assert message.startswith(f"cluster '{fleet.namespace}/remote' at {remote.proxy.url} gives no")
    assert later is not None
    assert later["metadata"]["resourceVersion"] == ks["metadata"]["resourceVersion"]
    assert {each.path for each in asked} <= {"/version"}
    assert len(asked) <= 4
    told = [each for each in await events(fleet) if "gives no answer" in each]
    assert len(told) == 1
    assert await remote.data("a") == {"v": "2"}


async def cut_off_and_edited(fleet: Fleet, remote: Remote) -> None:
    """An object there is changed by somebody while nobody can look, and the cluster comes back."""
    await fleet.until("Kustomization", "app", is_ready)
    remote.cut()
    await fleet.request("Kustomization", "app", "look")
    await fleet.until("Kustomization", "app", is_paused)
    await remote.edit("a", v="by hand")
    remote.mend()


async def test_what_others_changed_meanwhile_is_told_before_it_is_overwritten(
    fleet: Fleet, remote: Remote
) -> None:
    await remote.app({"app/a.yaml": config_map("a", v="1"), "app/b.yaml": config_map("b", v="1")})

    async with fleet.engine():
        await cut_off_and_edited(fleet, remote)
        await remote.until_data("a", {"v": "1"})
        await fleet.until("Kustomization", "app", is_ready)

    [told] = [each for each in await events(fleet) if "was out of reach" in each]
    assert told.startswith("Warning DriftDetected: ")
    assert "1 objects were changed there; they are overwritten:" in told
    assert '.data.v is "by hand" (written by kubectl-edit at ' in told
    assert 'in Git "1"' in told
    assert "ConfigMap/" + remote.namespace + "/b" not in told


async def test_it_is_held_until_just_that_is_approved(fleet: Fleet, remote: Remote) -> None:
    await remote.app({"app/a.yaml": config_map("a", v="1")})
    hold = {"metadata": {"annotations": {ANNOTATION: "hold"}}}
    await fleet.patch("Kustomization", "app", hold)

    async with fleet.engine():
        await cut_off_and_edited(fleet, remote)
        ks = await fleet.until("Kustomization", "app", says("nothing is written until"))
        approval = condition_of(ks)["message"].partition(f"{APPROVAL}=")[2].split()[0]
        wrong = {"metadata": {"annotations": {APPROVAL: "0" * 16}}}
        await fleet.patch("Kustomization", "app", wrong)
        await fleet.reconcile("Kustomization", "app")
        held = await remote.data("a")
        right = {"metadata": {"annotations": {APPROVAL: approval}}}
        await fleet.patch("Kustomization", "app", right)
        await fleet.until("Kustomization", "app", is_ready)

    assert held == {"v": "by hand"}
    assert await remote.data("a") == {"v": "1"}


async def test_it_waits_for_a_retry_where_a_warning_comes_first(
    fleet: Fleet, remote: Remote
) -> None:
    await remote.app({"app/a.yaml": config_map("a", v="1")}, retryInterval="2s")

    async with fleet.engine(after_partition="warn"):
        await cut_off_and_edited(fleet, remote)
        await fleet.until("Kustomization", "app", says("they are overwritten at the next retry"))
        warned = await remote.data("a")
        await fleet.until("Kustomization", "app", is_ready)

    assert warned == {"v": "by hand"}
    assert await remote.data("a") == {"v": "1"}


async def test_a_deletion_waits_for_the_cluster_and_says_how_to_do_without(
    fleet: Fleet, remote: Remote
) -> None:
    await remote.app({"app/a.yaml": config_map("a", v="1")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        remote.cut()
        await fleet.delete("Kustomization", "app")
        ks = await fleet.until("Kustomization", "app", is_paused)
        await fleet.patch("Kustomization", "app", {"spec": {"suspend": True}})
        await fleet.until_gone("Kustomization", "app")

    assert (
        "set spec.suspend to true or spec.deletionPolicy to Orphan" in condition_of(ks)["message"]
    )
    assert await remote.data("a") == {"v": "1"}


async def test_a_deletion_goes_on_when_the_cluster_is_back(fleet: Fleet, remote: Remote) -> None:
    await remote.app({"app/a.yaml": config_map("a", v="1")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        remote.cut()
        await fleet.delete("Kustomization", "app")
        await fleet.until("Kustomization", "app", is_paused)
        remote.mend()
        await fleet.until_gone("Kustomization", "app")

    assert await remote.data("a") is None


async def test_a_rename_hands_objects_over_there_too(fleet: Fleet, remote: Remote) -> None:
    await remote.secret("again")
    await remote.app({"app/a.yaml": config_map("a", v="1")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        before = await remote.get("a")
        spec = (await fleet.get("Kustomization", "app") or {})["spec"]
        spec["kubeConfig"] = {"secretRef": {"name": "again"}}
        await fleet.kustomization("renamed", **spec)
        await fleet.delete("Kustomization", "app")
        await fleet.until_gone("Kustomization", "app")
        await fleet.until("Kustomization", "renamed", is_ready)

    after = await remote.get("a")
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert await remote.owner("a") == "renamed"


async def test_the_same_object_here_is_nobodys_business_there(fleet: Fleet, remote: Remote) -> None:
    await fleet.kustomization("here", path="./app", targetNamespace=None)
    await remote.app(
        {"app/a.yaml": config_map("a", "default", v=fleet.namespace)}, targetNamespace=None
    )

    async with fleet.engine():
        await fleet.until("Kustomization", "here", is_ready)
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.delete("Kustomization", "app")
        await fleet.until_gone("Kustomization", "app")
        resource = await fleet.resource("ConfigMap")
        here = await fleet.client.get(resource, "default", "a")
        await fleet.delete("Kustomization", "here")
        await fleet.until_gone("Kustomization", "here")

    assert here is not None
    assert here["data"] == {"v": fleet.namespace}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "unable to read KubeConfig secret '{}/remote' error: there is none"),
        ({"other": "x"}, "does not contain a 'value' key"),
        ({"value": "[]"}, "kubeconfig '{}/remote': not a mapping"),
    ],
)
async def test_what_is_wrong_with_the_kubeconfig_is_said_and_mended_by_a_change(
    fleet: Fleet, remote: Remote, data: dict[str, str] | None, text: str
) -> None:
    if data is not None:
        await fleet.put(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "remote"},
                "stringData": data,
            }
        )
    await fleet.app(
        {"app/a.yaml": config_map("a", v="1")},
        kubeConfig={"secretRef": {"name": "remote"}},
        targetNamespace=remote.namespace,
        retryInterval="1s",
    )

    async with fleet.engine():
        ks = await fleet.until("Kustomization", "app", has_reason("ReconciliationFailed"))
        if data is not None:
            await fleet.delete("Secret", "remote")
        await remote.secret()
        await fleet.until("Kustomization", "app", is_ready)

    message = condition_of(ks)["message"]
    assert message.startswith("failed to build kube client: ")
    assert text.format(fleet.namespace) in message
    assert await remote.data("a") == {"v": "1"}


async def test_a_server_that_speaks_without_end_stops_only_who_named_it(fleet: Fleet) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b" " * 2**20)
        return response

    async with scripted_api() as api:
        for path in ("/version", "/api", "/apis", "/api/v1/namespaces/kube-system"):
            api.on("GET", path, endless)
        await fleet.put(secret(SECRET, kubeconfig(api.url)))
        await fleet.app(
            {"app/a.yaml": config_map("a", v="1")}, kubeConfig={"secretRef": {"name": SECRET}}
        )
        await fleet.kustomization("own", path="./app")

        async with fleet.engine():
            ks = await fleet.until("Kustomization", "app", has_reason("ReconciliationFailed"))
            await fleet.until("Kustomization", "own", is_ready)

    assert "--remote-answer-bytes is too low" in condition_of(ks)["message"]
    assert await fleet.data("a") == {"v": "1"}


async def test_a_mended_kubeconfig_ends_the_pause_at_once(fleet: Fleet, remote: Remote) -> None:
    gone = {"clusters": [{"name": "lockstep", "cluster": {"server": "http://127.0.0.1:9"}}]}
    await fleet.put(secret("remote", {**kubeconfig(remote.proxy.url), **gone}))
    await fleet.app(
        {"app/a.yaml": config_map("a", v="1")},
        kubeConfig={"secretRef": {"name": "remote"}},
        targetNamespace=remote.namespace,
        retryInterval="1h",
    )

    async with fleet.engine():
        ks = await fleet.until("Kustomization", "app", is_paused)
        mended = secret("remote", kubeconfig(remote.proxy.url))["data"]
        await fleet.patch("Secret", "remote", {"data": mended})
        await fleet.until("Kustomization", "app", is_ready)

    assert "http://127.0.0.1:9 gives no answer" in condition_of(ks)["message"]


async def test_a_wait_for_health_ends_when_the_cluster_falls_silent_and_begins_again(
    fleet: Fleet, remote: Remote
) -> None:
    await remote.app(
        {"app/a.yaml": config_map("a", v="1")},
        timeout="60s",
        healthChecks=[{**AWAITED, "namespace": remote.namespace}],
    )
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_checking)
        remote.cut()
        await fleet.until("Kustomization", "app", is_paused)
        resource = await remote.client.discovery.resource("", "v1", "ConfigMap")
        await remote.client.create(resource, config_map("awaited", remote.namespace))
        remote.mend()
        await fleet.until("Kustomization", "app", is_ready)


async def test_what_goes_silent_without_a_word_is_noticed_too(fleet: Fleet, remote: Remote) -> None:
    await remote.app({"app/a.yaml": config_map("a", v="1")}, interval="1s")

    async with fleet.engine(request_timeout=2.0):
        await fleet.until("Kustomization", "app", is_ready)
        remote.hang()
        commit = fleet.commit({"app/a.yaml": config_map("a", v="2")})
        await fleet.request("GitRepository", "fleet", commit)
        ks = await fleet.until("Kustomization", "app", is_paused)
        remote.mend()
        await fleet.until("Kustomization", "app", is_at(commit))

    assert "no answer in time" in condition_of(ks)["message"]
