import json as standard_json
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from engine.cli.log_lines import Filter, line_of, lines_of
from tests.support.scripted_api import Reply, ScriptedApi, status
from tests.unit.cli.conftest import Lockstep
from tests.unit.cli.listings import listing

DEPLOYMENTS = "/apis/apps/v1/namespaces/flux-system/deployments"
PODS = "/api/v1/namespaces/flux-system/pods"


def logged(at: str, name: str, message: str, **keys: Any) -> dict[str, Any]:
    return {
        "level": "info",
        "ts": f"2026-11-23T09:00:{at}Z",
        "msg": message,
        "controllerKind": "Kustomization",
        "name": name,
        "namespace": "flux-system",
        **keys,
    }


def text(*lines: Mapping[str, Any] | str) -> Reply:
    """A Pod's log."""

    async def reply(_: web.Request) -> web.StreamResponse:
        whole = [each if isinstance(each, str) else standard_json.dumps(each) for each in lines]
        return web.Response(text="\n".join(whole) + "\n")

    return reply


def pod(name: str, containers: int = 1) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "flux-system"}
    names = [{"name": f"c{number}"} for number in range(containers)]
    return {"kind": "Pod", "metadata": metadata, "spec": {"containers": names}}


@pytest.fixture
def engine(api: ScriptedApi) -> ScriptedApi:
    """A Deployment with two Pods, of which one waits for the Lease."""
    template = {"metadata": {"labels": {"app": "lockstep"}}}
    metadata = {"name": "lockstep", "namespace": "flux-system"}
    deployment = {"metadata": metadata, "spec": {"template": template}}
    api.on("GET", DEPLOYMENTS, listing(deployment))
    api.on("GET", PODS, listing(pod("a"), pod("b")))
    api.on("GET", f"{PODS}/a/log", text("starting up", logged("02", "apps", "second")))
    api.on(
        "GET",
        f"{PODS}/b/log",
        text(
            logged("01", "apps", "first"),
            logged("03", "infra", "third", level="error", error="no such file"),
            logged("04", "other", "elsewhere", namespace="team-a"),
            {"level": "info", "ts": "2026-11-23T09:00:05Z", "msg": "about nothing"},
        ),
    )
    return api


async def test_the_lines_of_all_pods_are_shown_by_time(
    engine: ScriptedApi, lockstep: Lockstep
) -> None:
    ended = await lockstep("logs")

    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "2026-11-23T09:00:01Z info Kustomization/apps.flux-system - first",
        "2026-11-23T09:00:02Z info Kustomization/apps.flux-system - second",
        "2026-11-23T09:00:03Z error Kustomization/infra.flux-system - third no such file",
    ]
    asked = engine.asked("GET", DEPLOYMENTS)[0].query["labelSelector"]
    assert asked == "app.kubernetes.io/part-of=flux"
    assert engine.asked("GET", PODS)[0].query["labelSelector"] == "app=lockstep"


async def test_all_namespaces_include_what_is_about_no_object(
    engine: ScriptedApi, lockstep: Lockstep
) -> None:
    lines = (await lockstep("logs", "-A")).out.splitlines()

    assert lines[3:] == [
        "2026-11-23T09:00:04Z info Kustomization/other.team-a - elsewhere",
        "2026-11-23T09:00:05Z info  - about nothing",
    ]


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("--level", "error"), 1),
        (("--kind", "kustomization"), 3),
        (("--kind", "GitRepository"), 0),
        (("--name", "Apps"), 2),
        (("-n", "team-a"), 1),
    ],
)
async def test_lines_are_chosen(
    engine: ScriptedApi, lockstep: Lockstep, arguments: tuple[str, ...], count: int
) -> None:
    assert len((await lockstep("logs", *arguments)).out.splitlines()) == count


async def test_the_server_is_asked_for_no_more_than_is_wanted(
    engine: ScriptedApi, lockstep: Lockstep
) -> None:
    await lockstep("logs", "--tail", "5", "--since", "1500ms")
    await lockstep("logs", "--since-time", "2026-11-23T09:00:00Z", "--follow")

    first, *_, last = engine.asked("GET", f"{PODS}/a/log")
    assert first.query == {"tailLines": "5", "sinceSeconds": "2"}
    assert last.query == {"sinceTime": "2026-11-23T09:00:00Z", "follow": "true"}


async def test_following_ends_with_the_pods(engine: ScriptedApi, lockstep: Lockstep) -> None:
    ended = await lockstep("logs", "-f")

    assert ended.status == 0
    assert len(ended.out.splitlines()) == 3


async def test_of_several_containers_the_manager_is_read(
    engine: ScriptedApi, lockstep: Lockstep
) -> None:
    engine.on("GET", PODS, listing(pod("a", containers=2)))
    await lockstep("logs")

    assert engine.asked("GET", f"{PODS}/a/log")[0].query == {"container": "manager"}


async def test_a_pod_that_cannot_be_read_hides_no_other(
    engine: ScriptedApi, lockstep: Lockstep
) -> None:
    engine.on("GET", f"{PODS}/a/log", status(403, "you may not", reason="Forbidden"))
    ended = await lockstep("logs")

    assert ended.status == 1
    assert len(ended.out.splitlines()) == 2
    assert "! failed getting logs of a: you may not" in ended.err
    assert "Error: failed to collect logs from all Flux pods: a" in ended.err


async def test_without_pods_it_says_what_was_looked_for(
    api: ScriptedApi, lockstep: Lockstep
) -> None:
    api.on("GET", DEPLOYMENTS, listing())
    ended = await lockstep("logs")

    assert ended.status == 1
    assert ended.err.startswith('Error: no Flux pods found in namespace "flux-system"')


@pytest.mark.parametrize(
    "arguments",
    [("--since", "1m", "--since-time", "2026-11-23T09:00:00Z"), ("--since-time", "yesterday")],
)
async def test_what_makes_no_sense_is_refused(
    lockstep: Lockstep, arguments: tuple[str, ...]
) -> None:
    assert (await lockstep("logs", *arguments)).status == 2


def test_a_line_that_is_no_object_is_none() -> None:
    assert line_of(b"Traceback (most recent call last)") is None
    assert line_of(b"{ not json") is None


async def test_lines_come_in_pieces() -> None:
    whole = b'{"msg": "one"}\n{"msg": "two"}'
    pieces = [whole[start : start + 3] for start in range(0, len(whole), 3)]

    async def chunk() -> bytes:
        return pieces.pop(0) if pieces else b""

    assert [line.message async for line in lines_of(chunk)] == ["one", "two"]


def test_a_filter_that_asks_for_nothing_lets_all_pass() -> None:
    line = line_of(b"{}")

    assert line is not None
    assert Filter()(line)
