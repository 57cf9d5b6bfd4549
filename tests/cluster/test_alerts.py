"""Alerts and Providers, from what happens in the cluster to who is told; flux-behaviour 6.1-6.3."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import aiohttp
import anyio
import pytest
from aiohttp import web

from engine.api.meta import FINALIZER
from engine.api.notification import ProviderType
from engine.objects.ref import Object
from plugins import PLUGIN
from tests.cluster.test_decryption import ME, OTHER, SOPS, keys, sealed_secret
from tests.cluster.test_drift import event, has_color
from tests.support.certificates import certificate_for
from tests.support.chat import HOOK, KEY, Generic, GitHub, Slack, Told, room
from tests.support.clouds.world import Received, Refusal
from tests.support.fleet import Fleet, config_map, is_ready
from tests.support.observing import logged
from tests.support.processes import until

ANY = [{"kind": "Kustomization", "name": "*"}]
CANARY = "Canary/1+decrypted=?"


def text(message: Any) -> str:
    """What Slack shows of a message."""
    return str(message["attachments"][0]["text"])


async def secret(fleet: Fleet, name: str, **values: str) -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    await fleet.put(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
    )


async def alert(fleet: Fleet, name: str, provider: str, **spec: Any) -> None:
    given = {"providerRef": {"name": provider}, "eventSources": ANY}
    await fleet.create("Alert", name, {**given, **spec})


@asynccontextmanager
async def slack(fleet: Fleet) -> AsyncIterator[Slack]:
    """A chat that the Provider `chat` names, by a Secret."""
    chat = Slack()
    async with room(chat.answer) as url:
        await secret(fleet, "chat", address=f"{url}{HOOK}")
        named = {"type": "slack", "channel": "ops", "secretRef": {"name": "chat"}}
        await fleet.create("Provider", "chat", named)
        yield chat


@pytest.mark.covers(
    "Alert.spec.providerRef.name",
    "Alert.spec.eventSources[].name",
    "Alert.spec.summary",
    "Alert.spec.eventMetadata",
    "Provider.spec.channel",
    "Provider.spec.secretRef.name",
)
async def test_drift_contention_and_a_failed_decryption_reach_the_chat(fleet: Fleet) -> None:
    await fleet.put(keys(ME))
    await fleet.app(
        {
            "app/a.yaml": config_map("web", color="blue"),
            "app/b.yaml": config_map("fought", color="blue"),
            "app/login.yaml": sealed_secret("login", ME, password=CANARY),
            "broken/login.yaml": sealed_secret("other", OTHER, password=CANARY),
        },
        **SOPS,
    )
    await fleet.kustomization("broken", path="./broken", **SOPS)
    async with slack(fleet) as chat:
        await alert(fleet, "drift", "chat", eventMetadata={"cluster": "prod"}, summary="look here")
        with logged("trace") as log:
            async with fleet.engine(plugins=PLUGIN):
                await fleet.until("Kustomization", "app", is_ready)
                failed = await chat.until(lambda m: "decryption failed" in text(m))
                await fleet.patch("ConfigMap", "web", {"data": {"color": "red"}})
                drift = await chat.until(lambda m: "/web corrected" in text(m))
                stolen = base64.b64encode(b"not it").decode()
                await fleet.patch("Secret", "login", {"data": {"password": stolen}})
                masked = await chat.until(lambda m: "/login corrected" in text(m))
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(fight, fleet)
                    contention = await chat.until(lambda m: "contention: " in text(m))
                    tasks.cancel_scope.cancel()

    shown = drift["attachments"][0]
    assert shown["author_name"] == f"kustomization/app.{fleet.namespace}"
    assert f"drift of ConfigMap/{fleet.namespace}/web corrected (app/a.yaml:1): " in shown["text"]
    assert '.data.color was "red" (written by kubectl-patch at ' in shown["text"]
    assert 'now "blue" (app/a.yaml:3)' in shown["text"]
    fields = {each["title"]: each["value"] for each in shown["fields"]}
    assert (fields["summary"], fields["cluster"]) == ("look here", "prod")
    assert fields["revision"].startswith("main@sha1:")
    assert (drift["username"], drift["channel"]) == ("kustomize-controller", "ops")
    assert "Secret/other (broken/login.yaml:1)" in text(failed)
    assert failed["attachments"][0]["color"] == "danger"
    assert "(app/login.yaml:" in text(masked)
    assert f"ConfigMap/{fleet.namespace}/fought: .data.color (by kubectl-patch)" in text(contention)
    everything = f"{chat.messages} {log.getvalue()}"
    encoded = base64.b64encode(CANARY.encode()).decode()
    assert [each for each in (CANARY, encoded, HOOK) if each in everything] == []


async def fight(fleet: Fleet) -> None:
    """A second controller that writes back whatever we write."""
    async for obj in fleet.news("ConfigMap", "fought"):
        if obj is not None and has_color("blue")(obj):
            await fleet.patch("ConfigMap", "fought", {"data": {"color": "red"}})


@pytest.mark.covers(
    "Provider.spec.address",
    "Provider.spec.commitStatusExpr",
)
async def test_a_commit_is_marked_good_or_bad_at_its_forge(fleet: Fleet) -> None:
    class Enterprise(GitHub):
        base = "/api/v3"

    forge = Enterprise()
    commit = await fleet.app(
        {"app/a.yaml": config_map("web"), "broken/kustomization.yaml": "resources: [none.yaml]"}
    )
    await fleet.kustomization("broken", path="./broken")
    async with room(forge.answer) as url:
        await secret(fleet, "forge", token=KEY)
        named = {"address": f"{url}/org/fleet", "secretRef": {"name": "forge"}}
        named["commitStatusExpr"] = "'lockstep/' + event.involvedObject.name"
        await fleet.create("Provider", "forge", {"type": "github", **named})
        await alert(fleet, "commits", "forge")
        async with fleet.engine(plugins=PLUGIN):
            good = await forge.until(lambda m: m[1]["state"] == "success")
            bad = await forge.until(lambda m: m[1]["state"] == "failure")

    assert (good[0], bad[0]) == (commit, commit)
    assert good[1]["context"] == "lockstep/app"
    assert good[1]["description"] == "reconciliation succeeded"
    assert (bad[1]["context"], bad[1]["description"]) == ("lockstep/broken", "build failed")


def posted(fleet: Fleet, message: str, **more: Any) -> dict[str, Any]:
    """An event as helm-controller posts it."""
    group = "helm.toolkit.fluxcd.io"
    involved = {"kind": "HelmRelease", "name": "db", "namespace": fleet.namespace}
    return {
        "involvedObject": {**involved, "apiVersion": f"{group}/v2"},
        "severity": "info",
        "timestamp": "2026-11-23T10:00:00Z",
        "message": message,
        "reason": "UpgradeSucceeded",
        "metadata": {f"{group}/revision": "1.2.3"},
        "reportingController": "helm-controller",
        **more,
    }


async def post(state: Any, *bodies: Object) -> list[int]:
    """The answers of the engine's event server."""
    url, answers = f"http://{state.addresses['events']}/", []
    async with aiohttp.ClientSession() as session:
        for body in bodies:
            async with session.post(url, json=body) as answer:
                answers.append(answer.status)
    return answers


HELM = [{"kind": "HelmRelease", "name": "*"}]


@pytest.mark.covers(
    "Alert.spec.eventSeverity=error",
    "Alert.spec.eventSeverity=info",
    "Alert.spec.suspend",
    "Alert.spec.inclusionList[]",
    "Alert.spec.exclusionList[]",
    "Alert.spec.eventSources[].matchLabels",
    "Alert.spec.eventSources[].namespace",
    "Provider.spec.timeout",
)
async def test_alerts_select_among_events_that_other_controllers_post(fleet: Fleet) -> None:
    hook = Generic()
    release = {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": "db", "labels": {"team": "a"}},
        "spec": {"interval": "1h", "suspend": True, "chartRef": {"kind": "HelmChart", "name": "x"}},
    }
    resource = await fleet.client.discovery.resource("helm.toolkit.fluxcd.io", "v2", "HelmRelease")
    await fleet.client.create(resource, release, fleet.namespace)
    async with room(hook.answer) as url:
        await secret(fleet, "hook", token=KEY, headers="X-Team: a")
        named = {"address": f"{url}/hook", "secretRef": {"name": "hook"}, "timeout": "30s"}
        await fleet.create("Provider", "hook", {"type": "generic-hmac", **named})
        by = {"eventSources": HELM}
        await alert(fleet, "errors", "hook", eventSeverity="error", **by)
        await alert(fleet, "none", "hook", eventSeverity="info", exclusionList=["."], **by)
        await alert(fleet, "asleep", "hook", suspend=True, **by)
        lists = {"inclusionList": ["upgrade"], "exclusionList": ["boring$"]}
        await alert(fleet, "lists", "hook", eventMetadata={"from": "lists"}, **lists, **by)
        sources = [{**HELM[0], "matchLabels": {"team": "b"}}]
        await alert(fleet, "labels", "hook", eventSources=sources)
        sources = [{**HELM[0], "name": "db", "namespace": fleet.namespace}]
        sources[0]["matchLabels"] = {"team": "a"}
        named_ones = {"eventMetadata": {"from": "names"}, "inclusionList": ["by name"]}
        await alert(fleet, "names", "hook", eventSources=sources, **named_ones)
        await alert(fleet, "regex", "hook", inclusionList=["("], **by)
        async with fleet.engine(plugins=PLUGIN) as state:
            await until(lambda: not state.waiting_for)
            one, boring = posted(fleet, "upgrade done"), posted(fleet, "upgrade, boring")
            failure = posted(fleet, "broken", severity="error")
            answers = await post(
                state, one, one, boring, posted(fleet, "by name"), failure, {"message": 5}
            )
            await hook.until(lambda m: m["message"] == "broken")
            invalid = await event(fleet, "failed to compile inclusion regex")

    assert answers == [202, 429, 202, 202, 202, 400]
    told = [(each["message"], each.get("metadata", {}).get("from")) for each in hook.messages]
    assert told == [("upgrade done", "lists"), ("by name", "names"), ("broken", None)]
    assert hook.messages[0]["metadata"] == {"revision": "1.2.3", "from": "lists"}
    assert (invalid["reason"], invalid["involvedObject"]["name"]) == ("InvalidConfig", "regex")


async def test_what_cannot_be_told_is_told_on_the_alert_and_survives_a_restart(
    fleet: Fleet,
) -> None:
    async with slack(fleet) as chat:
        await alert(fleet, "a", "chat", eventSources=HELM)
        await alert(fleet, "b", "nobody", eventSources=HELM)
        await fleet.create("Provider", "pager", {"type": "pagerduty"})
        await alert(fleet, "c", "pager", eventSources=HELM)
        chat.refuse = [Refusal(404, f"no_service at {HOOK}"), Refusal(503, "busy")]
        with logged("trace") as log:
            async with fleet.engine(plugins=PLUGIN) as state:
                await until(lambda: not state.waiting_for)
                assert await post(state, posted(fleet, "one")) == [202]
                refused = await event(fleet, "failed to send notification for HelmRelease")
                missing = await event(fleet, "failed to read provider")
                unknown = await event(fleet, "type 'pagerduty' of Provider 'pager'")
                assert await post(state, posted(fleet, "two")) == [202]
                await chat.when(lambda: not chat.refuse)
        assert chat.messages == []

        async with fleet.engine(plugins=PLUGIN):
            told = await chat.until(lambda m: text(m) == "two")

    assert told["username"] == "helm-controller"
    events = (refused, missing, unknown)
    assert {each["type"] for each in events} == {"Warning"}
    assert {each["reason"] for each in events} == {"NotificationDispatchFailed"}
    assert [each["involvedObject"]["name"] for each in events] == ["a", "b", "c"]
    assert "HTTP 404" in refused["message"]
    assert HOOK not in log.getvalue() + str(events)


async def test_finalizers_of_flux_go(fleet: Fleet) -> None:
    for kind, spec in (
        ("Alert", {"providerRef": {"name": "chat"}, "eventSources": ANY}),
        ("Provider", {"type": "slack"}),
    ):
        version = (await fleet.resource(kind)).api_version
        metadata = {"name": "old", "finalizers": [FINALIZER]}
        await fleet.put({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})

    async with fleet.engine():
        await fleet.until("Alert", "old", lambda obj: not obj["metadata"].get("finalizers"))
        kept = await fleet.get("Provider", "old")
        await fleet.delete("Provider", "old")
        await fleet.until_gone("Provider", "old")

    assert kept is not None
    assert kept["metadata"]["finalizers"] == [FINALIZER]


@pytest.mark.covers(
    "Provider.spec.proxy",
    "Provider.spec.proxySecretRef.name",
    "Provider.spec.certSecretRef.name",
    "Provider.spec.username",
    "Provider.spec.interval",
    "Provider.spec.serviceAccountName",
    "Provider.spec.suspend",
)
async def test_a_provider_is_reached_by_its_proxy_and_by_its_certificate(
    fleet: Fleet, tmp_path: Path
) -> None:
    trusted, chat, seen = certificate_for(tmp_path, "localhost"), Slack(), Told()

    async def answer(request: Received) -> web.Response:
        seen.take(request.headers.get("Host"))
        return await chat.answer(request)

    async with room(answer) as url, room(answer, trusted.context) as secure:
        await secret(fleet, "proxy", address=url)
        port = secure.rpartition(":")[2]
        await secret(fleet, "ca", **{"ca.crt": trusted.certificate.decode()})
        ways: dict[str, dict[str, Any]] = {
            "old": {"proxy": url, "address": f"http://chat.invalid{HOOK}"},
            "new": {"proxySecretRef": {"name": "proxy"}, "address": f"http://talk.invalid{HOOK}"},
            "tls": {
                "certSecretRef": {"name": "ca"},
                "address": f"https://localhost:{port}{HOOK}",
                "username": "me",
                "interval": "1h",
                "serviceAccountName": "nobody",
            },
            "off": {"address": f"{url}{HOOK}", "suspend": True},
        }
        for name, way in ways.items():
            await fleet.create("Provider", name, {"type": "slack", **way})
            await alert(fleet, name, name, eventSources=HELM)
        near = ("127.0.0.1",)  # else no tenant may name a proxy on the engine's own machine
        async with fleet.engine(plugins=PLUGIN, allowed_local_addresses=near) as state:
            await until(lambda: not state.waiting_for)
            await post(state, posted(fleet, "one"))
            await chat.when(lambda: len(chat.messages) == 3)

    assert set(seen.messages) == {"chat.invalid", "talk.invalid", f"localhost:{port}"}
    assert sorted(each["username"] for each in chat.messages) == [
        "helm-controller",
        "helm-controller",
        "me",
    ]


@pytest.mark.covers(
    "Alert.spec.eventSources[].apiVersion",
    "Alert.spec.eventSources[].kind=ArtifactGenerator",
    "Alert.spec.eventSources[].kind=Bucket",
    "Alert.spec.eventSources[].kind=ExternalArtifact",
    "Alert.spec.eventSources[].kind=GitRepository",
    "Alert.spec.eventSources[].kind=HelmChart",
    "Alert.spec.eventSources[].kind=HelmRelease",
    "Alert.spec.eventSources[].kind=HelmRepository",
    "Alert.spec.eventSources[].kind=ImagePolicy",
    "Alert.spec.eventSources[].kind=ImageRepository",
    "Alert.spec.eventSources[].kind=ImageUpdateAutomation",
    "Alert.spec.eventSources[].kind=Kustomization",
    "Alert.spec.eventSources[].kind=OCIRepository",
)
async def test_every_kind_may_be_watched(fleet: Fleet) -> None:
    groups = {
        "Kustomization": "kustomize",
        "HelmRelease": "helm",
        "ImagePolicy": "image",
        "ImageRepository": "image",
        "ImageUpdateAutomation": "image",
        "ArtifactGenerator": "source.extensions",
    }
    kinds = [
        *("Bucket", "GitRepository", "OCIRepository", "HelmRepository", "HelmChart"),
        *("ExternalArtifact", *groups),
    ]
    versions = {kind: f"{groups.get(kind, 'source')}.toolkit.fluxcd.io/v1" for kind in kinds}
    sources = [
        {"kind": kind, "name": "db", "apiVersion": version} for kind, version in versions.items()
    ]
    hook = Generic()
    async with room(hook.answer) as url:
        await fleet.create("Provider", "hook", {"type": "generic", "address": url})
        await alert(fleet, "all", "hook", eventSources=sources)
        async with fleet.engine(plugins=PLUGIN) as state:
            await until(lambda: not state.waiting_for)
            of = {"name": "db", "namespace": fleet.namespace}
            bodies = [
                posted(fleet, kind, involvedObject={**of, "kind": kind, "apiVersion": version})
                for kind, version in versions.items()
            ]
            await post(state, *bodies)
            await hook.when(lambda: len(hook.messages) == len(kinds))

    assert [each["involvedObject"]["kind"] for each in hook.messages] == kinds


@pytest.mark.covers(
    "Provider.spec.type=alertmanager",
    "Provider.spec.type=azuredevops",
    "Provider.spec.type=azureeventhub",
    "Provider.spec.type=bitbucket",
    "Provider.spec.type=bitbucketserver",
    "Provider.spec.type=datadog",
    "Provider.spec.type=discord",
    "Provider.spec.type=generic",
    "Provider.spec.type=generic-hmac",
    "Provider.spec.type=gitea",
    "Provider.spec.type=giteapullrequestcomment",
    "Provider.spec.type=github",
    "Provider.spec.type=githubdispatch",
    "Provider.spec.type=githubpullrequestcomment",
    "Provider.spec.type=gitlab",
    "Provider.spec.type=gitlabmergerequestcomment",
    "Provider.spec.type=googlechat",
    "Provider.spec.type=googlepubsub",
    "Provider.spec.type=grafana",
    "Provider.spec.type=incident.io",
    "Provider.spec.type=lark",
    "Provider.spec.type=matrix",
    "Provider.spec.type=msteams",
    "Provider.spec.type=nats",
    "Provider.spec.type=opsgenie",
    "Provider.spec.type=otel",
    "Provider.spec.type=pagerduty",
    "Provider.spec.type=rocket",
    "Provider.spec.type=sentry",
    "Provider.spec.type=slack",
    "Provider.spec.type=telegram",
    "Provider.spec.type=webex",
    "Provider.spec.type=zoom",
    "Provider.spec.type=zulip",
)
async def test_no_type_is_left_out_in_silence(fleet: Fleet) -> None:
    """Those that are supported say that they have no address, or no token; the others that."""
    types = get_args(ProviderType)
    for kind in types:
        await fleet.create("Provider", kind, {"type": kind})
        await alert(fleet, kind, kind, eventSources=HELM)

    async with fleet.engine(plugins=PLUGIN) as state:
        await until(lambda: not state.waiting_for)
        metadata = {"event.toolkit.fluxcd.io/change_request": "5"}
        await post(state, posted(fleet, "one", severity="error", metadata=metadata))
        said: dict[str, str] = {}
        resource = await fleet.resource("Event")
        while len(said) < len(types):
            for each in (await fleet.client.list(resource, fleet.namespace)).items:
                if each["reason"] == "NotificationDispatchFailed":
                    said[each["involvedObject"]["name"]] = each["message"]

    unknown = {name for name, message in said.items() if "is not supported yet" in message}
    assert said.keys() == set(types)
    assert unknown == set(types) - PLUGIN.notifiers.keys()
