"""`generic`: the event itself, as Flux's controllers write it; `generic-hmac` signs it.

Source: notification-controller internal/notifier forwarder.go.
"""

import hashlib
import hmac

import orjson

from engine.plugin import Context, Destination, Notification, Undeliverable
from plugins.notifiers.posting import post


async def notify(notification: Notification, destination: Destination, ctx: Context) -> None:
    """Posts the event.  Raises Undelivered."""
    await post(notification.as_json(), destination, ctx, _headers(notification, destination))


async def notify_signed(notification: Notification, destination: Destination, ctx: Context) -> None:
    """Posts the event with an HMAC of the very bytes, keyed by the token.  Raises Undelivered."""
    if not destination.token:
        raise Undeliverable("generic-hmac needs the key 'token' in the Secret of spec.secretRef")
    body = notification.as_json()
    key = destination.token.encode(errors="surrogatepass")
    signature = hmac.new(key, orjson.dumps(body), hashlib.sha256).hexdigest()
    headers = {**_headers(notification, destination), "X-Signature": f"sha256={signature}"}
    await post(body, destination, ctx, headers)


def _headers(notification: Notification, destination: Destination) -> dict[str, str]:
    return {"gotk-component": notification.reporting_controller, **destination.headers}
