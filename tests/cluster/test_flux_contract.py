"""What the flux CLI asks for and waits for: its requests, sent by a twin (flux-behaviour 11)."""

from base64 import b64encode

import pytest

from engine.api.meta import FINALIZER, KUSTOMIZE_OWNER_NAME, KUSTOMIZE_OWNER_NAMESPACE
from engine.app import reachable
from engine.objects.kstatus import Status, health
from engine.objects.ref import Object
from engine.runtime import SystemClock
from plugins import PLUGIN
from tests.support.crash import LEASES
from tests.support.fleet import (
    Files,
    Fleet,
    condition_of,
    config_map,
    has_handled,
    has_reason,
    is_at,
    is_ready,
)
from tests.support.flux import FluxError, FluxTwin, handled, trigger
from tests.support.flux_types import misfits

KUSTOMIZE = "kustomize.toolkit.fluxcd.io"


@pytest.fixture
async def fleet(fleet: Fleet) -> Fleet:
    """A fleet with one source and one Kustomization, `app`."""
    await fleet.app({"app/web.yaml": config_map("web", color="blue")}, "Paint it blue")
    return fleet


def kstatus(obj: Object) -> Status:
    return health(obj, SystemClock().wall()).status


async def test_a_reconcile_is_answered_with_its_token(fleet: Fleet, flux: FluxTwin) -> None:
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        token = await flux.annotate("Kustomization", "app")
        first = await fleet.until("Kustomization", "app", has_handled(token))
        again = await flux.reconcile("Kustomization", "app")
        source = await flux.reconcile("GitRepository", "fleet")

    assert is_ready(first)
    assert kstatus(first) is Status.CURRENT
    for obj in (again, source):
        assert handled(obj) == obj["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"]
        assert obj["status"]["conditions"][0]["type"] == "Ready"


async def test_a_reconcile_with_source_applies_the_newest_commit(
    fleet: Fleet, flux: FluxTwin
) -> None:
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        commit = fleet.commit({"app/web.yaml": config_map("web", color="red")})
        source = await flux.reconcile("GitRepository", "fleet")
        ks = await flux.reconcile("Kustomization", "app")

    assert source["status"]["artifact"]["revision"] == f"main@sha1:{commit}"
    assert ks["status"]["lastAppliedRevision"] == f"main@sha1:{commit}"


async def test_a_reconcile_that_fails_keeps_the_cli_waiting(fleet: Fleet, flux: FluxTwin) -> None:
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.patch("Kustomization", "app", {"spec": {"path": "./nowhere"}})
        before = await fleet.until("Kustomization", "app", has_reason("ArtifactFailed"))
        token = await flux.annotate("Kustomization", "app")
        obj = await fleet.until("Kustomization", "app", has_handled(token))

    assert kstatus(obj) is Status.IN_PROGRESS
    assert condition_of(obj)["status"] == "False"
    assert condition_of(obj, "Reconciling")["reason"] == "ProgressingWithRetry"
    assert condition_of(obj, "Stalled") == {}
    assert before["status"]["observedGeneration"] < before["metadata"]["generation"]
    assert misfits(obj) == []


async def test_a_reconcile_that_cannot_succeed_ends_the_waiting_at_once(
    fleet: Fleet, flux: FluxTwin
) -> None:
    fleet.settings["no_cross_namespace_refs"] = True
    source = {"kind": "GitRepository", "name": "fleet", "namespace": "kube-system"}
    await fleet.kustomization("stray", path="./app", sourceRef=source)

    async with fleet.engine():
        stalled = await fleet.until("Kustomization", "stray", has_reason("AccessDenied"))
        with pytest.raises(FluxError, match="cross-namespace references have been blocked"):
            await flux.reconcile("Kustomization", "stray")

    assert kstatus(stalled) is Status.FAILED
    assert condition_of(stalled, "Stalled")["reason"] == "AccessDenied"
    assert condition_of(stalled, "Reconciling") == {}
    assert stalled["status"]["observedGeneration"] == stalled["metadata"]["generation"]
    assert misfits(stalled) == []


@pytest.mark.covers("Kustomization.spec.suspend")
async def test_a_suspended_object_rests_until_it_is_resumed(fleet: Fleet, flux: FluxTwin) -> None:
    async with fleet.engine():
        ready = await fleet.until("Kustomization", "app", is_ready)
        await flux.suspend("Kustomization", "app")
        with pytest.raises(FluxError, match="resource is suspended"):
            await flux.reconcile("Kustomization", "app")
        commit = fleet.commit({"app/web.yaml": config_map("web", color="red")})
        await flux.reconcile("GitRepository", "fleet")
        token = await flux.annotate("Kustomization", "app")
        resting = await fleet.until("Kustomization", "app", has_handled(token))
        live = await fleet.get("ConfigMap", "web")
        resumed = await flux.resume("Kustomization", "app")

    assert condition_of(resting) == condition_of(ready)
    assert resting["status"]["observedGeneration"] == ready["status"]["observedGeneration"]
    assert live is not None
    assert live["data"] == {"color": "blue"}
    assert resumed["status"]["lastAppliedRevision"] == f"main@sha1:{commit}"
    assert "suspend" not in resumed["spec"]
    assert is_ready(resumed)


@pytest.mark.covers("GitRepository.spec.suspend")
async def test_a_suspended_source_fetches_nothing_until_it_is_resumed(
    fleet: Fleet, flux: FluxTwin
) -> None:
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await flux.suspend("GitRepository", "fleet")
        commit = fleet.commit({"app/web.yaml": config_map("web", color="red")})
        token = await flux.annotate("GitRepository", "fleet")
        resting = await fleet.until("GitRepository", "fleet", has_handled(token))
        resumed = await flux.resume("GitRepository", "fleet")
        await fleet.until("Kustomization", "app", is_at(commit))

    assert not resting["status"]["artifact"]["revision"].endswith(commit)
    assert resumed["status"]["artifact"]["revision"].endswith(commit)


async def test_every_field_of_a_status_has_the_type_that_flux_decodes(
    fleet: Fleet, flux: FluxTwin
) -> None:
    await fleet.kustomization("waiting", path="./app", wait=True, namePrefix="second-")
    await fleet.source("ignoring", ignore="*.md\n")

    async with fleet.engine():
        await fleet.until("Kustomization", "waiting", is_ready)
        await fleet.until("GitRepository", "ignoring", is_ready)
        objects = [
            await flux.reconcile("Kustomization", "app"),
            await flux.reconcile("Kustomization", "waiting"),
            await flux.reconcile("GitRepository", "ignoring"),
        ]

    for obj in objects:
        assert misfits(obj) == []
        generation = obj["metadata"]["generation"]
        assert obj["status"]["observedGeneration"] == generation
        assert {c["observedGeneration"] for c in obj["status"]["conditions"]} == {generation}
    assert [c["type"] for c in objects[1]["status"]["conditions"]] == ["Ready", "Healthy"]
    assert [c["type"] for c in objects[2]["status"]["conditions"]] == ["Ready", "ArtifactInStorage"]
    assert objects[0]["status"]["history"][0]["metadata"] == {
        "revision": objects[0]["status"]["lastAppliedRevision"]
    }


async def test_a_status_is_written_by_the_managers_of_flux(fleet: Fleet) -> None:
    async with fleet.engine():
        ks = await fleet.until("Kustomization", "app", is_ready)
        source = await fleet.until("GitRepository", "fleet", is_ready)
        live = await fleet.get("ConfigMap", "web")

    assert "gotk-kustomize-controller" in managers(ks, "status")
    assert "source-controller" in managers(source, "status")
    assert managers(live, "") == {"kustomize-controller"}


def managers(obj: Object | None, subresource: str) -> set[str]:
    assert obj is not None
    entries = obj["metadata"]["managedFields"]
    return {each["manager"] for each in entries if each.get("subresource", "") == subresource}


async def test_the_cli_lists_by_name_and_over_all_namespaces(fleet: Fleet, flux: FluxTwin) -> None:
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        named = await flux.all_of("Kustomization", "app")
        unknown = await flux.all_of("Kustomization", "nobody")
        everywhere = await flux.all_of("GitRepository", everywhere=True)

    assert [each["metadata"]["name"] for each in named] == ["app"]
    assert unknown == []
    assert fleet.namespace in {each["metadata"]["namespace"] for each in everywhere}


async def test_a_tree_is_read_off_the_inventory(fleet: Fleet) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "system:reader"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}],
    }
    nested = fleet.described("nested", path="./nested")
    files: Files = {"app/more.yaml": [role, nested], "nested/x.yaml": config_map("x")}
    commit = fleet.commit(files)

    async with fleet.engine():
        obj = await fleet.until("Kustomization", "app", is_at(commit))
        below = await fleet.until("Kustomization", "nested", is_ready)

    assert parsed(obj) == [
        (fleet.namespace, "system:reader", "rbac.authorization.k8s.io", "Role"),
        (fleet.namespace, "web", "", "ConfigMap"),
        (fleet.namespace, "nested", KUSTOMIZE, "Kustomization"),
    ]
    assert parsed(below) == [(fleet.namespace, "x", "", "ConfigMap")]


async def test_a_kustomization_that_another_one_applies_keeps_what_the_cli_wrote(
    fleet: Fleet, flux: FluxTwin
) -> None:
    nested = fleet.described("nested", path="./nested")
    fleet.commit({"app/more.yaml": nested, "nested/x.yaml": config_map("x")})

    async with fleet.engine():
        await fleet.until("Kustomization", "nested", is_ready)
        before = await flux.reconcile("Kustomization", "nested")
        await flux.reconcile("Kustomization", "app")
        same = await flux.get("Kustomization", "nested")
        marked = {**nested, "metadata": {"name": "nested", "labels": {"a": "b"}}}
        fleet.commit({"app/more.yaml": marked})
        await flux.reconcile("GitRepository", "fleet")
        await flux.reconcile("Kustomization", "app")
        after = await flux.get("Kustomization", "nested")

    assert before["metadata"]["finalizers"] == [FINALIZER]
    assert same["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert after["metadata"]["labels"]["a"] == "b"
    assert after["metadata"]["finalizers"] == [FINALIZER]
    assert handled(after) == handled(before)


def parsed(ks: Object) -> list[tuple[str, str, str, str]]:
    """The inventory as fluxcd/cli-utils ParseObjMetadata reads ids."""
    found = []
    for entry in ks["status"]["inventory"]["entries"]:
        first, _, rest = entry["id"].partition("_")
        name, group, kind = rest.rsplit("_", 2)
        found.append((first, name.replace("__", ":"), group, kind))
    return found


async def test_an_object_is_traced_to_its_commit(fleet: Fleet, flux: FluxTwin) -> None:
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        live = await fleet.get("ConfigMap", "web")

    assert live is not None
    labels = live["metadata"]["labels"]
    assert labels[KUSTOMIZE_OWNER_NAMESPACE] == fleet.namespace
    ks = await flux.get("Kustomization", labels[KUSTOMIZE_OWNER_NAME])
    source = await flux.get("GitRepository", ks["spec"]["sourceRef"]["name"])
    assert source["status"]["artifact"]["revision"] == ks["status"]["lastAppliedRevision"]


async def test_a_deleted_object_leaves_when_its_finalizer_has_pruned(
    fleet: Fleet, flux: FluxTwin
) -> None:
    async with fleet.engine():
        ready = await fleet.until("Kustomization", "app", is_ready)
        source = await flux.get("GitRepository", "fleet")
        await flux.delete("Kustomization", "app")
        await fleet.until_gone("Kustomization", "app")
        await flux.delete("GitRepository", "fleet")
        await fleet.until_gone("GitRepository", "fleet")

    assert ready["metadata"]["finalizers"] == [FINALIZER]
    assert source["metadata"]["finalizers"] == [FINALIZER]
    assert await fleet.get("ConfigMap", "web") is None


async def test_deleting_a_suspended_kustomization_leaves_its_objects(
    fleet: Fleet, flux: FluxTwin
) -> None:
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await flux.suspend("Kustomization", "app")
        await flux.delete("Kustomization", "app")
        await fleet.until_gone("Kustomization", "app")

    assert await fleet.get("ConfigMap", "web") is not None


async def test_what_the_cli_creates_is_ready_and_a_receiver_can_be_triggered(
    fleet: Fleet, flux: FluxTwin
) -> None:
    data = {"token": b64encode(b"word").decode()}
    await fleet.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "t"}, "data": data})

    async with fleet.engine(PLUGIN) as state:
        before = await fleet.until("Kustomization", "app", is_ready)
        await flux.create("Provider", "chat", {"type": "slack", "secretRef": {"name": "chat"}})
        sources = [{"kind": "Kustomization", "name": "*"}]
        alert = {"providerRef": {"name": "chat"}, "eventSources": sources}
        await flux.create("Alert", "drift", alert)
        source = {"kind": "GitRepository", "name": "fleet"}
        spec = {"type": "generic-hmac", "secretRef": {"name": "t"}, "resources": [source]}
        receiver = await flux.create("Receiver", "ci", spec)
        commit = fleet.commit({"app/web.yaml": config_map("web", color="red")})
        base = f"http://{reachable(state.addresses['webhooks'])}"
        answered = await trigger(base, "ci", fleet.namespace, "word", b"{}")
        await fleet.until("Kustomization", "app", is_at(commit))

    assert not before["status"]["lastAppliedRevision"].endswith(commit)
    assert answered == 200
    assert receiver["status"]["webhookPath"].startswith("/hook/")
    assert [len(await flux.all_of(kind)) for kind in ("Provider", "Alert", "Receiver")] == [1] * 3


async def test_the_leases_of_flux_are_held_and_given_back(fleet: Fleet) -> None:
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        held = [await fleet.get("Lease", name) for name in LEASES]
    given_back = [await fleet.get("Lease", name) for name in LEASES]

    assert all(lease and lease["spec"]["holderIdentity"] for lease in held)
    assert not any(lease and lease["spec"].get("holderIdentity") for lease in given_back)
