"""Which types of Provider are told of which events.

Source: notification-controller internal/server event_handlers.go, getNotificationParams;
flux-behaviour 6.1.
"""

from engine.notice.notification import COMMIT, Notification

COMMIT_STATUS = frozenset(
    ("github", "gitlab", "gitea", "bitbucketserver", "bitbucket", "azuredevops")
)
"""Types that mark a commit as good or bad."""

_GENERIC = frozenset(("generic", "generic-hmac"))
_CHANGE_REQUEST = frozenset(
    ("githubpullrequestcomment", "gitlabmergerequestcomment", "giteapullrequestcomment")
)


def is_for(provider_type: str, notification: Notification) -> bool:
    """Whether a Provider of that type has a use for the event; its metadata as it was posted."""
    is_update = notification.own("commit_status") == "update"
    if provider_type in COMMIT_STATUS:  # a failure is never marked as an update
        return is_update or bool(notification.annotated(COMMIT)) or notification.is_error
    if provider_type in _CHANGE_REQUEST and not notification.annotated("change_request"):
        return False
    return provider_type in _GENERIC or not is_update
