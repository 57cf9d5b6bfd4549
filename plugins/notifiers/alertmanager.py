"""`alertmanager`: a firing alert, which ends by Alertmanager's own `resolve_timeout`.

Source: notification-controller internal/notifier alertmanager.go; Alertmanager API v2, POST alerts.
"""

import base64

from engine.notice.notification import SUMMARY
from engine.plugin import Context, Destination, Notification
from plugins.notifiers.posting import bearer, post


async def notify(notification: Notification, destination: Destination, ctx: Context) -> None:
    """Posts one alert; basic credentials count before a token.  Raises Undelivered."""
    involved, reason = notification.involved_object, notification.reason
    labels = {key: value for key, value in notification.metadata.items() if key != SUMMARY}
    labels |= {
        "alertname": f"Flux{involved.kind}{reason[:1].upper()}{reason[1:].lower()}",
        "severity": notification.severity,
        "reason": reason,
        "kind": involved.kind,
        "name": involved.name,
        "namespace": involved.namespace,
        "reportingcontroller": notification.reporting_controller,
    }
    annotations = {"message": notification.message}
    if SUMMARY in notification.metadata:
        annotations[SUMMARY] = notification.metadata[SUMMARY]
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": annotations,
        "startsAt": notification.at,
    }
    await post([alert], destination, ctx, _login(destination))


def _login(destination: Destination) -> dict[str, str]:
    if destination.username and destination.password:
        pair = f"{destination.username}:{destination.password}".encode(errors="surrogatepass")
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return bearer(destination.token)
