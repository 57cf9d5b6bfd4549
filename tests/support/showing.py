"""What is shown of a fleet beside its API server: to chats, to senders of webhooks, on a terminal.

For tests that look for secrets in all of it.
"""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web
from anyio import to_thread

from engine.hooks import path_of
from tests.support.fleet import Fleet
from tests.support.git_server import serve_application
from tests.unit.cli.conftest import run_here

SOURCES = [{"kind": kind, "name": "*"} for kind in ("GitRepository", "Kustomization")]
RECEIVERS = ("generic", "generic-hmac", "github", "gitlab")


@asynccontextmanager
async def parrot() -> AsyncIterator[str]:
    """A service that refuses, and repeats whatever it was sent."""

    async def refuse(request: web.Request) -> web.Response:
        text = f"{request.rel_url} {dict(request.headers)} {await request.text()}"
        return web.Response(status=400, text=text, reason=f"not {request.rel_url}"[:200])

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", refuse)
    async with serve_application(application) as url:
        yield url


async def put_secret(fleet: Fleet, name: str, values: Mapping[str, str]) -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    metadata = {"name": name}
    await fleet.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


async def put_provider(fleet: Fleet, name: str, kind: str, values: Mapping[str, str]) -> None:
    """A Provider that has all that it needs in a Secret, and an Alert that tells it everything."""
    await put_secret(fleet, name, values)
    await fleet.create("Provider", name, {"type": kind, "secretRef": {"name": name}})
    named = {"providerRef": {"name": name}, "eventSources": SOURCES}
    await fleet.create("Alert", name, named)


async def put_receivers(fleet: Fleet, token: str) -> None:
    await put_secret(fleet, "hook", {"token": token})
    for kind in RECEIVERS:
        woken = {"resources": [{"kind": "GitRepository", "name": "fleet"}]}
        await fleet.create("Receiver", kind, {"type": kind, "secretRef": {"name": "hook"}, **woken})


async def answers(fleet: Fleet, token: str, url: str) -> dict[str, str]:
    """What receivers answer to who proves nothing, to who lies, and to who has the wrong path."""
    found = {}
    headers = {
        "X-Signature": "sha256=00",
        "X-Hub-Signature-256": "sha256=00",
        "X-Gitlab-Token": "x",
    }
    async with aiohttp.ClientSession(url) as session:
        for kind in RECEIVERS:
            path = path_of(token.encode(), kind, fleet.namespace)
            for place, given in ((path, {}), (path, headers), (path[:-1], headers)):
                async with session.post(place, json={"token": "x"}, headers=given) as answer:
                    text = f"{answer.status} {answer.reason} {answer.headers} {await answer.text()}"
                    found[f"answer of {kind} at {place} to {given}"] = text
    return found


async def printed(fleet: Fleet, folder: Path, names: list[str]) -> dict[str, str]:
    """What commands print about the fleet and about a checkout of it.

    names: of Kustomizations whose folders there have the same names.
    """
    here, at = str(folder), ["--kubeconfig", str(fleet.server.kubeconfig), "-n", fleet.namespace]
    commands = [
        ["get", "all", "-o", "yaml", *at],
        ["get", "all", "-o", "wide", *at],
        ["export", "kustomization", "--all", *at],
        ["export", "source", "git", "--all", *at],
        ["export", "alert-provider", "--all", *at],
        ["export", "receiver", "--all", *at],
        ["events", *at],
        ["tree", "kustomization", names[-1], *at],
        ["build", f"{here}/{names[-1]}"],
        ["doctor", "--repository", here, *at],
        ["secrets", "list", here, "--by-recipient"],
        ["secrets", "check", here],
    ]
    for name in names:
        path = ["--path", f"{here}/{name}"]
        commands += [
            ["build", "kustomization", name, *path, *at],
            ["diff", "kustomization", name, *path, *at],
            ["diff", "kustomization", name, *path, "-o", "json", *at],
            ["diff", "kustomization", name, *path, "-o", "flux", *at],
        ]
    found = {}
    for words in commands:
        ended = await to_thread.run_sync(run_here, *words)
        assert "Usage: " not in ended.err
        found[f"lockstep {' '.join(words)}"] = f"{ended.out}{ended.err}"
    return found
