"""Receivers: a push that somebody tells of is live at once, and nobody else can wake anything."""

import base64
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from engine.api.meta import REQUESTED_AT
from engine.app import State, reachable
from engine.hooks import path_of
from engine.objects.ref import Object
from plugins import PLUGIN
from tests.support.fleet import Fleet, condition_of, config_map, has_reason, is_at, is_ready
from tests.support.observing import traced
from tests.support.webhooks import SENDERS, TOKEN, Call

FLEET = {"kind": "GitRepository", "name": "fleet"}
WATCHED = {"reconcile.fluxcd.io/watch": "Enabled"}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def secret(fleet: Fleet, token: str = TOKEN, key: str = "token") -> None:
    """The Secret with the token."""
    data = {key: base64.b64encode(token.encode()).decode()}
    metadata = {"name": "webhook", "labels": WATCHED}
    await fleet.put({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


async def receiver(fleet: Fleet, name: str = "push", /, **spec: Any) -> None:
    """A Receiver of GitHub's calls that wakes the fleet's source."""
    wanted = {"type": "github", "secretRef": {"name": "webhook"}, "resources": [FLEET]}
    given = {key: value for key, value in (wanted | spec).items() if value is not None}
    await fleet.create("Receiver", name, given)


async def ready(fleet: Fleet, name: str = "push") -> str:
    """The path of a Receiver that is ready."""
    return str((await fleet.until("Receiver", name, is_ready))["status"]["webhookPath"])


async def hit(state: State, path: str, call: Call | None = None, **headers: str) -> tuple[int, str]:
    """Status and text of the answer to a call."""
    call = (call or SENDERS["github"].call()).but(**headers)
    url = f"http://{reachable(state.addresses['webhooks'])}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=call.body, headers=call.headers) as answer,
    ):
        return answer.status, await answer.text()


def asked(obj: Object) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(REQUESTED_AT, ""))


def answered_since(token: str) -> Callable[[Object], bool]:
    """Another request than that one was answered."""
    return lambda obj: token != asked(obj) == obj["status"].get("lastHandledReconcileAt", "")


@pytest.mark.covers(
    "Receiver.spec.type=github",
    "Receiver.spec.secretRef.name",
    "Receiver.spec.resources[].kind=GitRepository",
    "Receiver.spec.resources[].name",
    "Receiver.spec.interval",
    "Receiver:Succeeded",
)
async def test_a_push_that_is_told_is_live_at_once_and_all_of_it_is_one_trace(fleet: Fleet) -> None:
    await secret(fleet)
    await receiver(fleet, interval="1h")
    await fleet.app({"app/web.yaml": config_map("web", text="old")})

    with traced() as traces:
        async with fleet.engine(PLUGIN) as state:
            await fleet.until("Kustomization", "app", is_ready)
            path = await ready(fleet)
            commit = fleet.commit({"app/web.yaml": config_map("web", text="new")})
            answer = await hit(state, path, traceparent=PARENT)
            await fleet.until("Kustomization", "app", is_at(commit))
            events = await fleet.client.list(await fleet.resource("Event"), fleet.namespace)

    assert answer == (200, "")
    assert path == path_of(TOKEN.encode(), "push", fleet.namespace)
    assert await fleet.data("web") == {"text": "new"}
    spans = {each.name for each in traces.spans if each.context.trace_id == int(PARENT[3:35], 16)}
    assert {"webhook", "reconcile GitRepository", "fetch", "store"} <= spans
    assert {"reconcile Kustomization", "render", "plan", "apply", "status"} <= spans
    (told,) = [each for each in events.items if each["reason"] == "WebhookReceived"]
    assert told["involvedObject"]["name"] == "push"
    assert f"GitRepository/{fleet.namespace}/fleet" in told["message"]


@pytest.mark.covers(
    "Receiver.spec.type=generic",
    "Receiver.spec.type=generic-hmac",
    "Receiver.spec.type=github",
    "Receiver.spec.type=gitlab",
    "Receiver.spec.type=bitbucket",
    "Receiver.spec.type=harbor",
    "Receiver.spec.type=dockerhub",
    "Receiver.spec.type=quay",
    "Receiver.spec.type=nexus",
    "Receiver.spec.type=acr",
    "Receiver.spec.type=cdevents",
    "Receiver.spec.events[]",
)
async def test_every_type_wakes_on_a_genuine_call_and_on_no_other(fleet: Fleet) -> None:
    await secret(fleet)
    fleet.commit({"app/web.yaml": config_map("web")})
    await fleet.source()
    for kind, sender in SENDERS.items():
        events = {"events": [sender.event[1].upper()]} if sender.event else {}
        await receiver(fleet, kind, type=kind, **events)

    async with fleet.engine(PLUGIN) as state:
        for kind, sender in SENDERS.items():
            path = await ready(fleet, kind)
            before = asked(await fleet.until("GitRepository", "fleet", is_ready))
            if sender.proof:
                assert await hit(state, path, sender.call("another token")) == (400, "")
            if sender.event:
                assert await hit(state, path, sender.call(event=sender.event[2])) == (400, "")
            assert asked(await fleet.until("GitRepository", "fleet", is_ready)) == before
            assert await hit(state, path, sender.call()) == (200, "")
            await fleet.until("GitRepository", "fleet", answered_since(before))
        strangers = [await hit(state, path) for path in ("/", "/hook/", "/hook/" + "0" * 64)]

    assert strangers == [(404, "")] * 3


@pytest.mark.covers(
    "Receiver.spec.resources[].matchLabels",
    "Receiver.spec.resources[].namespace",
    "Receiver.spec.resources[].apiVersion",
    "Receiver.spec.resources[].filter",
    "Receiver.spec.resources[].kind=Kustomization",
    "Receiver.spec.resourceFilter",
)
async def test_objects_are_chosen_by_label_and_expression_and_one_that_fails_stops_no_other(
    fleet: Fleet,
) -> None:
    await secret(fleet)
    await fleet.app({"app/web.yaml": config_map("web")})
    for name in ("other", "left"):
        await fleet.kustomization(name, path="./app", suspend=True)
        await fleet.patch("Kustomization", name, {"metadata": {"labels": {"hook": "yes"}}})
    entries = [
        {
            "kind": "Kustomization",
            "name": "*",
            "matchLabels": {"hook": "yes"},
            "filter": "res.metadata.name != 'left'",
        },
        {"kind": "Kustomization", "name": "missing"},
        {
            "kind": "Kustomization",
            "name": "app",
            "namespace": fleet.namespace,
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        },
    ]
    await receiver(fleet, resources=entries, resourceFilter="req.repository.id == 1296269")

    async with fleet.engine(PLUGIN) as state:
        path = await ready(fleet)
        await fleet.until("Kustomization", "app", is_ready)
        assert await hit(state, path) == (500, "")
        await fleet.until("Kustomization", "app", lambda obj: bool(asked(obj)))
        await fleet.until("Kustomization", "other", lambda obj: bool(asked(obj)))
        refused = await hit(state, path, SENDERS["github"].call(body=b'{"repository": {}}'))

    assert refused == (500, "")
    left = await fleet.get("Kustomization", "left")
    assert asked(left or {"metadata": {}}) == ""


@pytest.mark.covers("Receiver.spec.suspend", "Receiver:TokenNotFound")
async def test_the_path_follows_the_secret_and_a_receiver_that_is_not_ready_takes_no_call(
    fleet: Fleet,
) -> None:
    fleet.commit({"app/web.yaml": config_map("web")})
    await fleet.source()
    await receiver(fleet)

    async with fleet.engine(PLUGIN) as state:
        missing = await fleet.until("Receiver", "push", has_reason("TokenNotFound"))
        await secret(fleet)
        old = await ready(fleet)
        assert (await hit(state, old))[0] == 200
        await fleet.patch("Receiver", "push", {"spec": {"suspend": True}})
        await fleet.reconcile("Receiver", "push")
        assert await hit(state, old) == (503, "")
        await fleet.patch("Receiver", "push", {"spec": {"suspend": False}})
        new = base64.b64encode(b"another").decode()
        await fleet.patch("Secret", "webhook", {"data": {"token": new}})
        moved = await fleet.until(
            "Receiver", "push", lambda x: is_ready(x) and x["status"]["webhookPath"] != old
        )
        path = moved["status"]["webhookPath"]
        assert (await hit(state, path, SENDERS["github"].call("another")))[0] == 200
        assert (await hit(state, old))[0] == 404
        await fleet.delete("Receiver", "push")
        await fleet.until_gone("Receiver", "push")
        gone = await hit(state, path, SENDERS["github"].call("another"))

    assert "webhookPath" not in missing["status"]
    assert condition_of(missing)["message"] == (
        f"unable to read token from secret '{fleet.namespace}/webhook' error: "
        'Secret "webhook" not found'
    )
    assert gone[0] in (404, 503)


@pytest.mark.covers(
    "Receiver:InvalidCELExpression", "Receiver:ValidationFailed", "Receiver.spec.type=gcr"
)
async def test_what_cannot_be_served_says_so_and_is_never_taken(fleet: Fleet) -> None:
    await secret(fleet)
    await receiver(fleet, "broken", resourceFilter="res.metadata.")
    await receiver(fleet, "google", type="gcr")

    async with fleet.engine(PLUGIN) as state:
        broken = await fleet.until("Receiver", "broken", has_reason("InvalidCELExpression"))
        google = await fleet.until("Receiver", "google", has_reason("ValidationFailed"))
        answer = await hit(state, google["status"]["webhookPath"])

    assert "invalid resourceFilter expression" in condition_of(broken)["message"]
    assert "receiver type 'gcr' is not supported yet" in condition_of(google)["message"]
    assert condition_of(google, "Stalled")["status"] == "True"
    assert answer == (503, "receiver type 'gcr' is not supported yet")


@pytest.mark.covers(
    "Receiver.spec.type=generic-oidc",
    "Receiver.spec.oidcProviders[].issuerURL",
    "Receiver.spec.oidcProviders[].audience",
    "Receiver.spec.oidcProviders[].variables[].name",
    "Receiver.spec.oidcProviders[].variables[].expression",
    "Receiver.spec.oidcProviders[].validations[].expression",
    "Receiver.spec.oidcProviders[].validations[].message",
)
async def test_a_receiver_of_tokens_by_oidc_is_not_supported_yet(fleet: Fleet) -> None:
    provider = {
        "issuerURL": "https://issuer.example.com",
        "audience": "us",
        "variables": [{"name": "owner", "expression": "claims.owner"}],
        "validations": [{"expression": "vars.owner == 'octo'", "message": "another owner"}],
    }
    await receiver(fleet, type="generic-oidc", secretRef=None, oidcProviders=[provider])

    async with fleet.engine(PLUGIN) as state:
        found = await fleet.until("Receiver", "push", has_reason("ValidationFailed"))
        answer = await hit(state, found["status"]["webhookPath"])

    assert found["status"]["webhookPath"] == path_of(b"", "push", fleet.namespace)
    assert answer == (503, "receiver type 'generic-oidc' is not supported yet")


@pytest.mark.covers(
    "Receiver.spec.resources[].kind=ArtifactGenerator",
    "Receiver.spec.resources[].kind=Bucket",
    "Receiver.spec.resources[].kind=ExternalArtifact",
    "Receiver.spec.resources[].kind=HelmChart",
    "Receiver.spec.resources[].kind=HelmRelease",
    "Receiver.spec.resources[].kind=HelmRepository",
    "Receiver.spec.resources[].kind=ImagePolicy",
    "Receiver.spec.resources[].kind=ImageRepository",
    "Receiver.spec.resources[].kind=ImageUpdateAutomation",
    "Receiver.spec.resources[].kind=OCIRepository",
)
async def test_any_of_fluxs_kinds_may_be_named_and_one_that_is_absent_stops_no_other(
    fleet: Fleet,
) -> None:
    await secret(fleet)
    fleet.commit({"app/web.yaml": config_map("web")})
    await fleet.source()
    kinds = "Bucket ArtifactGenerator ExternalArtifact HelmChart HelmRelease HelmRepository"
    kinds += " ImagePolicy ImageRepository ImageUpdateAutomation OCIRepository"
    absent = [{"kind": kind, "name": "absent"} for kind in kinds.split()]
    await receiver(fleet, resources=[*absent, {"kind": "GitRepository", "name": "fleet"}])

    async with fleet.engine(PLUGIN) as state:
        path = await ready(fleet)
        await fleet.until("GitRepository", "fleet", is_ready)
        assert await hit(state, path) == (500, "")
        await fleet.until("GitRepository", "fleet", lambda obj: bool(asked(obj)))
