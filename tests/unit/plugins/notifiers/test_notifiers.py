"""What holds for every notifier, and what each of them sends."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest
from aiohttp import web

from engine.cluster.outbound import Route
from engine.notice import Notification, read
from engine.notice.notification import with_metadata
from engine.objects.ref import Ref
from engine.plugin import Destination, Undeliverable, Undelivered
from plugins import PLUGIN
from tests.support import chat
from tests.support.chat import KEY, Alertmanager, Generic, GitHub, GitLab, Slack, Teams, Told
from tests.support.clouds.githubs import GitHub as Apps
from tests.support.clouds.githubs import secret as app_secret
from tests.support.clouds.world import Cut, Received, Refusal, World, world

SHA = "a1afe267b54f38b46b487f6e938a6fd508278c07"
REF = Ref("notification.toolkit.fluxcd.io", "Provider", "ns", "p")
SECRET_PATH = "T0/B0/xoxSECRETkey"


def event(**more: Any) -> Notification:
    found = read(
        {
            "involvedObject": {
                "kind": "Kustomization",
                "namespace": "ns",
                "name": "app",
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            },
            "severity": "error",
            "timestamp": "2026-11-23T10:00:00Z",
            "message": 'first "line"\nsecond <line> & more',
            "reason": "HealthCheckFailed",
            "reportingController": "kustomize-controller",
            **more,
        }
    )
    return with_metadata(found, {"revision": f"main@sha1:{SHA}", "summary": "s"})


@dataclass
class Case:
    """A type at work: its stand-in, and where that is."""

    told: Callable[[], Told]
    host: str
    address: str
    token: str = KEY


CASES: Mapping[str, Case] = {
    "generic": Case(Generic, "hooks.example.com", f"https://hooks.example.com/{SECRET_PATH}"),
    "generic-hmac": Case(Generic, "hooks.example.com", f"https://hooks.example.com/{SECRET_PATH}"),
    "slack": Case(Slack, "hooks.slack.com", f"https://hooks.slack.com/services/{SECRET_PATH}"),
    "msteams": Case(Teams, "hooks.example.com", f"https://hooks.example.com/{SECRET_PATH}"),
    "alertmanager": Case(
        Alertmanager, "hooks.example.com", "https://hooks.example.com/api/v2/alerts"
    ),
    "github": Case(GitHub, "api.github.com", "https://github.com/org/fleet"),
    "gitlab": Case(GitLab, "gitlab.example.com", "https://gitlab.example.com/group/sub/fleet.git"),
}


def destination(kind: str, **more: Any) -> Destination:
    case = CASES[kind]
    secrets = (case.token, case.address, SECRET_PATH)
    given: dict[str, Any] = {
        "address": case.address,
        "token": case.token,
        "status": "kustomization/app/0c9c2e41",
        "secrets": secrets,
    }
    return Destination(provider=REF, **{**given, **more})


async def told(
    kind: str, clouds: World, notification: Notification | None = None, **more: Any
) -> Any:
    """The stand-in after the notifier of that kind has told it."""
    case = CASES[kind]
    service = case.told()
    clouds.serve(more.pop("host", case.host), service.answer)
    notifier = PLUGIN.notifiers[kind]
    await notifier(notification or event(), destination(kind, **more), clouds.context())
    return service


def test_every_type_of_this_version_has_its_case() -> None:
    assert set(CASES) == set(PLUGIN.notifiers)


@pytest.mark.parametrize("kind", CASES)
async def test_a_service_takes_what_it_is_told(kind: str) -> None:
    async with world() as clouds:
        service = await told(kind, clouds)

    assert len(service.messages) == 1


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("text", ["\x00\x1b[0m", "\ud83d\ude00 &lt;", "x" * 39_000, ""])
async def test_odd_texts_are_told(kind: str, text: str) -> None:
    text = text.encode("utf-16", "surrogatepass").decode("utf-16")
    notification = with_metadata(event(message=text), {"revision": SHA, "odd/key": text})

    async with world() as clouds:
        service = await told(kind, clouds, notification)

    assert len(service.messages) == 1


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize(
    ("answer", "is_final", "after"),
    [
        (Refusal(503, f"busy with {KEY} at {SECRET_PATH}"), False, 0),
        (Refusal(429, {"message": f"slow down, {KEY}"}, **{"Retry-After": "7"}), False, 7),
        (Refusal(400, {"message": f"not for {KEY} at {SECRET_PATH}"}), True, 0),
        (Refusal(302, "", Location="https://evil.example.com/"), True, 0),
        (Refusal(307, "", Location="https://evil.example.com/"), True, 0),
        (Cut(), False, 0),
    ],
    ids=["503", "429", "400", "302", "307", "cut"],
)
async def test_a_refusal_is_told_without_secrets_and_asked_once(
    kind: str, answer: Exception, *, is_final: bool, after: float
) -> None:
    async def refuse(_: Received) -> web.Response:
        raise answer

    async with world() as clouds:
        clouds.serve(CASES[kind].host, refuse)
        clouds.serve("evil.example.com", lambda _: pytest.fail("it was followed"))
        with pytest.raises(Undelivered) as caught:
            await PLUGIN.notifiers[kind](event(), destination(kind), clouds.context())
        asked = len(clouds.seen)

    assert (type(caught.value) is Undeliverable) is is_final
    assert caught.value.after == after
    assert KEY not in str(caught.value)
    assert SECRET_PATH not in str(caught.value)
    assert asked == 1 or isinstance(answer, Cut)  # a read that broke, aiohttp repeats at once


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize(
    "address",
    ["", "x" * 2048, "ftp://hooks.example.com/a/b", "https://", "https://u:pw@[::1/a", "\n\x00"],
)
async def test_an_address_that_is_none_is_told_and_nobody_is_asked(kind: str, address: str) -> None:
    async with world() as clouds:
        with pytest.raises(Undeliverable):
            await PLUGIN.notifiers[kind](
                event(), destination(kind, address=address), clouds.context()
            )

        assert clouds.seen == []


@pytest.mark.parametrize("kind", ["slack", "alertmanager", "github", "gitlab"])
async def test_a_token_with_a_line_break_is_told_and_nobody_is_asked(kind: str) -> None:
    async with world() as clouds:
        where = replace(destination(kind), token=f"{KEY}\n", username="", password="")
        with pytest.raises(Undeliverable, match="holds a line break") as caught:
            await PLUGIN.notifiers[kind](event(), where, clouds.context())

        assert clouds.seen == []
        assert KEY not in str(caught.value)


@pytest.mark.parametrize("kind", CASES)
async def test_a_guarded_service_may_not_be_this_machine(kind: str) -> None:
    address = "https://127.0.0.1/org/fleet"
    async with world(guarded=True) as clouds:
        guarded = destination(kind, address=address, route=Route(is_guarded=True))
        with pytest.raises(Undeliverable, match="loopback"):
            await PLUGIN.notifiers[kind](event(), guarded, clouds.context())


@pytest.mark.parametrize("kind", CASES)
async def test_what_is_told_goes_by_the_proxy(kind: str) -> None:
    route = Route(proxy="http://nobody:Secret1pw@proxy.example.com:3128")
    async with world() as clouds:
        with pytest.raises(Undelivered) as caught:  # nobody plays it
            await PLUGIN.notifiers[kind](event(), destination(kind, route=route), clouds.context())

        assert clouds.seen == []
    assert "proxy.example.com" in str(caught.value)
    assert "Secret1pw" not in str(caught.value)


async def test_generic_sends_the_event_and_the_headers_of_the_secret() -> None:
    async with world() as clouds:
        service = await told("generic", clouds, headers={"X-Team": "a", "Authorization": "Basic x"})
        (seen,) = clouds.seen

    assert service.messages == [event().as_json()]
    assert seen.headers["X-Team"] == "a"
    assert seen.headers["Authorization"] == "Basic x"
    assert "X-Signature" not in seen.headers


async def test_generic_hmac_signs_the_bytes_that_it_sends() -> None:
    async with world() as clouds:
        await told("generic-hmac", clouds)
        with pytest.raises(Undeliverable, match="403"):
            await told("generic-hmac", clouds, token="other")
        with pytest.raises(Undeliverable, match="'token'"):
            await told("generic-hmac", clouds, token="")


async def test_slack_shows_who_what_and_why() -> None:
    async with world() as clouds:
        service = await told("slack", clouds, channel="ops", username="flux")
        quiet = await told("slack", clouds, event(severity="info"))
        headers = clouds.seen[0].headers

    assert service.messages == [
        {
            "channel": "ops",
            "username": "flux",
            "icon_url": "",
            "icon_emoji": "",
            "attachments": [
                {
                    "fallback": 'kustomization/app.ns: first "line"',
                    "color": "danger",
                    "author_name": "kustomization/app.ns",
                    "text": 'first "line"\nsecond <line> & more',
                    "mrkdwn_in": ["text"],
                    "fields": [
                        {"title": "summary", "value": "s", "short": False},
                        {"title": "revision", "value": f"main@sha1:{SHA}", "short": False},
                    ],
                }
            ],
        }
    ]
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert quiet.messages[0]["username"] == "kustomize-controller"
    assert quiet.messages[0]["attachments"][0]["color"] == "good"


API = {"host": "slack.com", "address": "https://slack.com/api/chat.postMessage"}


async def test_slacks_api_says_no_in_a_200() -> None:
    async with world() as clouds:
        service = await told("slack", clouds, channel="ops", **API)
        assert len(service.messages) == 1
        with pytest.raises(Undeliverable, match="channel_not_found"):
            await told("slack", clouds, **API)
        with pytest.raises(Undeliverable, match="invalid_auth"):
            await told("slack", clouds, channel="ops", token="other", **API)


@pytest.mark.parametrize(
    ("body", "is_final"),
    [(b'{"ok": false, "error": "ratelimited"}', False), (b"<html>", True), (b"[]", True)],
)
async def test_an_odd_answer_of_slacks_api_is_no_success(body: bytes, *, is_final: bool) -> None:
    async def answer(_: Received) -> web.Response:
        return web.Response(body=body)

    async with world() as clouds:
        clouds.serve("slack.com", answer)
        with pytest.raises(Undelivered) as caught:
            await PLUGIN.notifiers["slack"](
                event(), destination("slack", address=API["address"]), clouds.context()
            )
    assert (type(caught.value) is Undeliverable) is is_final


async def test_teams_gets_an_adaptive_card() -> None:
    async with world() as clouds:
        service = await told("msteams", clouds)

    (attachment,) = service.messages[0]["attachments"]
    (container,) = attachment["content"]["body"]
    title, text, facts = container["items"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert title["text"] == "kustomization/app.ns"
    assert (text["text"], text["color"]) == ('first "line"\nsecond <line> & more', "attention")
    assert [each["title"] for each in facts["facts"]] == ["summary", "revision"]


async def test_the_old_connector_of_teams_gets_what_it_knows() -> None:
    host = "org.webhook.office.com"
    async with world() as clouds:
        service = await told("msteams", clouds, host=host, address=f"https://{host}/webhookb2/x")

    (card,) = service.messages
    assert (card["@type"], card["themeColor"]) == ("MessageCard", "FF0000")
    assert card["sections"][0]["activitySubtitle"] == "kustomization/app.ns"


async def test_alertmanager_gets_an_alert_that_fires() -> None:
    async with world() as clouds:
        service = await told("alertmanager", clouds)
        await told("alertmanager", clouds, username="flux", password="pw", token="")

    ((alert,),) = service.messages
    assert alert == {
        "status": "firing",
        "labels": {
            "revision": f"main@sha1:{SHA}",
            "alertname": "FluxKustomizationHealthcheckfailed",
            "severity": "error",
            "reason": "HealthCheckFailed",
            "kind": "Kustomization",
            "name": "app",
            "namespace": "ns",
            "reportingcontroller": "kustomize-controller",
        },
        "annotations": {"message": 'first "line"\nsecond <line> & more', "summary": "s"},
        "startsAt": "2026-11-23T10:00:00Z",
    }
    basic = clouds.seen[-1].headers["Authorization"]
    assert base64.b64decode(basic.removeprefix("Basic ")) == b"flux:pw"


@pytest.mark.parametrize("kind", ["github", "gitlab"])
async def test_a_commit_is_marked_once_and_again_when_that_changes(kind: str) -> None:
    good = event(severity="info", reason="ReconciliationSucceeded")
    async with world() as clouds:
        service = await told(kind, clouds)
        for each in (event(), good, good, event()):
            clouds.serve(CASES[kind].host, service.answer)
            await PLUGIN.notifiers[kind](each, destination(kind), clouds.context())

    failed, succeeded = ("failure", "success") if kind == "github" else ("failed", "success")
    assert [status["state"] for _, status in service.messages] == [failed, succeeded, failed]
    assert {commit for commit, _ in service.messages} == {SHA}
    assert service.messages[0][1]["description"] == "health check failed"
    name = service.messages[0][1]["context" if kind == "github" else "name"]
    assert name == "kustomization/app/0c9c2e41"


@pytest.mark.parametrize("kind", ["github", "gitlab"])
async def test_a_run_that_goes_on_marks_no_commit(kind: str) -> None:
    async with world() as clouds:
        await told(kind, clouds, event(reason="Progressing"))

        assert clouds.seen == []


@pytest.mark.parametrize("kind", ["github", "gitlab"])
@pytest.mark.parametrize("metadata", [{}, {"revision": "latest@sha256:" + "a" * 64}])
async def test_an_event_without_a_commit_cannot_mark_one(
    kind: str, metadata: dict[str, str]
) -> None:
    async with world() as clouds:
        with pytest.raises(Undeliverable, match=r"revision"):
            await told(kind, clouds, with_metadata(event(), metadata))


@pytest.mark.parametrize("kind", ["github", "gitlab"])
async def test_no_token_is_told(kind: str) -> None:
    async with world() as clouds:
        with pytest.raises(Undeliverable, match="token"):
            await told(kind, clouds, token="")


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/org/fleet.git",
        "ssh://git@github.com/org/fleet",
        "ssh://git@github.com:22/org/fleet.git",
        "git@github.com:org/fleet.git",
        "https://github.com/org/fleet/",
    ],
)
async def test_a_repository_of_github_is_found_by_any_url(address: str) -> None:
    async with world() as clouds:
        await told("github", clouds, address=address)

    assert clouds.seen[0].path == f"/repos/org/fleet/commits/{SHA}/statuses"


async def test_github_enterprise_has_its_api_below_its_own_host() -> None:
    class Enterprise(GitHub):
        base = "/api/v3"

    async with world() as clouds:
        service = Enterprise()
        clouds.serve("github.example.com", service.answer)
        there = destination("github", address="https://github.example.com/org/fleet")
        await PLUGIN.notifiers["github"](event(), there, clouds.context())

    assert len(service.messages) == 1


async def test_an_app_of_github_marks_commits_too() -> None:
    async with world() as clouds:
        apps, statuses = Apps(clouds), GitHub()

        async def answer(request: Received) -> web.Response:
            if not request.path.startswith("/repos/"):
                return await apps.answer(request)
            assert request.headers["Authorization"] == "Bearer ghs_1"
            swapped = {**request.headers, "Authorization": f"Bearer {KEY}"}
            return await statuses.answer(replace(request, headers=swapped))

        clouds.serve("api.github.com", answer)
        by_app = destination("github", token="", secret=app_secret(githubAppInstallationID="77"))
        await PLUGIN.notifiers["github"](event(), by_app, clouds.context())

    assert len(statuses.messages) == 1


async def test_gitlab_is_asked_for_the_project_by_its_whole_path() -> None:
    async with world() as clouds:
        await told("gitlab", clouds)

    assert clouds.seen[1].path == f"/api/v4/projects/group%2Fsub%2Ffleet/statuses/{SHA}"
    assert orjson.loads(clouds.seen[1].body)["name"] == "kustomization/app/0c9c2e41"


async def test_a_stand_in_refuses_what_is_wrong() -> None:
    async with world() as clouds:
        for host, service in (("hooks.slack.com", chat.Slack()), ("hooks.example.com", Teams())):
            clouds.serve(host, service.answer)
            answer = await clouds.http.send("POST", f"https://{host}/services/x", body=b"x")
            assert answer.status == 415
