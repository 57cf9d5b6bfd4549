"""`slack`: an attachment for an incoming webhook, or for `chat.postMessage` with a bot's token.

Source: notification-controller internal/notifier slack.go; Slack API, chat.postMessage.
"""

import orjson

from engine.cluster.outbound import Answer
from engine.notice.message import facts, subject
from engine.objects.redact import mask
from engine.plugin import Context, Destination, Notification, Undeliverable, Undelivered
from plugins.notifiers.posting import bearer, post

_POST_MESSAGE = "/api/chat.postMessage"
_AGAIN = frozenset({"ratelimited", "rate_limited", "internal_error", "service_unavailable"})


async def notify(notification: Notification, destination: Destination, ctx: Context) -> None:
    """Posts a message.  Raises Undelivered."""
    author = subject(notification)
    fields = [{"title": key, "value": value, "short": False} for key, value in facts(notification)]
    attachment = {
        "fallback": f"{author}: {notification.message.partition(chr(10))[0]}",
        "color": "danger" if notification.is_error else "good",
        "author_name": author,
        "text": notification.message,
        "mrkdwn_in": ["text"],
        "fields": fields,
    }
    message = {
        "channel": destination.channel,
        "username": destination.username or notification.reporting_controller,
        "icon_url": "",
        "icon_emoji": "",
        "attachments": [attachment],
    }
    answer = await post(message, destination, ctx, bearer(destination.token))
    if destination.address.endswith(_POST_MESSAGE):
        _check(answer, destination)


def _check(answer: Answer, destination: Destination) -> None:
    """`chat.postMessage` says in a 200 that it did nothing.  Raises Undelivered."""
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict):
        raise Undeliverable("the answer is no JSON object: is it Slack's API?")
    if said.get("ok") is not True:
        code = str(said.get("error", ""))
        text = f"Slack refuses the message: {mask(code, destination.secrets)[:200]}"
        raise (Undelivered if code in _AGAIN else Undeliverable)(text)
