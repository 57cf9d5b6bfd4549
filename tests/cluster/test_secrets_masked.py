"""No secret leaves the engine: not in logs, events, statuses, spans, metrics or error bodies."""

import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web

from engine import app
from tests.support.fleet import Files, Fleet, condition_of, config_map, has_reason, is_ready
from tests.support.git_server import serve_application
from tests.support.observing import Traces, logged, notified, traced

KINDS = ("GitRepository", "Kustomization", "Receiver")
SHOWN = ("", "healthz", "readyz", "loglevel", "metrics", "gitrepository/x/y/z.tar.gz")


class Canaries:
    """Secret values, a new one for each use, and the forms in which they must not show."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def __call__(self, use: str) -> str:
        """The value for that use: with characters that JSON, URLs and base64 write in a form."""
        return self.values.setdefault(use, f"Canary/{len(self.values)}+{use}=?")

    def shown_in(self, text: str) -> list[str]:
        """Uses whose value stands in the text, plain or encoded."""
        return [use for use, value in self.values.items() if any(f in text for f in forms(value))]


def forms(value: str) -> Iterator[str]:
    """The value, and its base64 at each of the three places where it may begin in a longer text."""
    yield value
    yield quote(value, safe="")
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + value.encode()).decode()
        yield encoded[(0, 2, 3)[shift] : -4]


def secret(name: str, /, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **fields}


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


async def all_that_shows(fleet: Fleet, state: app.State) -> dict[str, str]:
    """What people and machines may look at while the engine runs."""
    events = await fleet.resource("Event")
    told = {"events": str(await fleet.client.list(events, fleet.namespace))}
    for kind in KINDS:
        listed = await fleet.client.list(await fleet.resource(kind), fleet.namespace)
        told[f"status of {kind}"] = str([each.get("status") for each in listed.items])
    async with aiohttp.ClientSession() as session:
        for name, address in state.addresses.items():
            for path in SHOWN:
                async with session.get(f"http://{address}/{path}") as answer:
                    told[f"{name} /{path}"] = f"{answer.headers} {await answer.text()}"
        loglevel = f"http://{state.addresses['health']}/loglevel"
        async with session.put(loglevel, data=b"x") as answer:
            told["an error body"] = await answer.text()
    return told


def said_in_spans(traces: Traces) -> str:
    return "\n".join(span.to_json() for span in traces.spans)


@pytest.fixture
def canary() -> Canaries:
    return Canaries()


@pytest.fixture
async def echo() -> AsyncIterator[str]:
    """A Git server that refuses, and repeats in its answer whatever it was shown."""

    async def refuse(request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "")
        kind, _, login = shown.partition(" ")
        plain = base64.b64decode(login).decode() if kind == "Basic" else login
        line = f"ERR no entry for {shown}, that is {plain}\n".encode()
        if "reason" in request.path:
            return web.Response(status=500, reason=f"not for {shown} {plain}"[:200])
        body = b"001e# service=git-upload-pack\n0000" + b"%04x" % (len(line) + 4) + line
        content_type = "application/x-git-upload-pack-advertisement"
        return web.Response(body=body, content_type=content_type)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", refuse)
    async with serve_application(application) as url:
        yield url


async def sources(fleet: Fleet, canary: Canaries, url: str) -> list[str]:
    """GitRepositories whose server repeats their credentials."""
    logins: Mapping[str, Mapping[str, str]] = {
        "basic": {"username": "flux", "password": canary("password")},
        "bearer": {"bearerToken": canary("bearer token")},
    }
    secrets = await fleet.resource("Secret")
    for name, login in logins.items():
        await fleet.client.create(secrets, secret(name, stringData=login), fleet.namespace)
        for path in ("fleet", "reason"):
            await fleet.source(f"{name}-{path}", url=f"{url}/{path}", secretRef={"name": name})
    user = f"http://flux:{quote(canary('user part'), safe='')}@{url.partition('://')[2]}"
    await fleet.source("url-fleet", url=f"{user}/fleet")
    await fleet.source("url-reason", url=f"{user}/reason")
    return [f"{name}-{path}" for name in (*logins, "url") for path in ("fleet", "reason")]


def refused(canary: Canaries) -> dict[str, Any]:
    """Objects that the API server refuses, in words that may quote them."""
    variable = "${PASSWORD}"
    return {
        "not-base64": secret("not-base64", data={"a": canary("not base64")}),
        "nested": secret("nested", stringData={"a": {"b": canary("nested")}}),
        "listed": secret("listed", data={"a": [canary("in a list")]}),
        "whole": secret("whole", data=canary("as the whole data")),
        "unknown": secret("unknown", datas={"a": canary("unknown field")}),
        "bad-key": secret("bad-key", stringData={"not a key!": canary("under a bad key")}),
        "bad-type": secret(
            "bad-type",
            type="kubernetes.io/dockerconfigjson",
            stringData={".dockerconfigjson": canary("docker config")},
        ),
        "in-number": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "in-number"},
            "spec": {
                "replicas": variable,
                "selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}},
            },
        },
        "in-name": config_map("in-name-${PASSWORD}"),
        "in-label": {
            **config_map("in-label"),
            "metadata": {"name": "in-label", "labels": {"a": variable}},
        },
        "in-enum": {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "in-enum"},
            "spec": {"type": variable, "ports": [{"port": 80}]},
        },
        "in-data": secret("in-data", data={"a": f"x{variable}"}),
        "in-yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: ${PASSWORD}, [",
    }


@pytest.mark.limit(60)
async def test_no_secret_shows_anywhere(
    fleet: Fleet, canary: Canaries, echo: str, tmp_path: Path
) -> None:
    objects = refused(canary)
    files: Files = {f"{name}/x.yaml": obj for name, obj in objects.items()}
    stored = secret("stored", data={"a": encoded(canary("data"))}, immutable=True)
    fleet.commit({**files, "good/s.yaml": stored})
    variables = secret("variables", stringData={"PASSWORD": canary("variable")})
    await fleet.client.create(await fleet.resource("Secret"), variables, fleet.namespace)
    await fleet.source()
    post_build = {"substituteFrom": [{"kind": "Secret", "name": "variables"}]}
    for name in (*objects, "good"):
        await fleet.kustomization(name, path=f"./{name}", postBuild=post_build)
    repositories = await sources(fleet, canary, echo)

    with logged("trace") as log, traced() as traces:
        async with notified() as posts, fleet.engine(events_addr=f"{posts.url}/") as state:
            await fleet.until("Kustomization", "good", is_ready)
            changed = {**stored, "data": {"a": encoded(canary("changed immutable data"))}}
            fleet.commit({"good/s.yaml": changed})
            await fleet.request("GitRepository", "fleet", "now")
            await fleet.until("Kustomization", "good", has_reason("ReconciliationFailed"))
            told = {}
            for name in objects:
                obj = await fleet.until("Kustomization", name, is_done)
                told[name] = condition_of(obj)["message"]
            for name in repositories:
                obj = await fleet.until("GitRepository", name, is_done)
                told[name] = condition_of(obj)["message"]
            shown = await all_that_shows(fleet, state)
        shown |= {"spans": said_in_spans(traces), "posts": str([each.body for each in posts.seen])}
    shown["log"] = log.getvalue()
    if fleet.server.name == "real":  # the other's is `admin`
        canary.values["token of the kubeconfig"] = fleet.server.token

    assert {where: canary.shown_in(text) for where, text in shown.items()} == {
        where: [] for where in shown
    }
    assert all("***" in told[name] for name in ("nested", "in-enum", "basic-fleet", "url-fleet"))


def is_done(obj: Any) -> bool:
    """Ready True or False, and not because of a wait."""
    ready = condition_of(obj)
    return ready.get("status") in ("True", "False") and ready.get("reason") != "ArtifactFailed"
