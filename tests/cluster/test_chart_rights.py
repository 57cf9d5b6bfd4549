"""The engine with the rights that the chart gives it, and no others, on an API server with RBAC."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from yarl import URL

from engine.app import State
from plugins import PLUGIN
from tests.cluster.conftest import NewNamespace
from tests.cluster.test_receivers import hit
from tests.support.chat import Generic, room
from tests.support.fleet import Fleet, condition_of, config_map, has_reason, is_at, is_ready
from tests.support.observing import logged
from tests.support.releases import Release, released, until_allowed
from tests.support.tenants import SHARD, Tenants
from tests.support.webhooks import TOKEN
from tests.support.workloads import pods, stateful_set

pytestmark = pytest.mark.real("the embedded API server evaluates no RBAC")

KINDS = ("configmaps", "secrets", "statefulsets", "serviceaccounts", "pods")


@contextmanager
def nothing_denied() -> Iterator[None]:
    """What the API server refuses is logged with its status, whoever asked."""
    with logged("trace") as log:
        yield
    told = [str(json.loads(line)["msg"]) for line in log.getvalue().splitlines()]
    assert "\n".join(line for line in told if ": 403 in " in line) == ""


def settings_of(release: Release, tenants: Tenants, *local: str) -> dict[str, Any]:
    """The chart's; what a test has on this machine may be reached although tenancy is strict."""
    hosts = [URL(url) for url in (release.fleet.git_url, *local)]
    allowed = tuple(f"{each.host}:{each.port}" for each in hosts)
    return {**release.settings, **tenants.settings, "allowed_local_addresses": allowed}


async def opaque(tenants: Tenants, namespace: str, name: str, **values: str) -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    await tenants.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}, namespace
    )


async def notified(tenants: Tenants, namespace: str, url: str) -> None:
    """A Receiver that wakes the source and an Alert about the Kustomization."""
    await opaque(tenants, namespace, "webhook", token=TOKEN)
    await opaque(tenants, namespace, "chat", address=url)
    sources = [
        {"kind": "GitRepository", "name": "*", "matchLabels": {SHARD: tenants.fleet.namespace}}
    ]
    spec = {"type": "github", "secretRef": {"name": "webhook"}, "resources": sources}
    provider = {"type": "generic", "secretRef": {"name": "chat"}}
    about = [{"kind": "Kustomization", "name": "app"}]
    alert = {"providerRef": {"name": "chat"}, "eventSources": about}
    for kind, name, given in (
        ("Provider", "chat", provider),
        ("Alert", "chat", alert),
        ("Receiver", "push", spec),
    ):
        await tenants.create({"kind": kind, "metadata": {"name": name}, "spec": given}, namespace)


@pytest.mark.alive
@pytest.mark.parametrize("tenancy", ["flux", "strict"])
async def test_the_chart_grants_all_that_a_fleet_needs(
    tenancy: str, fleet: Fleet, new_namespace: NewNamespace
) -> None:
    tenants = Tenants(fleet, new_namespace)
    own, chat = await tenants.tenant(*KINDS), Generic()
    at, user = tenants.at(own), f"system:serviceaccount:{own}:tenant"
    commit = fleet.commit(
        {
            "app/a.yaml": config_map("a", own, x="${color}"),
            "app/b.yaml": config_map("b", own),
            "app/run.yaml": {
                **(run := stateful_set("run", pods("run"))),
                "metadata": {**run["metadata"], "namespace": own},
            },
        }
    )
    await opaque(tenants, own, "variables", color="blue")
    async with (
        room(chat.answer) as url,
        released(fleet, f"--set=tenancy={tenancy}") as release,
    ):
        await notified(tenants, own, url)
        await tenants.source(own)
        variables = {"substituteFrom": [{"kind": "Secret", "name": "variables"}]}
        account = {} if tenancy == "strict" else {"serviceAccountName": ""}
        await tenants.kustomization(own, wait=True, postBuild=variables, **account)
        if tenancy == "strict":
            await until_allowed(fleet.client, user, "patch", "statefulsets", own)
        settings = settings_of(release, tenants, url)
        with nothing_denied():
            async with release.fleet.engine(PLUGIN, **settings) as state:
                await tenants.until(own, is_at(commit))
                await works_on(tenants, own, state)
                await chat.until(lambda event: event["involvedObject"]["name"] == "app")

    assert await at.get("ConfigMap", "b") is None


async def works_on(tenants: Tenants, own: str, state: State) -> None:
    """A drift is corrected, a push is told of, and what left Git is deleted."""
    at = tenants.at(own)
    await at.patch("ConfigMap", "a", {"data": {"x": "edited"}})
    await at.until("ConfigMap", "a", lambda obj: obj["data"]["x"] == "blue")
    path = (await at.until("Receiver", "push", is_ready))["status"]["webhookPath"]
    newer = tenants.fleet.commit({"app/b.yaml": None})
    assert await hit(state, path) == (200, "")
    await tenants.until(own, is_at(newer))
    await tenants.reconcile(own, "now")


async def test_under_strict_tenancy_nothing_is_applied_as_the_engine(
    fleet: Fleet, new_namespace: NewNamespace
) -> None:
    tenants = Tenants(fleet, new_namespace)
    own = await tenants.tenant(*KINDS)
    fleet.commit({"app/a.yaml": config_map("a", own)})
    async with released(fleet, "--set=tenancy=strict") as release:
        await tenants.source(own)
        await tenants.kustomization(own, serviceAccountName="")
        async with release.fleet.engine(**settings_of(release, tenants)):
            failed = await tenants.until(own, has_reason("ReconciliationFailed"))

    message = condition_of(failed)["message"]
    assert "dry-run failed (Forbidden)" in message
    assert f'User "system:serviceaccount:{own}:default"' in message
    assert await tenants.at(own).get("ConfigMap", "a") is None
