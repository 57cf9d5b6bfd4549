"""What types that mark commits have in common: the repository, the commit, the words.

Source: notification-controller internal/notifier util.go; flux-behaviour 6.3.
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from engine.api.meta import PROGRESSING
from engine.cluster.outbound import Answer
from engine.notice.message import commit_of, revision_of, words
from engine.plugin import Destination, Notification, Undeliverable

_SCP = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!//)(.+)")  # git@github.com:org/repository.git


@dataclass(frozen=True, slots=True)
class Repository:
    """Where the commit is; host: scheme and host, no path.   id: its path, without `.git`."""

    host: str
    id: str


@dataclass(frozen=True, slots=True)
class Mark:
    """What is said of a commit."""

    commit: str
    name: str
    description: str
    is_good: bool


def mark_of(notification: Notification, destination: Destination) -> Mark | None:
    """What to say of the commit, None if nothing: a run that still goes on decides nothing.

    Raises Undeliverable if the event names no commit.
    """
    if notification.reason == PROGRESSING:
        return None
    revision = revision_of(notification)
    if not revision:
        raise Undeliverable("the event has no revision")
    commit = commit_of(revision)
    if not commit:
        raise Undeliverable(f"no commit can be told from the revision '{revision[:200]}'")
    description = words(notification.reason)
    return Mark(commit, destination.status, description, not notification.is_error)


def repository_of(address: str) -> Repository:
    """The repository at a URL of https, http, ssh or scp's form.  Raises Undeliverable."""
    scp = _SCP.fullmatch(address)
    try:
        parts = urlsplit(f"ssh://{scp[1]}/{scp[2]}" if scp else address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    scheme = {"ssh": "https"}.get(parts.scheme, parts.scheme) if host else ""
    path = parts.path.strip("/").removesuffix(".git") if host else ""
    if scheme not in ("http", "https") or not path:
        raise Undeliverable("the address is no URL of a Git repository")
    name = f"[{host}]" if ":" in host else host
    has_port = port and parts.scheme != "ssh"
    return Repository(f"{scheme}://{name}:{port}" if has_port else f"{scheme}://{name}", path)


def listed(answer: Answer) -> list[dict[str, Any]]:
    """The objects of a JSON list.  Raises Undeliverable if it is none."""
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, list):
        raise Undeliverable("the answer is no JSON list: does the address name a repository?")
    return [each for each in found if isinstance(each, dict)]
