"""What a running engine tells: traces, metrics, log lines and notifications of real reconciles."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import anyio
import pytest
from aiohttp import web
from opentelemetry.trace import StatusCode

from engine import app
from engine.serve.git import git_application
from tests.support.fleet import Fleet, config_map, has_reason, is_at, is_ready
from tests.support.flux import POLL
from tests.support.git_server import serve_application
from tests.support.observing import Traces, logged, notified, traced

STATUS: Mapping[str, object] = {"status": {"patch kustomizations.kustomize.toolkit.fluxcd.io": {}}}


async def scraped(state: app.State) -> dict[str, float]:
    """The series at this moment, without buckets; a scrape is a second old at most."""
    await anyio.sleep(1.1)
    url = f"http://{state.addresses['metrics']}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        lines = (await answer.text()).splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs if "_bucket{" not in name}


async def ended(traces: Traces, **attributes: str) -> dict[str, object]:
    """The tree of the last trace with these attributes, once there is one.

    Left out is discovery: whose run asks first is chance.
    """
    while True:
        if roots := traces.roots(**attributes):
            return without_discovery(traces.tree(roots[-1]))
        await anyio.sleep(POLL)


def without_discovery(tree: Mapping[str, Any]) -> dict[str, object]:
    return {
        name: without_discovery(below)
        for name, below in tree.items()
        if not name.startswith(("get /api", "get /openapi"))
    }


async def test_a_reconcile_is_one_trace_with_its_stages_and_requests(fleet: Fleet) -> None:
    await fleet.app(
        {"app/web.yaml": config_map("web"), "app/old.yaml": config_map("old")}, wait=True
    )

    with traced() as traces:
        async with fleet.engine():
            await fleet.until("Kustomization", "app", is_ready)
            commit = fleet.commit({"app/web.yaml": config_map("web", v="2"), "app/old.yaml": None})
            await fleet.request("GitRepository", "fleet", "now")
            await fleet.until("Kustomization", "app", is_at(commit))
            revision = f"main@sha1:{commit}"
            app_run = await ended(traces, name="app", revision=revision)
            source_run = await ended(traces, name="fleet", revision=revision)

    assert app_run == {
        "fetch": {},
        "render": {},
        "plan": {},
        "apply": {"patch configmaps": {}},
        "prune": {"delete configmaps": {}},
        "health": {},
        **STATUS,
    }
    assert list(source_run) == ["fetch", "store", "status"]
    root = traces.roots(name="app", revision=revision)[-1]
    assert root.name == "reconcile Kustomization"
    assert dict(root.attributes or {}) == {
        "group": "kustomize.toolkit.fluxcd.io",
        "kind": "Kustomization",
        "namespace": fleet.namespace,
        "name": "app",
        "trigger": f"GitRepository/{fleet.namespace}/fleet",
        "reason": "ReconciliationSucceeded",
        "revision": revision,
    }


async def test_a_failure_marks_its_stage_and_its_trace(fleet: Fleet) -> None:
    bad = {**config_map("bad"), "metadata": {"name": "bad", "labels": {"a": "not a label!"}}}
    fleet.commit({"broken/x.yaml": "a: [", "refused/x.yaml": bad})
    await fleet.source()
    for name in ("broken", "refused"):
        await fleet.kustomization(name, path=f"./{name}")

    with traced() as traces:
        async with fleet.engine():
            await fleet.until("Kustomization", "broken", has_reason("BuildFailed"))
            await fleet.until("Kustomization", "refused", has_reason("ReconciliationFailed"))
            await ended(traces, name="broken", reason="BuildFailed")
            await ended(traces, name="refused", reason="ReconciliationFailed")

    marked = {
        span.name: span.status.description
        for span in traces.spans
        if span.status.status_code is StatusCode.ERROR and span.parent is not None
    }
    (broken,) = traces.roots(name="broken", reason="BuildFailed")
    (refused,) = traces.roots(name="refused", reason="ReconciliationFailed")
    assert marked == {
        "render": "BuildFailed",
        "apply": "ReconciliationFailed",
        "patch configmaps": None,
    }
    assert "broken/x.yaml:" in str(broken.status.description)
    assert "refused/x.yaml:6: metadata.labels" in str(refused.status.description)


@dataclass
class GitSeen:
    """A Git server that notes the trace of each request."""

    url: str = ""
    traces: list[str] = field(default_factory=list)


@pytest.fixture
async def git(fleet: Fleet) -> AsyncIterator[GitSeen]:
    seen = GitSeen()

    async def note(request: web.Request, _: web.StreamResponse) -> None:
        seen.traces.append(request.headers.get("traceparent", ""))

    application = git_application(fleet.folder / "repositories")
    application.on_response_prepare.append(note)
    async with serve_application(application) as url:
        seen.url = url
        yield seen


async def test_git_and_notifications_are_asked_in_the_trace_of_the_reconcile(
    fleet: Fleet, git: GitSeen
) -> None:
    fleet.commit({"app/web.yaml": config_map("web")})
    await fleet.source(url=f"{git.url}/fleet")

    with traced() as traces:
        async with notified() as posts, fleet.engine(events_addr=f"{posts.url}/"):
            await fleet.until("GitRepository", "fleet", is_ready)
            await ended(traces, name="fleet")

    root = traces.roots(name="fleet")[0]
    trace_id = f"{root.context.trace_id:032x}"
    assert git.traces
    assert {each.split("-")[1] for each in git.traces} == {trace_id}
    (post,) = [each for each in posts.seen if each.body["reason"] == "NewArtifact"]
    assert post.headers["traceparent"].split("-")[1] == trace_id
    assert post.body["involvedObject"]["name"] == "fleet"
    assert post.body["severity"] == "info"
    assert post.body["reportingController"] == "source-controller"


async def test_metrics_have_the_names_and_labels_of_flux(fleet: Fleet) -> None:
    await fleet.app({"app/web.yaml": config_map("web"), "broken/x.yaml": "a: ["})
    await fleet.kustomization("broken", path="./broken")
    await fleet.kustomization("asleep", path="./app", suspend=True)

    async with fleet.engine() as state:
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.until("Kustomization", "broken", has_reason("BuildFailed"))
        before = await scraped(state)
        await fleet.patch("Kustomization", "asleep", {"spec": {"suspend": False}})
        await fleet.until("Kustomization", "asleep", is_ready)
        await fleet.delete("Kustomization", "app")
        await fleet.until_gone("Kustomization", "app")
        after = await scraped(state)

    def of(name: str) -> str:
        return f'kind="Kustomization",name="{name}",namespace="{fleet.namespace}"'

    def ready(name: str, status: str) -> str:
        return f'gotk_reconcile_condition{{{of(name)},status="{status}",type="Ready"}}'

    assert before[f"gotk_reconcile_duration_seconds_count{{{of('app')}}}"] >= 1
    assert (before[ready("app", "True")], before[ready("app", "False")]) == (1, 0)
    assert (before[ready("broken", "True")], before[ready("broken", "False")]) == (0, 1)
    assert before[f"gotk_suspend_status{{{of('app')}}}"] == 0
    assert before[f"gotk_suspend_status{{{of('asleep')}}}"] == 1
    assert after[f"gotk_suspend_status{{{of('asleep')}}}"] == 0
    assert [name for name in after if 'name="app"' in name] == []
    total = 'controller_runtime_reconcile_total{controller="kustomization",result="%s"}'
    assert before[total % "error"] >= 1
    assert before[total % "requeue_after"] >= 1
    queue = 'workqueue_depth{controller="kustomization",name="kustomization"}'
    assert before[queue] == 0
    leader = 'leader_election_master_status{name="kustomize-controller-leader-election"}'
    assert before[leader] == 1
    host = fleet.client.endpoint.host.partition("://")[2]
    requests = f'rest_client_requests_total{{code="200",host="{host}",method="PATCH"}}'
    assert before[requests] > 0
    assert before["process_resident_memory_bytes"] > 0


async def test_log_lines_of_a_run_share_the_id_of_its_trace(fleet: Fleet) -> None:
    await fleet.app({"app/web.yaml": config_map("web"), "broken/x.yaml": "a: ["})
    await fleet.kustomization("broken", path="./broken")

    with logged() as log, traced() as traces:
        async with fleet.engine():
            await fleet.until("Kustomization", "app", is_ready)
            await fleet.until("Kustomization", "broken", has_reason("BuildFailed"))
            await ended(traces, name="app", reason="ReconciliationSucceeded")
            await ended(traces, name="broken", reason="BuildFailed")

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    (applied,) = traces.roots(name="app", reason="ReconciliationSucceeded")
    own = [x for x in lines if x.get("reconcileID") == f"{applied.context.trace_id:032x}"]
    assert own[0]["msg"] == f"ConfigMap/{fleet.namespace}/web created"
    assert own[-1]["msg"].startswith("Applied revision: main@sha1:")
    assert {line["controllerKind"] for line in own} == {"Kustomization"}
    assert {(line["namespace"], line["name"]) for line in own} == {(fleet.namespace, "app")}
    (failed,) = [line for line in lines if line["level"] == "error"]
    assert failed["msg"].startswith("BuildFailed after ")
    assert "broken/x.yaml:" in failed["error"]
    assert failed["Kustomization"] == {"name": "broken", "namespace": fleet.namespace}


async def test_the_end_waits_for_the_last_events_but_not_for_long(
    fleet: Fleet,
) -> None:
    fleet.commit({"app/web.yaml": config_map("web")})
    await fleet.source()

    async def hang(_: web.Request) -> web.Response:
        await anyio.sleep_forever()
        raise AssertionError("it slept for ever")

    silent = web.Application()
    silent.router.add_post("/", hang)
    async with serve_application(silent) as url:
        async with fleet.engine(events_addr=f"{url}/"):
            await fleet.until("GitRepository", "fleet", is_ready)
            began = anyio.current_time()
        spent = anyio.current_time() - began

    events = await fleet.client.list(await fleet.resource("Event"), fleet.namespace)
    assert "NewArtifact" in [event["reason"] for event in events.items]
    assert spent < 10
