"""`msteams`: an adaptive card, or what the old connector (`*.webhook.office.com`) takes.

Source: notification-controller internal/notifier teams.go; adaptivecards.io schema 1.4.
"""

from typing import Any
from urllib.parse import urlsplit

from engine.notice.message import facts, subject
from engine.plugin import Context, Destination, Notification, Undeliverable
from plugins.notifiers.posting import post

_CONNECTOR = ".webhook.office.com"


async def notify(notification: Notification, destination: Destination, ctx: Context) -> None:
    """Posts a card.  Raises Undelivered."""
    try:
        host = urlsplit(destination.address).hostname or ""
    except ValueError:
        raise Undeliverable("the address is no URL") from None
    card = _old(notification) if host.endswith(_CONNECTOR) else _adaptive(notification)
    await post(card, destination, ctx)


def _old(notification: Notification) -> dict[str, Any]:
    section = {
        "activityTitle": notification.message,
        "activitySubtitle": subject(notification),
        "facts": [{"name": key, "value": value} for key, value in facts(notification)],
    }
    return {
        "@type": "MessageCard",
        "@context": "http://schema.org/extensions",
        "themeColor": "FF0000" if notification.is_error else "0076D7",
        "summary": subject(notification),
        "sections": [section],
    }


def _adaptive(notification: Notification) -> dict[str, Any]:
    title = {"size": "large", "weight": "bolder", "text": subject(notification)}
    color = {"color": "attention"} if notification.is_error else {}
    told: list[dict[str, Any]] = [
        {"type": "TextBlock", "wrap": True, **title},
        {"type": "TextBlock", "wrap": True, "text": notification.message, **color},
    ]
    shown = [{"title": key, "value": value} for key, value in facts(notification)]
    if shown:
        told.append({"type": "FactSet", "facts": shown})
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",  # the newest that Teams shows
        "msteams": {"width": "Full"},
        "body": [{"type": "Container", "items": told}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": content}
    return {"type": "message", "attachments": [attachment]}
