"""Signs that the API server cannot keep up.

What is not served, or not to the caller, is no sign: the metrics of the engine's Pods (through the
API server), and the API server's own count of what it turned away.
Source: kubernetes.io, API Priority and Fairness, debug endpoints; flux-behaviour 9.3.
"""

import re
from collections.abc import Iterable, Iterator

from engine.cluster import ApiError, Client
from engine.cluster.resource import PODS
from engine.objects.ref import Object, Ref
from engine.plugin import Context, Finding, Severity, Snapshot
from engine.snapshot import about, seen_at, state_of

_RECENT = 3600.0  # seconds
_TOO_MANY = 429  # HTTP
_WORDS = re.compile(
    r"too many requests|rate limiter|throttl|server is currently unable to handle|etcdserver:",
    re.IGNORECASE,
)
_LEVELS = "/debug/api_priority_and_fairness/dump_priority_levels"
_METRICS_PORT = "http-prom"  # as Flux's and our chart call it
_REQUESTS = re.compile(r'rest_client_requests_total\{[^}]*code="(\d*)"[^}]*\} (\S+)')
_AT_MOST = re.compile(r"^lockstep_api_concurrency_limit (\S+)", re.MULTILINE)
_WORTH_TELLING = 0.001  # of all requests; a few at a start or an upgrade are nothing
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
    for sign in (*await _of_pods(context), *await _of_levels(snapshot.client)):
        lines[sign] = None
    if not lines:
        return []
    what = "the API server turns requests away"
    return [Finding(Severity.WARNING, what, _FIX, None, tuple(lines)[:8], _MATTERS)]


async def _of_pods(context: Context) -> list[str]:
    """What the engine's Pods, and Flux's, count of their own requests since their start."""
    client, found = context.client, []
    try:
        pods = (await client.list(PODS, context.settings.runtime_namespace)).items
    except ApiError:
        return []
    for pod in pods:
        for port in _ports(pod):
            name = pod["metadata"]["name"]
            path = PODS.path(pod["metadata"]["namespace"], f"{name}:{port}", "proxy/metrics")
            try:
                found += list(_refusals(name, await client.text(path)))
            except ApiError:
                continue
    return found


def _ports(pod: Object) -> Iterator[int]:
    for container in (pod.get("spec") or {}).get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") == _METRICS_PORT:
                yield port["containerPort"]


def _refusals(pod: str, metrics: str) -> Iterator[str]:
    counts = [(code, float(count)) for code, count in _REQUESTS.findall(metrics)]
    refused = sum(count for code, count in counts if code == str(_TOO_MANY))
    total = sum(count for _, count in counts)
    if refused and refused / total >= _WORTH_TELLING:
        limit = _AT_MOST.search(metrics)
        now = f"; now it sends at most {float(limit[1]):g} at a time" if limit else ""
        yield f"Pod {pod}: {refused:g} of {total:g} requests were refused with status 429{now}"


async def _of_levels(client: Client) -> list[str]:
    """What the API server turned away since its start, a line for each priority level."""
    try:
        head, *rows = (await client.text(_LEVELS)).splitlines()
    except (ApiError, ValueError):
        return []
    names = [name.strip() for name in head.split(",")]
    levels = (dict(zip(names, map(str.strip, row.split(",")), strict=False)) for row in rows)
    return [line for level in levels if (line := _turned_away(level))]


def _turned_away(level: dict[str, str]) -> str:
    """Of one priority level, "" if it is not worth telling, or not understood."""
    try:
        served = int(level["DispatchedRequests"])
        refused = int(level["RejectedRequests"]) + int(level["TimedoutRequests"])
    except (KeyError, ValueError):
        return ""
    if not refused or refused / (served + refused) < _WORTH_TELLING:
        return ""
    total = served + refused
    return f"priority level {level['PriorityLevelName']}: {refused} of {total} were turned away"


def _named(ref: Ref) -> str:
    return str(ref)
