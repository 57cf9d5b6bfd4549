"""Who is spoken to and who speaks in another cluster: tokens, certificates, impersonation."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from engine.cluster import LeaseLost
from engine.cluster.breaker import Breaker
from engine.cluster.connect import from_kubeconfig
from engine.reconcile.remote_client import connector
from engine.runtime import SystemClock
from engine.settings import Settings
from engine.telemetry import Metrics
from plugins import PLUGIN
from tests.support.apiserver import ApiServer, kubeconfig
from tests.support.fleet import Fleet, condition_of, config_map, has_reason, is_ready
from tests.support.remote import secret

pytestmark = pytest.mark.limit(120)

RBAC = pytest.mark.real("the embedded API server authorizes nobody")
ISSUER = "https://kubernetes.default.svc"


async def may_edit(fleet: Fleet, account: str) -> None:
    """Gives a service account of the fleet's namespace all rights in it."""
    subject = {"kind": "ServiceAccount", "name": account, "namespace": fleet.namespace}
    await fleet.put(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"{account}-edits"},
            "subjects": [subject],
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "admin",
            },
        }
    )


async def account(fleet: Fleet, name: str) -> None:
    await fleet.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})


def own_kubeconfig(server: ApiServer) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(server.kubeconfig.read_text())
    return content


async def test_a_kubeconfig_with_token_and_authority_leads_to_the_cluster_it_names(
    fleet: Fleet,
) -> None:
    await fleet.put(secret("own", own_kubeconfig(fleet.server), "value.yaml"))
    await fleet.app(
        {"app/a.yaml": config_map("a", v="1")},
        kubeConfig={"secretRef": {"name": "own"}},
        retryInterval="1s",
    )

    async with fleet.engine():
        ks = await fleet.until("Kustomization", "app", is_settled)

    assert is_ready(ks), condition_of(ks)
    assert await fleet.data("a") == {"v": "1"}


async def test_objects_are_handed_over_between_this_cluster_and_its_kubeconfig(
    fleet: Fleet,
) -> None:
    await fleet.put(secret("own", own_kubeconfig(fleet.server)))
    await fleet.app({"app/a.yaml": config_map("a", v="1")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        before = await fleet.get("ConfigMap", "a")
        await fleet.kustomization(
            "other", path="./app", kubeConfig={"secretRef": {"name": "own"}}, retryInterval="1s"
        )
        await fleet.until("Kustomization", "other", is_ready)
        await fleet.delete("Kustomization", "app")
        await fleet.until_gone("Kustomization", "app")

    after = await fleet.get("ConfigMap", "a")
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


@RBAC
async def test_a_service_account_is_impersonated_there(fleet: Fleet) -> None:
    await fleet.put(secret("own", own_kubeconfig(fleet.server)))
    await account(fleet, "tenant")
    await fleet.app(
        {"app/a.yaml": config_map("a", v="1")},
        kubeConfig={"secretRef": {"name": "own"}},
        serviceAccountName="tenant",
        retryInterval="1s",
    )

    async with fleet.engine():
        ks = await fleet.until("Kustomization", "app", has_reason("ReconciliationFailed"))
        await may_edit(fleet, "tenant")
        await fleet.until("Kustomization", "app", is_ready)

    message = condition_of(ks)["message"]
    assert f'"system:serviceaccount:{fleet.namespace}:tenant" cannot' in message


@RBAC
async def test_a_config_map_enters_with_tokens_of_a_service_account(
    fleet: Fleet, tmp_path: Path
) -> None:
    await account(fleet, "deployer")
    await may_edit(fleet, "deployer")
    assert fleet.server.ca is not None
    described = {
        "provider": "generic",
        "address": fleet.server.url,
        "ca.crt": fleet.server.ca.read_text(),
        "audiences": f"\n{ISSUER}\n",
        "serviceAccountName": "deployer",
    }
    await fleet.put(config_map("there", **described))
    await fleet.app(
        {"app/a.yaml": config_map("a", v="1")},
        kubeConfig={"configMapRef": {"name": "there"}},
        retryInterval="1s",
    )

    async with fleet.engine(PLUGIN, object_level_workload_identity=True):
        ks = await fleet.until("Kustomization", "app", is_settled)
        manager = await fleet.get("ConfigMap", "a")
        await fleet.delete("Kustomization", "app")
        await fleet.until_gone("Kustomization", "app")

    assert is_ready(ks), condition_of(ks)
    assert manager is not None
    assert await fleet.get("ConfigMap", "a") is None


@pytest.mark.parametrize(
    ("described", "text"),
    [
        ({"provider": "ibm"}, "provider: 'ibm' is none of aws, azure, gcp, generic"),
        ({"provider": "generic"}, "address: is not set"),
        ({"provider": "generic", "address": "http://10.0.0.1"}, "address: must be https://"),
        (None, "failed to get configmap '{}/there': there is none"),
    ],
)
@pytest.mark.covers("Kustomization.spec.kubeConfig.configMapRef.name")
async def test_what_is_wrong_with_the_config_map_is_said(
    fleet: Fleet, described: dict[str, str] | None, text: str
) -> None:
    if described is not None:
        await fleet.put(config_map("there", **described))
    await fleet.app(
        {"app/a.yaml": config_map("a", v="1")}, kubeConfig={"configMapRef": {"name": "there"}}
    )

    async with fleet.engine(PLUGIN):
        ks = await fleet.until("Kustomization", "app", has_reason("ReconciliationFailed"))

    assert text.format(fleet.namespace) in condition_of(ks)["message"]


async def test_what_the_lease_here_forbids_is_not_written_there(
    api_server: ApiServer, namespace: str
) -> None:
    def fence() -> None:
        raise LeaseLost("not renewed in time")

    clock, series = SystemClock(), Metrics()
    connect = connector(Settings(), clock, series, fence, longest_write=20.0)
    endpoint = from_kubeconfig(api_server.kubeconfig)
    async with connect("apps/remote", endpoint, Breaker(clock, Random(0))) as client:
        resource = await client.discovery.resource("", "v1", "ConfigMap")
        with pytest.raises(LeaseLost):
            await client.create(resource, config_map("a", namespace))
        found = await client.get(resource, namespace, "a")
        bounds = client.endpoint.request_timeout, client.endpoint.read_timeout

    assert found is None
    assert bounds == (20.0, 30.0)  # a write ends before the Lease could be another's
    text = series.text().decode()
    assert 'host="apps/remote"' in text
    assert api_server.url.partition("://")[2] not in text


async def test_credentials_show_nowhere(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    token, login = "c4n4ry-token", "c4n4ry-login"
    config = kubeconfig("http://127.0.0.1:9", token)
    config["clusters"][0]["cluster"]["proxy-url"] = f"http://me:{login}@127.0.0.1:9"
    await fleet.put(secret("there", config))
    await fleet.app(
        {"app/a.yaml": config_map("a", v="1")},
        kubeConfig={"secretRef": {"name": "there"}},
        retryInterval="1s",
    )

    with caplog.at_level("DEBUG"):
        async with fleet.engine(log_level="trace") as state:
            ks = await fleet.until("Kustomization", "app", has_reason("ReconciliationFailed"))
            assert state.engine is not None
            series = state.engine.metrics.text().decode()
    listed = await fleet.client.list(await fleet.resource("Event"), fleet.namespace)

    told = json.dumps([ks, list(listed.items)]) + caplog.text + series
    assert "gives no answer" in told
    assert token not in told
    assert login not in told


def is_settled(obj: Any) -> bool:
    return condition_of(obj).get("status") in ("True", "False")
