"""The real control plane itself: does it give what the tests on it take for granted?"""

import json
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from engine.api.meta import FINALIZER
from tests.controlplane.derive_schema import derived
from tests.support.apiserver import ApiServer, namespace_at
from tests.support.controlplane import ControlPlane, ControlPlaneError, Launch, running, start
from tests.support.fleet import fleet_at
from tests.support.workloads import deployment, job, pods

POLL = 0.05


async def seen(
    session: aiohttp.ClientSession, path: str, wanted: Callable[[Any], bool] = bool
) -> Any:
    """What a GET answers, as soon as that is as wanted."""
    while True:
        async with session.get(path) as response:
            obj = await response.json()
        if wanted(obj):
            return obj
        await anyio.sleep(POLL)


def is_scheduled(found: Any) -> bool:
    """Whether both pods of the deployment have their node."""
    return [bool(pod["spec"].get("nodeName")) for pod in found["items"]] == [True, True]


@pytest.mark.real("its version is that of the pinned module")
async def test_it_serves_the_pinned_version(api_server: ApiServer) -> None:
    async with api_server.session() as session:
        version = await seen(session, "/version")

    assert (version["gitVersion"][:6], version["major"], version["minor"]) == ("v1.36.", "1", "36")


async def test_the_administrator_may_do_what_others_may_not(
    api_server: ApiServer, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"

    async with api_server.session() as session:
        async with session.get(path) as response:
            mine = response.status
        async with session.get(path, headers={"Impersonate-User": "somebody"}) as response:
            others = response.status

    assert mine == 200
    assert others == (403 if api_server.name == "real" else 200)


@pytest.mark.real("the embedded one makes no ServiceAccounts")
async def test_the_controllers_fill_a_new_namespace(api_server: ApiServer, namespace: str) -> None:
    wanted = [
        f"/api/v1/namespaces/{namespace}/serviceaccounts/default",
        f"/api/v1/namespaces/{namespace}/configmaps/kube-root-ca.crt",
    ]

    async with api_server.session() as session:
        for path in wanted:
            await seen(session, path, lambda obj: obj["kind"] != "Status")


async def test_a_namespace_goes_with_what_an_engine_left_in_it(
    api_server: ApiServer, tmp_path: Path
) -> None:
    async with (
        namespace_at(api_server, "left") as name,
        fleet_at(api_server, name, tmp_path) as left,
    ):
        await left.put(
            {**left.described("app"), "metadata": {"name": "app", "finalizers": [FINALIZER]}}
        )

    async with api_server.session() as session:
        await seen(session, f"/api/v1/namespaces/{name}", lambda found: found.get("code") == 404)


async def test_definitions_are_installed_once(api_server: ApiServer, tmp_path: Path) -> None:
    async with fleet_at(api_server, "default", tmp_path) as fleet:
        crd, name = "CustomResourceDefinition", "kustomizations.kustomize.toolkit.fluxcd.io"
        first = await fleet.get(crd, name)
    async with fleet_at(api_server, "default", tmp_path) as fleet:
        assert await fleet.get(crd, name) == first
        await fleet.patch(crd, name, {"spec": {"names": {"shortNames": ["strange"]}}})
    async with fleet_at(api_server, "default", tmp_path) as fleet:
        again = await fleet.get(crd, name)

    assert first is not None
    assert again is not None
    assert again["spec"] == first["spec"]


@pytest.mark.real("it signs tokens for ServiceAccounts with a key made by the tests")
async def test_a_service_account_may_use_its_token(api_server: ApiServer, namespace: str) -> None:
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

    async with api_server.session() as session:
        made = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deployer"}}
        async with session.post(accounts, json=made) as response:
            response.raise_for_status()
        async with session.post(f"{accounts}/deployer/token", json=body) as response:
            token = (await response.json())["status"]["token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with session.post(path, json=review, headers=headers) as response:
            user = (await response.json())["status"]["userInfo"]["username"]

    assert user == f"system:serviceaccount:{namespace}:deployer"


@pytest.mark.alive
async def test_the_pods_of_a_deployment_become_ready(api_server: ApiServer, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"

    async with api_server.session() as session:
        async with session.post(path, json=deployment("web", pods("web"))) as response:
            response.raise_for_status()
        await seen(session, f"{path}/web", lambda obj: obj["status"].get("readyReplicas") == 2)
        found = await seen(session, f"/api/v1/namespaces/{namespace}/pods")

    assert [pod["status"]["phase"] for pod in found["items"]] == ["Running", "Running"]
    assert all(pod["status"]["podIP"] for pod in found["items"])


@pytest.mark.alive
async def test_a_pod_that_is_told_to_stays_pending_on_its_node(
    api_server: ApiServer, namespace: str
) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    body = deployment("stuck", pods("stuck", "pending"))

    async with api_server.session() as session:
        async with session.post(path, json=body) as response:
            response.raise_for_status()
        found = await seen(session, f"/api/v1/namespaces/{namespace}/pods", is_scheduled)

    assert {pod["status"]["phase"] for pod in found["items"]} == {"Pending"}


@pytest.mark.alive
async def test_a_job_completes(api_server: ApiServer, namespace: str) -> None:
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs"

    async with api_server.session() as session:
        async with session.post(path, json=job("once", pods("once"))) as response:
            response.raise_for_status()
        await seen(session, f"{path}/once", lambda obj: obj["status"].get("succeeded") == 1)


async def test_the_schema_table_is_what_a_server_without_definitions_says() -> None:
    async with start() as plane, plane.session() as session:
        path, text = await derived(session)

    same = path.read_text() == text  # not compared by pytest: 200 kB
    assert same, f"{path} is stale: run python -m tests.controlplane.derive_schema"


async def test_requests_are_logged_only_where_asked_for(control_plane: ControlPlane) -> None:
    assert control_plane.audit_events() == []
    assert json.loads(control_plane.kubeconfig.read_text())["kind"] == "Config"


async def test_a_program_that_ends_is_reported_with_its_last_words(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", "echo no disk; exit 7"]
    async with running(command, tmp_path / "etcd.log") as process, AsyncExitStack() as stack:
        await process.wait()
        launch = Launch(tmp_path, {}, stack, port=0, started={"etcd": process})

        with pytest.raises(ControlPlaneError, match=r"etcd ended with 7\n.*etcd.log:\nno disk"):
            await launch.pause()


async def test_a_program_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = f"""if True:
        import anyio, os, pathlib
        from tests.support.controlplane import running
        async def main():
            log = pathlib.Path({str(tmp_path / "log")!r})
            async with running(["/bin/sleep", "1000"], log) as process:
                print(process.pid, flush=True)
                os.kill(os.getpid(), 9)
        anyio.run(main)
    """
    run = await anyio.run_process([sys.executable, "-c", script], check=False)
    state = anyio.Path(f"/proc/{int(run.stdout)}/stat")

    assert run.returncode == -signal.SIGKILL
    with suppress(FileNotFoundError, ProcessLookupError):
        # Gone, or waiting for whoever inherited it to take note.
        while True:
            if " Z " in await state.read_text():
                return
            await anyio.sleep(POLL)
