"""The chart put into a cluster by the real Helm; its rights are tried by a real engine."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from engine.cluster.token_request import requested_token
from engine.objects.manifests import dump, parse
from engine.objects.ref import Object
from tests.support.apiserver import ApiServer, kubeconfig, namespace_at
from tests.support.chart import CASES, CHART, FOREIGN, helm_at, settings_in, template
from tests.support.engines import Engines
from tests.support.fleet import Fleet, config_map, is_at, is_ready
from tests.support.kubectl import Program, kubectl_at

RELEASE = "lockstep"
DEFINITION = "receivers.notification.toolkit.fluxcd.io"
WAIT = ("--wait", "--timeout=40s")


@pytest.fixture
def helm(api_server: ApiServer, namespace: str, tmp_path: Path) -> Program:
    return helm_at(api_server, namespace, tmp_path)


async def access_of(fleet: Fleet) -> Path:
    """The kubeconfig of the release's service account."""
    assert fleet.server.ca is not None
    token, _ = await requested_token(fleet.client, fleet.namespace, RELEASE, [])
    file = fleet.folder / "engine.json"
    file.write_text(json.dumps(kubeconfig(fleet.server.url, token, fleet.server.ca.read_bytes())))
    return file


async def as_deployed(fleet: Fleet) -> dict[str, Any]:
    """What the engine of the release is told about rights and pace."""
    deployment = await fleet.get("Deployment", RELEASE)
    assert deployment is not None
    settings = settings_in(deployment)
    names = ("tenancy", "watch_all_namespaces", "impersonation_mark", "concurrent")
    return {name: getattr(settings, name) for name in names}


def has_argument(text: str) -> Callable[[Object], bool]:
    """A Deployment whose container has it, and whose pod is ready."""

    def check(obj: Object) -> bool:
        arguments = obj["spec"]["template"]["spec"]["containers"][0]["args"]
        return text in arguments and (obj.get("status") or {}).get("readyReplicas") == 1

    return check


@pytest.mark.alive
async def test_a_release_works_is_upgraded_and_leaves_what_it_applied(
    fleet: Fleet, helm: Program, kubectl: Program, engines: Engines
) -> None:
    restricted = "pod-security.kubernetes.io/enforce=restricted"
    await kubectl("label", "namespace", fleet.namespace, restricted)
    await helm("install", RELEASE, str(CHART), *WAIT, "--set=watchAllNamespaces=false")
    access = await access_of(fleet)
    engine = await engines.start(fleet, kubeconfig=access, **await as_deployed(fleet))
    await fleet.app({"app/a.yaml": config_map("a", x="1")}, wait=True)
    await fleet.until("Kustomization", "app", is_ready)

    changes = ("--reset-then-reuse-values", "--set=concurrent=16")
    await helm("upgrade", RELEASE, str(CHART), *WAIT, *changes)
    await fleet.until("Deployment", RELEASE, has_argument("--concurrent=16"))
    await fleet.goes_live({"app/a.yaml": config_map("a", x="2")})
    await engine.end(signal.SIGTERM)
    await helm("uninstall", RELEASE, *WAIT)

    assert await fleet.get("Deployment", RELEASE) is None
    assert await fleet.get("ServiceAccount", RELEASE) is None
    assert await fleet.data("a") == {"x": "2"}
    kept = await fleet.get("Kustomization", "app")
    assert kept is not None
    assert "deletionTimestamp" not in kept["metadata"]


@pytest.mark.alive
async def test_moving_from_flux_keeps_the_services_that_the_chart_made_anew(
    fleet: Fleet, helm: Program, kubectl: Program
) -> None:
    name = "source-controller"
    old = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}}
    flux = {**old, "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80}]}}
    async with fleet.engine():  # stands for Flux, whose statuses and inventories are the same
        await fleet.app({"app/gotk-components.yaml": flux, "app/a.yaml": config_map("a")})
        await fleet.until("Kustomization", "app", is_ready)

    await kubectl("delete", "service", name)  # as docs/moving.md has it
    await helm("install", RELEASE, str(CHART), "--set=watchAllNamespaces=false,replicas=0")
    commit = fleet.commit({"app/gotk-components.yaml": None})
    await fleet.request("GitRepository", "fleet", commit)
    async with fleet.engine():
        ks = await fleet.until("Kustomization", "app", is_at(commit))

    service = await fleet.get("Service", name)
    assert service is not None
    assert service["spec"]["selector"]["app.kubernetes.io/name"] == RELEASE
    assert [each["id"] for each in ks["status"]["inventory"]["entries"]] == [
        f"{fleet.namespace}_a__ConfigMap"
    ]


async def test_an_empty_cluster_gets_the_definitions_and_keeps_them(
    embedded_api_server: ApiServer, tmp_path: Path
) -> None:
    async with namespace_at(embedded_api_server, "release") as namespace:
        helm = helm_at(embedded_api_server, namespace, tmp_path)
        kubectl = kubectl_at(embedded_api_server, namespace, tmp_path)
        listed = ("get", "crd", "-l", "app.kubernetes.io/part-of=flux", "-o", "name")

        await helm("install", RELEASE, str(CHART))
        before = (await kubectl(*listed)).out
        shown = (await helm("show", "crds", str(CHART))).out
        words = ("apply", "--server-side", "--force-conflicts", "-f", "-")
        await kubectl(*words, given=shown)  # as docs/install.md has it
        await helm("uninstall", RELEASE)
        after = (await kubectl(*listed)).out

    assert len(before.split()) == len(list((CHART / "crds").iterdir()))
    assert after == before


async def test_definitions_of_flux_are_left_alone_if_helm_is_told_to(
    embedded_api_server: ApiServer, tmp_path: Path
) -> None:
    async with namespace_at(embedded_api_server, "release") as namespace:
        helm = helm_at(embedded_api_server, namespace, tmp_path)
        kubectl = kubectl_at(embedded_api_server, namespace, tmp_path)
        ours = (CHART / "crds" / f"{DEFINITION}.yaml").read_text()
        theirs = ours.replace("description: A webhook", "description: A call")
        words = ("apply", "--server-side", "--field-manager=kustomize-controller", "-f", "-")
        await kubectl(*words, given=theirs)

        refused = await helm("install", RELEASE, str(CHART), status=1)
        await helm("install", RELEASE, str(CHART), "--skip-crds")  # as docs/moving.md has it
        after = (await kubectl("get", "crd", DEFINITION, "-o", "yaml")).out

    assert 'conflict with "kustomize-controller"' in refused.err
    assert "description: A call that makes objects" in after


async def test_the_api_server_accepts_every_object_of_every_set_of_values(
    api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    kubectl = kubectl_at(api_server, namespace, tmp_path)
    objects = await to_thread.run_sync(of_every_set, tmp_path, namespace)
    if api_server.name == "real":  # is shared: others would find these definitions there
        objects = [obj for obj in objects if obj["kind"] not in FOREIGN]
    else:
        foreign = "---\n".join(dump(each) for each in FOREIGN.values())
        await kubectl("create", "-f", "-", given=foreign)

    given = "---\n".join(dump(obj) for obj in objects)
    done = await kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", given=given)

    assert len(done.out.splitlines()) == len(objects)


def of_every_set(folder: Path, namespace: str) -> list[Object]:
    """What releases with all the recorded values consist of, in that namespace."""
    texts = [
        template(folder, f"--values={case / 'values.yaml'}", namespace=namespace)
        for case in sorted(CASES.iterdir())
    ]
    return [each.obj for text in texts for each in parse(text.encode(), "chart")]
