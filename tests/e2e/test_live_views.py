"""The live views in a terminal: the table, a row for each change, and an end at Ctrl-C."""

import os
import sys
from collections.abc import AsyncIterator
from json import dumps
from pathlib import Path
from random import Random

import anyio
import pytest
from aiohttp import web

from engine.cluster import Client, connected
from engine.cluster.connect import locate
from engine.runtime import SystemClock
from tests.support.apiserver import ApiServer, kubeconfig
from tests.support.commands import furnish
from tests.support.scripted_api import scripted_api
from tests.support.terminals import KINDS, Terminal, terminal, until
from tests.unit.cli.listings import listing

LOCKSTEP = (sys.executable, "-m", "engine")
READY = {"type": "Ready", "reason": "X", "lastTransitionTime": "2026-11-01T08:00:00Z"}


@pytest.fixture
async def client(embedded_api_server: ApiServer) -> AsyncIterator[Client]:
    """A client of an API server on which the world of the golden tests stands."""
    await furnish(embedded_api_server)
    endpoint = locate(str(embedded_api_server.kubeconfig), "")
    async with connected(endpoint, SystemClock(), Random(0)) as client:
        yield client


@pytest.fixture
def environment(embedded_api_server: ApiServer, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "KUBECONFIG": str(embedded_api_server.kubeconfig),
    }


async def ends_quietly(shown: Terminal) -> str:
    """The screen after Ctrl-C: no traceback, and the status that shells expect."""
    await shown.interrupt()
    screen = await until(shown, "status=130")
    assert "Traceback" not in screen
    assert "Error" not in screen
    return screen


@pytest.mark.parametrize("kind", KINDS)
async def test_get_shows_each_change(
    client: Client, environment: dict[str, str], kind: str
) -> None:
    resource = await client.resource("kustomize.toolkit.fluxcd.io/v1", "Kustomization")
    async with terminal(kind, [*LOCKSTEP, "get", "ks", "-w"], environment) as shown:
        first = await until(shown, "nested")
        condition = {**READY, "status": "True", "message": "all is well again"}
        status = {"status": {"conditions": [condition]}}
        await client.merge_patch(resource, "flux-system", "nested", status, subresource="status")
        await until(shown, "all is well again")
        screen = await ends_quietly(shown)

    assert [line.split()[0] for line in first.splitlines() if line.strip()][:3] == [
        "NAME",
        "apps",
        "nested",
    ]
    rows = [line for line in screen.splitlines() if line.startswith("nested")]
    assert [row.split()[-4:] for row in rows[-1:]] == [["all", "is", "well", "again"]]
    assert rows[-1].index("True") == rows[0].index("True")  # the columns stay where they are


@pytest.mark.parametrize("kind", KINDS)
async def test_events_show_what_is_new(
    client: Client, environment: dict[str, str], kind: str
) -> None:
    events = await client.resource("v1", "Event")
    about = {"kind": "Kustomization", "name": "apps", "namespace": "flux-system"}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "apps.2", "namespace": "flux-system"},
        "involvedObject": about,
        "type": "Warning",
        "reason": "DriftDetected",
        "message": "somebody was here",
        "count": 1,
        "firstTimestamp": "2026-11-01T09:30:00Z",
        "lastTimestamp": "2026-11-01T09:30:00Z",
    }
    command = [*LOCKSTEP, "events", "-w", "--for", "Kustomization/apps"]
    async with terminal(kind, command, environment) as shown:
        await until(shown, "ReconciliationSucceeded")
        await client.create(events, event)
        await until(shown, "somebody was here")
        screen = await ends_quietly(shown)

    reasons = ("NewArtifact", "ReconciliationSucceeded", "DriftDetected")
    assert [word for word in screen.split() if word in reasons] == list(reasons)


@pytest.mark.parametrize("kind", KINDS)
async def test_logs_show_each_new_line(
    environment: dict[str, str], tmp_path: Path, kind: str
) -> None:
    namespace, more = "/namespaces/flux-system", anyio.Event()

    def line(message: str) -> bytes:
        about = {"controllerKind": "Kustomization", "name": "apps", "namespace": "flux-system"}
        at = {"ts": "2026-11-23T09:00:00Z", "level": "info", "msg": message}
        return dumps({**at, **about}).encode() + b"\n"

    async def log(request: web.Request) -> web.StreamResponse:
        assert request.query["follow"] == "true"
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(line("what was"))
        await more.wait()
        await response.write(line("what is new"))
        await anyio.sleep_forever()
        return response

    async with scripted_api() as api:
        template = {"metadata": {"labels": {"app": "lockstep"}}}
        names = {"name": "lockstep", "namespace": "flux-system"}
        deployment = {"metadata": names, "spec": {"template": template}}
        pod = {"metadata": names, "spec": {"containers": [{"name": "manager"}]}}
        api.on("GET", f"/apis/apps/v1{namespace}/deployments", listing(deployment))
        api.on("GET", f"/api/v1{namespace}/pods", listing(pod))
        api.on("GET", f"/api/v1{namespace}/pods/lockstep/log", log)
        config = tmp_path / "kubeconfig"
        config.write_text(dumps(kubeconfig(api.url)))
        words = [*LOCKSTEP, "logs", "-f", "--kubeconfig", str(config)]
        async with terminal(kind, words, environment) as shown:
            await until(shown, "what was")
            more.set()
            await until(shown, "what is new")
            screen = await ends_quietly(shown)

    assert [word for word in screen.splitlines() if "Kustomization/apps" in word] == [
        f"2026-11-23T09:00:00Z info Kustomization/apps.flux-system - {message}"
        for message in ("what was", "what is new")
    ]


@pytest.mark.parametrize("variable", ["", "1"], ids=["colour", "NO_COLOR"])
async def test_a_terminal_has_colours_unless_it_should_not(
    client: Client, environment: dict[str, str], variable: str
) -> None:
    command = [*LOCKSTEP, "get", "ks"]
    async with terminal(KINDS[-1], command, {**environment, "NO_COLOR": variable}) as shown:
        await until(shown, "status=0")
        is_coloured = await shown.is_coloured()

    assert is_coloured == (variable == "")
