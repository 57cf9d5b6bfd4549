from typing import Any

from engine.plugin import Severity
from plugins.checks import notifications
from tests.support.scripted_api import json
from tests.unit.plugins.checks.scenes import ALL, discovery, found

GROUP = "notification.toolkit.fluxcd.io"
KINDS = [each for each in ALL if each[2] in ("Provider", "Receiver", "Alert")]


def objects(kind: str, **specs: Any) -> dict[tuple[str, str], Any]:
    """The reply to a list of objects with these specs by name."""
    (path,) = (f"/apis/{GROUP}/{each[1]}/{each[3]}" for each in KINDS if each[2] == kind)
    items = [
        {"metadata": {"name": name, "namespace": "ns"}, "spec": spec}
        for name, spec in specs.items()
    ]
    return {("GET", path): json({"items": items, "metadata": {}})}


async def told(replies: Any, **settings: Any) -> list[str]:
    listed = objects("Provider") | objects("Receiver") | objects("Alert") | replies
    findings = await found(notifications.check, discovery(*KINDS) | listed, **settings)
    assert all(each.severity is not Severity.ERROR for each in findings)
    return [f"{each.what}; {each.fix}" if each.fix else each.what for each in findings]


async def test_types_that_are_not_supported_are_named_with_what_can_be_done() -> None:
    replies = {
        **objects("Provider", chat={"type": "discord"}, ops={"type": "slack"}),
        **objects("Receiver", hook={"type": "gcr"}, push={"type": "github"}),
    }
    first, second = await told(replies)

    assert first.startswith(
        "1 of Provider of type 'discord', which is not supported yet: ns/chat; "
    )
    assert "choose another type (alertmanager, generic, " in first
    assert "lockstep run --events-addr=http://notification-controller" in first
    assert second.startswith("1 of Receiver of type 'gcr', which is not supported yet: ns/hook; ")


async def test_an_alert_without_a_provider_is_named() -> None:
    (line,) = await told(objects("Alert", loud={"providerRef": {"name": "gone"}}))

    assert line == (
        "Alert ns/loud tells nobody: there is no Provider 'gone' beside it; "
        "lockstep create alert-provider gone -n ns ..."
    )


async def test_what_is_left_to_flux_is_not_looked_at() -> None:
    replies = {
        **objects("Provider", chat={"type": "discord"}),
        **objects("Receiver", hook={"type": "gcr"}),
    }

    assert await told(replies, events_addr="http://notification-controller") == [
        "Providers, Alerts and Receivers: there are none to serve"
    ]


async def test_where_all_is_well_it_says_how_many_there_are() -> None:
    replies = objects("Provider", ops={"type": "slack"}) | objects(
        "Alert", loud={"providerRef": {"name": "ops"}}
    )

    assert await told(replies) == [
        "Providers, Alerts and Receivers: all 2 are of types that are supported"
    ]
