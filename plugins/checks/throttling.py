"""Signs that the API server cannot keep up."""

import re
from collections.abc import Iterable

from engine.objects.ref import Ref
from engine.plugin import Context, Finding, Severity, Snapshot
from engine.snapshot import about, seen_at, state_of

_RECENT = 3600.0  # seconds
_TOO_MANY = 429  # HTTP
_WORDS = re.compile(
    r"too many requests|rate limiter|throttl|server is currently unable to handle|etcdserver:",
    re.IGNORECASE,
)
_MATTERS = "everything that uses the cluster is slow, and changes arrive late"
_FIX = (
    "find who asks that much: kubectl get --raw /metrics | grep apiserver_flowcontrol_rejected; "
    "raise intervals, or the API server's limits"
)


async def diagnose(snapshot: Snapshot, context: Context) -> Iterable[Finding]:
    """One finding with all signs."""
    lines: dict[str, None] = {}
    for ref, obj in (await snapshot.everything()).items():
        message = state_of(obj).message
        if _WORDS.search(message):
            lines[f"{ref}: {message.splitlines()[0]}"] = None
    for event in await snapshot.events():
        message = str(event.get("message", ""))
        if snapshot.now - seen_at(event) <= _RECENT and _WORDS.search(message):
            lines[f"{_named(about(event))}: {message.splitlines()[0]}"] = None
    refused = snapshot.client.statistics().refused.get(_TOO_MANY, 0)
    if refused:
        lines[f"{refused} of the requests made just now were refused with status 429"] = None
    if not lines:
        return []
    what = "the API server turns requests away"
    return [Finding(Severity.WARNING, what, _FIX, None, tuple(lines)[:5], _MATTERS)]


def _named(ref: Ref) -> str:
    return str(ref)
