"""Bitbucket, server and cloud: signed as GitHub's calls are.

Source: Atlassian, "Manage webhooks", secure a webhook.
"""

from engine.hooks import Genuine, Hit
from plugins.receivers.github import payload_of


def verify(hit: Hit) -> Genuine:
    """Raises Refused unless it is signed."""
    return Genuine(hit.header("X-Event-Key"), payload_of(hit))
