"""The real flux CLI against an engine; its twin is tests/cluster/test_flux_contract.py.

FLUX_BIN names the binary (`make walk`); it is in no registry.
"""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from engine.app import reachable
from engine.objects.manifests import load, parse
from plugins import PLUGIN
from tests.support.apiserver import ApiServer, namespace_at
from tests.support.controlplane import start
from tests.support.fleet import (
    Fleet,
    condition_of,
    config_map,
    fleet_at,
    has_reason,
    is_at,
    is_ready,
)
from tests.support.flux import FluxTwin, flux_at, flux_twin
from tests.support.kubectl import Program


@pytest.fixture(params=["embedded_api_server", "control_plane"], ids=["embedded", "real"])
def api_server(request: pytest.FixtureRequest) -> ApiServer:
    server = request.getfixturevalue(request.param)
    assert isinstance(server, ApiServer)
    return server


@asynccontextmanager
async def a_fleet(server: ApiServer, folder: Path) -> AsyncIterator[Fleet]:
    """A fleet with one source and one Kustomization, `app`, in a namespace of its own."""
    async with (
        namespace_at(server, "flux-cli") as namespace,
        fleet_at(server, namespace, folder) as fleet,
    ):
        await fleet.app({"app/web.yaml": config_map("web", color="blue")}, "Paint it blue")
        yield fleet


@pytest.fixture
async def fleet(api_server: ApiServer, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with a_fleet(api_server, tmp_path) as fleet:
        yield fleet


@pytest.fixture
def flux(api_server: ApiServer, fleet: Fleet, tmp_path: Path) -> Program:
    return flux_at(api_server, fleet.namespace, tmp_path)


@asynccontextmanager
async def ready(fleet: Fleet) -> AsyncIterator[None]:
    """An engine that has applied everything."""
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        yield


def rows(table: str) -> list[list[str]]:
    """The cells of the CLI's table, stripped; its separator is a tab."""
    return [[cell.strip() for cell in line.split("\t")] for line in table.splitlines() if line]


def short(commit: str) -> str:
    """A revision as the CLI shortens it."""
    return f"main@sha1:{commit[:8]}"


async def test_get_shows_status_revision_and_message(fleet: Fleet, flux: Program) -> None:
    commit = fleet.commit({"app/other.yaml": config_map("other")})

    async with ready(fleet):
        kustomizations = await flux("get", "kustomizations", "-A")
        one = await flux("get", "ks", "app", "--show-source", "--no-header")
        sources = await flux("get", "sources", "git")
        everything = await flux("get", "all")
        failing = await flux("get", "ks", "--status-selector", "ready=false", "--no-header")

    assert rows(kustomizations.out)[0][:6] == [
        "NAMESPACE",
        "NAME",
        "REVISION",
        "SUSPENDED",
        "READY",
        "MESSAGE",
    ]
    message = f"Applied revision: {short(commit)}"
    wanted = [fleet.namespace, "app", short(commit), "False", "True", message]
    assert wanted in [row[:6] for row in rows(kustomizations.out)]
    assert rows(one.out)[0][:2] == ["app", f"GitRepository/{fleet.namespace}/fleet"]
    stored = f"stored artifact for revision '{short(commit)}'"
    assert ["fleet", short(commit), "False", "True", stored] in [r[:5] for r in rows(sources.out)]
    assert "kustomization/app" in everything.out
    assert "gitrepository/fleet" in everything.out
    assert failing.out.strip() == ""


async def test_reconcile_with_source_applies_the_newest_commit(fleet: Fleet, flux: Program) -> None:
    async with ready(fleet):
        commit = fleet.commit({"app/web.yaml": config_map("web", color="red")})
        done = await flux("reconcile", "kustomization", "app", "--with-source")
        live = await fleet.get("ConfigMap", "web")
        again = await flux("reconcile", "source", "git", "fleet")

    assert f"fetched revision main@sha1:{commit}" in done.err + done.out
    assert f"applied revision main@sha1:{commit}" in done.err + done.out
    assert f"fetched revision main@sha1:{commit}" in again.err + again.out
    assert live is not None
    assert live["data"] == {"color": "red"}


async def test_reconcile_of_what_fails_waits_and_says_so(fleet: Fleet, flux: Program) -> None:
    async with ready(fleet):
        await fleet.patch("Kustomization", "app", {"spec": {"path": "./nowhere"}})
        await fleet.until("Kustomization", "app", has_reason("ArtifactFailed"))
        done = await flux("reconcile", "ks", "app", "--timeout=5s", status=1)
        shown = await flux("get", "ks", "app", "--no-header")

    assert "context deadline exceeded" in done.err
    assert rows(shown.out)[0][3] == "False"
    assert "kustomization path not found: './nowhere'" in shown.out


async def test_reconcile_of_what_cannot_succeed_ends_at_once(fleet: Fleet, flux: Program) -> None:
    fleet.settings["no_cross_namespace_refs"] = True
    source = {"kind": "GitRepository", "name": "fleet", "namespace": "kube-system"}
    await fleet.kustomization("stray", path="./app", sourceRef=source)

    async with ready(fleet):
        await fleet.until("Kustomization", "stray", has_reason("AccessDenied"))
        done = await flux("reconcile", "ks", "stray", status=1)

    assert "cross-namespace references have been blocked" in done.err


async def test_suspend_and_resume(fleet: Fleet, flux: Program) -> None:
    async with ready(fleet):
        suspended = await flux("suspend", "kustomization", "app")
        shown = await flux("get", "ks", "app", "--no-header")
        refused = await flux("reconcile", "ks", "app", status=1)
        commit = fleet.commit({"app/web.yaml": config_map("web", color="red")})
        await flux("reconcile", "source", "git", "fleet")
        resumed = await flux("resume", "kustomization", "app")
        await flux("suspend", "source", "git", "fleet")
        await flux("resume", "source", "git", "fleet")

    assert "kustomization suspended" in suspended.err + suspended.out
    assert rows(shown.out)[0][2] == "True"
    assert "resource is suspended" in refused.err
    assert f"applied revision main@sha1:{commit}" in resumed.err + resumed.out


async def test_events(fleet: Fleet, flux: Program) -> None:
    fleet.commit({"bad/x.yaml": "{ broken"})
    await fleet.kustomization("bad", path="./bad")

    async with ready(fleet):
        await fleet.until("Kustomization", "bad", has_reason("BuildFailed"))
    app = await flux("events", "--for", "Kustomization/app")
    warnings = await flux("events", "--types", "Warning")
    everywhere = await flux("events", "-A")

    cells = [row[1:4] for row in rows(app.out)]
    assert ["Normal", "ReconciliationSucceeded", "Kustomization/app"] in cells
    assert ["Normal", "NewArtifact", "GitRepository/fleet"] in cells  # what it refers to
    assert [row[1:4] for row in rows(warnings.out)][1:] == [
        ["Warning", "BuildFailed", "Kustomization/bad"]
    ]
    assert fleet.namespace in everywhere.out


async def test_tree_shows_what_belongs_to_what(fleet: Fleet, flux: Program) -> None:
    nested = fleet.described("nested", path="./nested")
    fleet.commit({"app/nested.yaml": nested, "nested/x.yaml": config_map("x")})

    async with ready(fleet):
        await fleet.until("Kustomization", "nested", is_ready)
        tree = await flux("tree", "kustomization", "app", "-o", "json")

    found = json.loads(tree.out or tree.err)
    assert found["resource"]["Name"] == "app"
    names = {each["resource"]["Name"]: each for each in found["resources"]}
    assert names.keys() == {"web", "nested"}
    assert [each["resource"]["Name"] for each in names["nested"]["resources"]] == ["x"]


async def test_trace_leads_from_an_object_to_its_commit(fleet: Fleet, flux: Program) -> None:
    commit = fleet.commit({"app/other.yaml": config_map("other")})

    async with ready(fleet):
        dynamic = await flux("trace", "configmap", "web")
        static = await flux("trace", "web", "--kind=ConfigMap", "--api-version=v1")

    for done in (dynamic, static):
        text = done.out + done.err
        assert "Managed by Flux" in text
        assert "Kustomization:   app" in text
        assert "GitRepository:   fleet" in text
        assert text.count(f"main@sha1:{commit}") >= 3


async def test_export_gives_what_can_be_applied_again(fleet: Fleet, flux: Program) -> None:
    async with ready(fleet):
        kustomization = await flux("export", "kustomization", "app")
        source = await flux("export", "source", "git", "fleet")

    exported = load(kustomization.out)
    assert exported["metadata"] == {"name": "app", "namespace": fleet.namespace}
    assert exported["spec"]["path"] == "./app"
    assert load(source.out)["spec"]["url"] == f"{fleet.git_url}/fleet"


async def test_create_waits_until_ready(fleet: Fleet, flux: Program) -> None:
    fleet.commit({"more/x.yaml": config_map("x")})

    async with ready(fleet):
        source = await flux(
            "create", "source", "git", "second", f"--url={fleet.git_url}/fleet", "--branch=main"
        )
        done = await flux(
            *("create", "kustomization", "more", "--source=GitRepository/second"),
            *("--path=./more", "--prune=true", f"--target-namespace={fleet.namespace}"),
        )
        live = await fleet.get("ConfigMap", "x")

    assert "fetched revision" in source.err + source.out
    assert "applied revision" in (done.err + done.out).lower()
    assert live is not None


async def test_delete_prunes(fleet: Fleet, flux: Program) -> None:
    async with ready(fleet):
        await flux("delete", "kustomization", "app", "--silent")
        await fleet.until_gone("Kustomization", "app")
        await flux("delete", "source", "git", "fleet", "--silent")
        await fleet.until_gone("GitRepository", "fleet")

    assert await fleet.get("ConfigMap", "web") is None


async def test_stats_debug_and_diff(fleet: Fleet, flux: Program) -> None:
    commit = fleet.commit({"app/other.yaml": config_map("other", key="value")})

    async with ready(fleet):
        ks = await fleet.until("Kustomization", "app", is_ready)
        stats = await flux("stats")
        status = await flux("debug", "kustomization", "app", "--show-status")
        history = await flux("debug", "kustomization", "app", "--show-history")
        folder = fleet.folder / "local"
        folder.mkdir()
        folder.joinpath("web.yaml").write_text(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {color: green}\n"
        )
        diff = await flux("diff", "kustomization", "app", f"--path={folder}", status=1)
        build = await flux("build", "kustomization", "app", f"--path={folder}")

    counts = {row[0]: row[1:4] for row in rows(stats.out)}
    assert counts["GitRepository"] == ["1", "0", "0"]
    assert counts["Kustomization"] == ["1", "0", "0"]
    assert load(status.out)["conditions"][0]["message"] == condition_of(ks)["message"]
    assert commit in history.out
    assert "green" in diff.out
    assert load(build.out)["data"] == {"color": "green"}


async def test_what_is_created_is_ready_and_a_receiver_is_triggered(
    fleet: Fleet, flux: Program
) -> None:
    data = {"token": b64encode(b"word").decode()}
    await fleet.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "t"}, "data": data})

    async with fleet.engine(PLUGIN) as state:
        await fleet.until("Kustomization", "app", is_ready)
        provider = await flux(
            *("create", "alert-provider", "chat", "--type=slack", "--secret-ref=chat"),
        )
        alert = await flux(
            *("create", "alert", "drift", "--provider-ref=chat", "--event-severity=error"),
            "--event-source=Kustomization/*",
        )
        receiver = await flux(
            *("create", "receiver", "ci", "--type=generic-hmac", "--secret-ref=t"),
            "--resource=GitRepository/fleet",
        )
        commit = fleet.commit({"app/web.yaml": config_map("web", color="red")})
        url = f"http://{reachable(state.addresses['webhooks'])}"
        triggered = await flux(
            *("trigger", "receiver", "ci", "--type=generic-hmac", "--token=word", f"--url={url}"),
        )
        await fleet.until("Kustomization", "app", is_at(commit))
        again = await flux("reconcile", "receiver", "ci")
        shown = [await flux("get", kind) for kind in ("alerts", "alert-providers", "receivers")]

    assert "Provider chat is ready" in provider.err + provider.out
    assert "Alert drift is ready" in alert.err + alert.out
    assert "generated webhook URL /hook/" in receiver.err + receiver.out
    assert f"Receiver {fleet.namespace}/ci triggered" in triggered.err + triggered.out
    assert "Receiver initialized for path: /hook/" in shown[2].out
    assert [rows(each.out)[1][0] for each in shown] == ["drift", "chat", "ci"]
    assert "waiting for Receiver reconciliation" in again.err


async def test_suspend_resume_and_export_of_all(fleet: Fleet, flux: Program) -> None:
    fleet.commit({"more/x.yaml": config_map("x")})
    await fleet.kustomization("more", path="./more")

    async with ready(fleet):
        await fleet.until("Kustomization", "more", is_ready)
        await flux("suspend", "kustomization", "--all")
        shown = await flux("get", "ks", "--no-header")
        resumed = await flux("resume", "kustomization", "--all", "--wait")
        exported = await flux("export", "kustomization", "--all")

    assert [row[2] for row in rows(shown.out)] == ["True", "True"]
    assert (resumed.err + resumed.out).count("reconciliation completed") == 2
    names = [each.obj["metadata"]["name"] for each in parse(exported.out.encode(), "all.yaml")]
    assert names == ["app", "more"]


async def test_check_is_content_with_the_cluster(flux: Program) -> None:
    done = await flux("check", "--pre")

    assert "prerequisites checks passed" in done.err + done.out


@pytest.mark.parametrize("api_server", ["control_plane"], indirect=True, ids=["real"])
async def test_check_and_version_find_the_installation(fleet: Fleet, flux: Program) -> None:
    labels = {"app.kubernetes.io/part-of": "flux", "app": "lockstep"}
    container = {"name": "manager", "image": "ghcr.io/example/lockstep:v0.1.0"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "lockstep"}}, "template": template}
    metadata = {"name": "lockstep", "labels": labels}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    await fleet.put(deployment)

    version = await flux("version")
    checked = await flux("check")

    assert "lockstep: v0.1.0" in version.out
    assert "distribution: flux-v" in version.out
    text = checked.err + checked.out
    assert "all checks passed" in text
    assert "kustomizations.kustomize.toolkit.fluxcd.io/v1" in text
    assert "ghcr.io/example/lockstep:v0.1.0" in text


async def test_the_twin_of_the_cli_sends_the_same_requests(tmp_path: Path) -> None:
    async with start(audit=True) as plane:
        asked = {}
        for who in ("real", "twin"):
            folder = tmp_path / who
            folder.mkdir()
            async with (
                a_fleet(plane, folder) as fleet,
                ready(fleet),
                flux_twin(plane, fleet.namespace) as twin,
            ):
                if who == "real":
                    await walk(flux_at(plane, fleet.namespace, folder))
                else:
                    await walk_of_twin(twin)
            asked[who] = requests_of_flux(plane.audit_events(), fleet.namespace)

    assert asked["twin"] == asked["real"]


async def walk(flux: Program) -> None:
    await flux("get", "kustomizations")
    await flux("get", "kustomizations", "app")
    await flux("reconcile", "kustomization", "app", "--with-source")
    await flux("suspend", "kustomization", "app")
    await flux("resume", "kustomization", "app")
    await flux("events", "--for", "GitRepository/fleet")
    await flux("delete", "kustomization", "app", "--silent")


async def walk_of_twin(flux: FluxTwin) -> None:
    await flux.all_of("Kustomization")
    await flux.all_of("Kustomization", "app")
    await flux.reconcile("GitRepository", "fleet")
    await flux.reconcile("Kustomization", "app")
    await flux.suspend("Kustomization", "app")
    await flux.resume("Kustomization", "app")
    await flux.events("GitRepository", "fleet")
    await flux.delete("Kustomization", "app")


def requests_of_flux(events: list[dict[str, Any]], namespace: str) -> set[tuple[str, str]]:
    """{(verb, path with query)} of what the CLI or its twin asked about that namespace."""
    return {
        (event["verb"], unquote(event["requestURI"].replace(namespace, "NAMESPACE")))
        for event in events
        if event.get("userAgent", "").startswith("flux/") and namespace in event["requestURI"]
    }
