import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from aiohttp import web

from engine.cli.reconcile import nanoseconds_now
from tests.support.scripted_api import ScriptedApi, json
from tests.unit.cli.listings import listing, watched

Lockstep: TypeAlias = Callable[..., Awaitable[Any]]

AT = "reconcile.fluxcd.io/requestedAt"
KS = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations"
GIT = "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories"


def obj(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "flux-system", "uid": name, "generation": 1}
    return {"kind": kind, "metadata": {**metadata, "resourceVersion": "1"}, "spec": spec}


def serve(api: ScriptedApi, path: str, before: dict[str, Any], ready: str = "True") -> None:
    """An engine that answers a request, or a new spec, as soon as somebody looks."""
    now: dict[str, Any] = dict(before)

    async def patch(request: web.Request) -> web.StreamResponse:
        change = await request.json()
        now["metadata"] = {**now["metadata"], **change.get("metadata", {})}
        if "spec" in change:
            now["spec"] = {**now["spec"], **change["spec"]}
            now["metadata"]["generation"] += 1
        return web.json_response(now)

    async def list_it(_: web.Request) -> web.StreamResponse:
        condition = {"type": "Ready", "status": ready, "reason": "BuildFailed", "message": "no"}
        condition["observedGeneration"] = now["metadata"]["generation"]
        now["status"] = {
            "conditions": [condition],
            "lastHandledReconcileAt": now["metadata"].get("annotations", {}).get(AT, ""),
            "lastAppliedRevision": "main@sha1:1",
            "artifact": {"revision": "main@sha1:2"},
        }
        items = {"items": [now], "metadata": {"resourceVersion": "5"}}
        return web.json_response(items)

    name = before["metadata"]["name"]
    api.on("GET", f"{path}/{name}", json(before))
    api.on("PATCH", f"{path}/{name}", patch)
    api.on("GET", path, watched(list_it))


async def test_it_is_annotated_and_waited_for(api: ScriptedApi, lockstep: Lockstep) -> None:
    serve(api, KS, obj("Kustomization", "apps"))
    ended = await lockstep("reconcile", "ks", "apps")

    assert ended.status == 0
    assert ended.out == "✔ applied revision main@sha1:1\n"
    assert ended.err.splitlines() == [
        "► annotating Kustomization apps in flux-system namespace",
        "✔ Kustomization annotated",
        "◎ waiting for Kustomization reconciliation",
    ]


async def test_the_request_is_written_as_flux_s_own_command_line_does(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    serve(api, GIT, obj("GitRepository", "flux-system"))
    await lockstep("reconcile", "source", "git", "flux-system")

    (patch,) = api.asked("PATCH")
    assert patch.query == {"fieldManager": "flux"}
    assert list(patch.body["metadata"]["annotations"]) == [AT]


async def test_its_source_is_reconciled_first(api: ScriptedApi, lockstep: Lockstep) -> None:
    reference = {"kind": "GitRepository", "name": "flux-system"}
    serve(api, KS, obj("Kustomization", "apps", sourceRef=reference))
    serve(api, GIT, obj("GitRepository", "flux-system"))
    ended = await lockstep("reconcile", "ks", "apps", "--with-source")

    assert ended.out == "✔ fetched revision main@sha1:2\n✔ applied revision main@sha1:1\n"
    assert [each.path for each in api.asked("PATCH")] == [f"{GIT}/flux-system", f"{KS}/apps"]


async def test_a_failure_is_an_error(api: ScriptedApi, lockstep: Lockstep) -> None:
    serve(api, KS, obj("Kustomization", "apps"), ready="False")
    ended = await lockstep("reconcile", "ks", "apps")

    assert ended.status == 1
    assert ended.err.endswith("Error: Kustomization flux-system/apps: BuildFailed: no\n")


async def test_what_is_suspended_is_not_asked(api: ScriptedApi, lockstep: Lockstep) -> None:
    serve(api, KS, obj("Kustomization", "apps", suspend=True))
    ended = await lockstep("reconcile", "ks", "apps")

    assert ended.status == 1
    assert ended.err.startswith("Error: resource is suspended: Kustomization flux-system/apps; ")
    assert not api.asked("PATCH")


async def test_what_nobody_reconciles_is_not_asked(lockstep: Lockstep) -> None:
    ended = await lockstep("reconcile", "source", "external", "x")

    assert ended.err.startswith("Error: reconciliation not supported by the object")


async def test_without_a_name_there_is_nothing_to_reconcile(lockstep: Lockstep) -> None:
    assert (await lockstep("reconcile", "ks")).status == 2


async def test_suspending_sets_one_field(api: ScriptedApi, lockstep: Lockstep) -> None:
    serve(api, KS, obj("Kustomization", "apps"))
    ended = await lockstep("suspend", "ks", "apps")

    assert ended.out == "✔ Kustomization apps suspended\n"
    assert [each.body for each in api.asked("PATCH")] == [{"spec": {"suspend": True}}]


async def test_resuming_waits_until_it_is_ready_again(api: ScriptedApi, lockstep: Lockstep) -> None:
    serve(api, KS, obj("Kustomization", "apps", suspend=True))
    ended = await lockstep("resume", "ks", "apps")

    assert ended.out.splitlines() == [
        "✔ Kustomization apps resumed",
        "✔ Kustomization apps: applied revision main@sha1:1",
    ]
    assert [each.body for each in api.asked("PATCH")] == [{"spec": {"suspend": None}}]


async def test_all_objects_of_a_namespace_are_resumed(api: ScriptedApi, lockstep: Lockstep) -> None:
    serve(api, KS, obj("Kustomization", "apps", suspend=True))
    ended = await lockstep("resume", "ks", "--all", "--no-wait")

    assert ended.out == "✔ Kustomization apps resumed\n"


def resumed(name: str, ready: str) -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "reason": "BuildFailed", "message": "no"}
    status = {
        "conditions": [{**condition, "observedGeneration": 1}],
        "lastAppliedRevision": "main@sha1:1",
    }
    return {**obj("Kustomization", name), "status": status}


async def test_one_that_fails_does_not_hide_how_the_others_ended(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    ended_as = {name: resumed(name, status) for name, status in (("bad", "False"), ("ok", "True"))}
    for name, each in ended_as.items():
        api.on("GET", f"{KS}/{name}", json(each))
        api.on("PATCH", f"{KS}/{name}", json(each))

    async def selected(request: web.Request) -> web.StreamResponse:
        name = request.query["fieldSelector"].removeprefix("metadata.name=")
        return await listing(ended_as[name])(request)

    api.on("GET", KS, watched(selected))
    ended = await lockstep("resume", "ks", "bad", "ok", "--wait")

    assert ended.status == 1
    assert ended.out.splitlines()[2:] == ["✔ Kustomization ok: applied revision main@sha1:1"]
    assert ended.err.endswith("Error: Kustomization flux-system/bad: BuildFailed: no\n")


async def test_of_several_none_is_waited_for_unless_asked(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    serve(api, KS, obj("Kustomization", "apps", suspend=True))
    ended = await lockstep("resume", "ks", "--all")
    waited = await lockstep("resume", "ks", "--all", "--wait")

    assert "waiting" not in ended.err
    assert waited.out.endswith("✔ Kustomization apps: applied revision main@sha1:1\n")


async def test_what_nothing_reconciles_is_suspended_and_resumed_without_waiting(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    alerts = "/apis/notification.toolkit.fluxcd.io/v1beta3/namespaces/flux-system/alerts"
    serve(api, alerts, obj("Alert", "slack"))
    await lockstep("suspend", "alert", "slack")
    ended = await lockstep("resume", "alert", "slack")

    assert ended.out == "✔ Alert slack resumed\n✔ Alert is Ready\n"
    assert [each.body for each in api.asked("PATCH")] == [
        {"spec": {"suspend": True}},
        {"spec": {"suspend": None}},
    ]


async def test_a_release_can_be_forced_and_its_failures_forgotten(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    releases = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/flux-system/helmreleases"
    serve(api, releases, obj("HelmRelease", "web"))
    await lockstep("reconcile", "hr", "web", "--force", "--reset")

    (patch,) = api.asked("PATCH")
    annotations = patch.body["metadata"]["annotations"]
    prefix = "reconcile.fluxcd.io"
    assert list(annotations) == [AT, f"{prefix}/forceAt", f"{prefix}/resetAt"]
    assert len(set(annotations.values())) == 1


async def test_only_a_release_can_be_forced(lockstep: Lockstep) -> None:
    assert (await lockstep("reconcile", "ks", "apps", "--force")).status == 2


async def test_of_a_release_the_source_of_its_chart_is_reconciled_first(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    source = "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system"
    reference = {"kind": "HelmRepository", "name": "repo"}
    chart = {"spec": {"chart": "web", "sourceRef": reference}}
    releases = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/flux-system/helmreleases"
    serve(api, releases, obj("HelmRelease", "web", chart=chart))
    serve(api, f"{source}/helmcharts", obj("HelmChart", "flux-system-web", sourceRef=reference))
    serve(api, f"{source}/helmrepositories", obj("HelmRepository", "repo"))
    ended = await lockstep("reconcile", "hr", "web", "--with-source")

    assert ended.status == 0
    assert [each.path.rsplit("/", 2)[1:] for each in api.asked("PATCH")] == [
        ["helmrepositories", "repo"],
        ["helmcharts", "flux-system-web"],
        ["helmreleases", "web"],
    ]


async def test_names_and_all_exclude_each_other(lockstep: Lockstep) -> None:
    assert (await lockstep("suspend", "ks")).status == 2
    assert (await lockstep("suspend", "ks", "apps", "--all")).status == 2


async def test_what_is_not_there_cannot_be_suspended(lockstep: Lockstep) -> None:
    ended = await lockstep("suspend", "ks", "apps")

    assert ended.err.startswith("Error: Kustomization object 'apps' not found")


def test_a_request_has_nanoseconds() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", nanoseconds_now())
