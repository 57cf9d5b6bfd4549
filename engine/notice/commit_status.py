"""The name under which a commit is marked by one Provider.

Source: notification-controller internal/server provider_commit_status.go.
"""

from engine.notice.notification import Notification
from engine.objects.cel import CelError, parsed
from engine.objects.ref import Object


class NoCommitStatus(ValueError):  # noqa: N818 - says what is wrong, like a Failure
    """`spec.commitStatusExpr` gives no name."""


def commit_status(
    expression: str, notification: Notification, alert: Object, provider: Object
) -> str:
    """What the expression says, or, without one, a name that no other cluster uses.

    notification: as it is told.   alert, provider: the objects.   Raises NoCommitStatus.
    """
    if not expression:
        involved, uid = notification.involved_object, provider["metadata"].get("uid", "")
        return f"{involved.kind}/{involved.name}/{uid.partition('-')[0]}".lower()
    variables = {"event": notification.as_json(), "alert": alert, "provider": provider}
    failed = "failed to evaluate the spec.commitStatusExpr CEL expression for the event"
    try:
        found = parsed(expression).value(variables)
    except CelError as error:
        raise NoCommitStatus(f"{failed}: {error}") from error
    if not isinstance(found, str) or not found:
        raise NoCommitStatus(f"{failed}: its value is no text: it must give the status' name")
    return found
