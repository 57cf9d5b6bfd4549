"""The walk of a day with our own command line against a running engine."""

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import orjson
import pytest
from anyio import to_thread

from engine.app import reachable
from engine.objects.manifests import load
from plugins import PLUGIN
from tests.support.apiserver import ApiServer
from tests.support.fleet import Fleet, config_map, has_reason, is_at, is_ready
from tests.support.kubectl import Program, kubectl_at
from tests.unit.cli.conftest import Ended, run_here

Lockstep: TypeAlias = Callable[..., Awaitable[str]]


@pytest.fixture
async def lockstep(
    fleet: Fleet, api_server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> Lockstep:
    """`await lockstep("get", "ks")`: all that it printed; it must end with that status."""
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    monkeypatch.setenv("FLUX_SYSTEM_NAMESPACE", fleet.namespace)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    async def run(*arguments: str, status: int = 0) -> str:
        ended: Ended = await to_thread.run_sync(run_here, *arguments)
        assert ended.status == status, ended
        return ended.err + ended.out

    return run


@pytest.fixture
async def fleet(fleet: Fleet) -> Fleet:
    """A fleet with one source and one Kustomization, `app`, which applies another one."""
    nested = fleet.described("nested", path="./nested")
    files = {"app/web.yaml": config_map("web", color="blue"), "app/nested.yaml": nested}
    await fleet.app({**files, "nested/x.yaml": config_map("x")}, "Paint it blue")
    return fleet


async def test_objects_are_looked_at_from_all_sides(fleet: Fleet, lockstep: Lockstep) -> None:
    await fleet.kustomization("bad", path="./nowhere")

    async with fleet.engine():
        await fleet.until("Kustomization", "nested", is_ready)
        ks = await fleet.until("Kustomization", "app", is_ready)
        await fleet.until("Kustomization", "bad", has_reason("ArtifactFailed"))
        revision = ks["status"]["lastAppliedRevision"]
        wide = await lockstep("get", "ks", "app", "-o", "wide")
        failing = await lockstep("get", "ks", "--status-selector", "ready=false", "-o", "name")
        everything = await lockstep("get", "all")
        events = await lockstep("events", "--for", "Kustomization/app")
        warnings = await lockstep("events", "--types", "Warning")
        tree = await lockstep("tree", "ks", "app")
        traced = await lockstep("trace", "cm", "x")
        exported = load(await lockstep("export", "ks", "app"))
        stats = await lockstep("stats")
        as_json = orjson.loads(await lockstep("get", "ks", "app", "-o", "json"))
        sources = await lockstep("-n", fleet.namespace, "get", "sources", "git")
        version = await lockstep("version")
        checked = await lockstep("check")

    assert re.search(r"app +main@sha1:[0-9a-f]{8} +False +True +\d+s +Applied revision", wide)
    assert failing == "kustomization/bad\n"
    assert "gitrepository/fleet" in everything
    assert "kustomization/nested" in everything
    assert "NewArtifact" in events
    assert "ReconciliationSucceeded" in events
    assert [line.split()[2] for line in warnings.splitlines()[1:]] == ["ArtifactFailed"]
    assert tree.splitlines()[0] == f"Kustomization/{fleet.namespace}/app"
    assert f"    └── ConfigMap/{fleet.namespace}/x" in tree
    assert "Kustomization:   nested" in traced
    assert traced.count(revision) >= 3
    assert exported["metadata"] == {"name": "app", "namespace": fleet.namespace}
    assert as_json["status"]["lastAppliedRevision"] == revision
    assert re.search(r"Kustomization +3 +1 +0 +-", stats)
    assert re.search(r"fleet +main@sha1:[0-9a-f]{8} +False +True +stored artifact", sources)
    assert re.search(r"^kubernetes: v1\.\d+", version, re.MULTILINE)
    assert "✔ kubernetes: Kubernetes v1." in checked


@pytest.mark.real("the embedded one lets everybody do everything")
async def test_whoever_is_named_is_acted_as(fleet: Fleet, lockstep: Lockstep) -> None:
    refused = await lockstep("--as", "ada", "get", "ks", status=1)
    allowed = await lockstep("get", "ks", "app", "--as=ada", "--as-group=system:masters")

    assert 'User "ada" cannot list resource "kustomizations"' in refused
    assert "app" in allowed


async def test_objects_are_changed_and_the_change_is_waited_for(
    fleet: Fleet, lockstep: Lockstep
) -> None:
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        first = fleet.commit({"app/web.yaml": config_map("web", color="red")})
        reconciled = await lockstep("reconcile", "ks", "app", "--with-source")
        suspended = await lockstep("suspend", "kustomization", "app", "--reason", "a move")
        shown = await lockstep("get", "ks", "app")
        refused = await lockstep("reconcile", "ks", "app", status=1)
        second = fleet.commit({"app/web.yaml": config_map("web", color="green")})
        await lockstep("reconcile", "source", "git", "fleet")
        resumed = await lockstep("resume", "ks", "app")
        live = await fleet.get("ConfigMap", "web")
        deleted = await lockstep("delete", "ks", "app", "--silent")
        await fleet.until_gone("Kustomization", "app")

    assert f"✔ fetched revision main@sha1:{first}\n" in reconciled
    assert f"✔ applied revision main@sha1:{first}\n" in reconciled
    assert "✔ Kustomization app suspended" in suspended
    assert "a move" in shown
    assert "resource is suspended" in refused
    assert f"applied revision main@sha1:{second}" in resumed
    assert live is not None
    assert live["data"] == {"color": "green"}
    assert deleted.endswith("✔ kustomization deleted\n")


async def test_what_is_created_works_and_is_as_it_was_exported(
    fleet: Fleet, lockstep: Lockstep, api_server: ApiServer, tmp_path: Path
) -> None:
    kubectl: Program = kubectl_at(api_server, fleet.namespace, tmp_path)
    data = {"token": b64encode(b"word").decode()}
    await fleet.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "t"}, "data": data})
    provider = ("create", "alert-provider", "chat", "--type", "slack", "--secret-ref", "chat")
    alert = (
        *("create", "alert", "drift", "--provider-ref", "chat"),
        *("--event-source", "Kustomization/*"),
    )
    receiver = (
        *("create", "receiver", "ci", "--type", "generic-hmac", "--secret-ref", "t"),
        *("--resource", "GitRepository/fleet"),
    )
    source = (
        *("create", "source", "git", "second", "--url", f"{fleet.git_url}/fleet"),
        *("--branch", "main"),
    )
    kustomization = (
        *("create", "ks", "more", "--source", "second", "--path", "./nested", "--prune"),
        *("--target-namespace", fleet.namespace),
    )
    elsewhere = (
        ("create", "source", "oci", "o", "--url", "oci://r.example.com/x", "--tag-semver", "1.x"),
        ("create", "source", "helm", "h", "--url", "https://r.example.com", "--secret-ref", "s"),
        ("create", "source", "chart", "c", "--source", "HelmRepository/h", "--chart", "web"),
        ("create", "source", "bucket", "b", "--bucket-name", "b", "--endpoint", "s.example.com"),
    )
    made = (provider, alert, receiver, *elsewhere)
    exported = "".join([await lockstep(*each, "--export") for each in made])
    await kubectl("apply", "--dry-run=server", "-f", "-", given=exported)

    async with fleet.engine(PLUGIN) as state:
        await fleet.until("Kustomization", "app", is_ready)
        told = [await lockstep(*each) for each in (provider, alert, receiver, source)]
        commit = fleet.commit({"app/web.yaml": config_map("web", color="red")})
        url = f"http://{reachable(state.addresses['webhooks'])}"
        triggered = await lockstep(
            *("trigger", "receiver", "ci", "--type", "generic-hmac", "--token", "word"),
            *("--url", url, "-n", fleet.namespace),
        )
        await fleet.until("Kustomization", "app", is_at(commit))
        shown = await lockstep("get", "receivers")
        alerts = await lockstep("get", "alerts")
        providers = await lockstep("get", "alert-providers")
        asked = await lockstep("reconcile", "receiver", "ci")
        more = await lockstep(*kustomization)

    assert "✔ Provider chat is ready" in told[0]
    assert "✔ Alert drift is ready" in told[1]
    assert "✔ generated webhook URL /hook/" in told[2]
    assert "✔ fetched revision: main@sha1:" in told[3]
    assert triggered.endswith(f"✔ Receiver {fleet.namespace}/ci triggered\n")
    assert re.search(r"ci +False +True +Receiver initialized for path: /hook/[0-9a-f]{64}", shown)
    assert re.search(r"drift +False +True +Alert is Ready", alerts)
    assert re.search(r"chat +True +Provider is Ready", providers)
    assert "✔" in asked
    assert "✔ applied revision main@sha1:" in more
