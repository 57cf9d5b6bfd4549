"""The words in which services are told; metadata here has no groups any more.

Source: notification-controller internal/notifier (util.go, slack.go, teams.go); fluxcd/pkg git.
"""

import re

from engine.notice.notification import COMMIT, ORIGIN_REVISION, REVISION, SUMMARY, Notification

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^A-Za-z0-9]+")
_HASH = re.compile(r"(?:.*[:/@])?([0-9a-f]{40})")


def subject(notification: Notification) -> str:
    """The object as a chat shows it: `kustomization/app.flux-system`."""
    involved = notification.involved_object
    return f"{involved.kind.lower()}/{involved.name}.{involved.namespace}"


def facts(notification: Notification) -> list[tuple[str, str]]:
    """The metadata, its summary first and then by key."""
    return sorted(notification.metadata.items(), key=lambda each: (each[0] != SUMMARY, each[0]))


def words(reason: str) -> str:
    """A reason as words: `reconciliation failed`."""
    return " ".join(_WORD.findall(reason)).lower()


def revision_of(notification: Notification) -> str:
    """The revision that counts for whoever wrote it, "" if none is known."""
    keys = (COMMIT, ORIGIN_REVISION, REVISION)
    return next((notification.metadata[key] for key in keys if key in notification.metadata), "")


def commit_of(revision: str) -> str:
    """The SHA-1 of a commit in a revision of any format that Flux has had, "" if there is none."""
    found = _HASH.fullmatch(revision)
    return found[1] if found else ""
