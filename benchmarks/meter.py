"""What a run cost: requests by who, verb and resource, and latencies."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

Requests = dict[str, dict[str, int]]
"""{first word of the user agent: {"verb resource.group/subresource": count}}."""

OWN = "benchmark"  # our user agent
_BYSTANDERS = frozenset(
    {OWN, "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "unknown"}
)
_METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
_WRITES = frozenset({*_METHODS, "deletecollection"})
_RANKS = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that an API server got.

    at: seconds since 1970.   what: `verb resource`.   name: of the object, or the label selector.
    """

    at: float
    agent: str
    what: str
    name: str = ""

    def concerns(self, name: str) -> bool:
        """Whether it is about the Kustomization of that name, or about what that applies."""
        return self.name == name or self.name.startswith(f"{name}-") or f"={name}," in self.name


def seen_of(event: Mapping[str, Any]) -> Seen:
    """The request of an event of an audit log."""
    return Seen(
        datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp(),
        agent_of(event.get("userAgent", "")),
        f"{_verb(event)} {_resource(event)}",
        (event.get("objectRef") or {}).get("name") or _selector(event["requestURI"]),
    )


def agent_of(header: str) -> str:
    """`lockstep` of `lockstep/0.1.0 (linux)`."""
    return header.partition("/")[0] or "unknown"


def is_engine(agent: str) -> bool:
    """Whether that is one of those that are measured: neither the control plane's nor ours."""
    return agent not in _BYSTANDERS


def _verb(event: Mapping[str, Any]) -> str:
    is_dry = "dryRun=All" in event["requestURI"]
    return f"dry-run-{event['verb']}" if is_dry else str(event["verb"])


def _resource(event: Mapping[str, Any]) -> str:
    ref = event.get("objectRef")
    if not ref:
        path = event["requestURI"].partition("?")[0]
        return "/".join(path.split("/")[:3])  # /openapi/v3, whatever the document
    return resource_title(ref["resource"], ref.get("apiGroup", ""), ref.get("subresource", ""))


def _selector(uri: str) -> str:
    return selector_name(parse_qs(urlsplit(uri).query).get("labelSelector", [""])[0])


def selector_name(selector: str) -> str:
    """A label selector as `Seen.name` holds it: with a comma behind each term."""
    return f"{selector}," if selector else ""


def resource_title(plural: str, group: str, subresource: str) -> str:
    """`deployments.apps/scale`."""
    return f"{plural}{'.' + group if group else ''}{'/' + subresource if subresource else ''}"


def tally(seen: Iterable[Seen], began_at: float, ended_at: float) -> Requests:
    """The requests that came between two instants, both included, the most frequent first."""
    counts: dict[str, Counter[str]] = {}
    for each in seen:
        if began_at <= each.at <= ended_at:
            counts.setdefault(each.agent, Counter())[each.what] += 1
    return {agent: dict(counter.most_common()) for agent, counter in sorted(counts.items())}


def of_engine(requests: Requests) -> dict[str, int]:
    """{"verb resource": count} of the engine, all of its controllers together."""
    counts: Counter[str] = Counter()
    for agent, each in requests.items():
        if is_engine(agent):
            counts.update(each)
    return dict(counts.most_common())


def by_verb(requests: Mapping[str, int]) -> dict[str, int]:
    """{verb: count} of {"verb resource": count}, the most frequent first."""
    counts: Counter[str] = Counter()
    for what, count in requests.items():
        counts[what.partition(" ")[0]] += count
    return dict(counts.most_common())


def by_method(requests: Mapping[str, int]) -> dict[str, int]:
    """{HTTP method: count} of {"verb resource": count}."""
    counts: Counter[str] = Counter()
    for verb, count in by_verb(requests).items():
        counts[_METHODS.get(verb.removeprefix("dry-run-"), "GET")] += count
    return dict(sorted(counts.items()))


@dataclass(frozen=True, slots=True)
class Budget:
    """Requests sorted by what they are for; managed: about the kinds that the workload applies."""

    managed_writes: int = 0  #: creates and applies, dry-runs too
    dry_runs: int = 0
    managed_reads: int = 0  #: GETs of single objects
    status_writes: int = 0  #: of Kustomizations
    other_writes: int = 0  #: all others, without Leases
    upkeep: int = 0  #: watches and Leases, which an idle engine needs
    others: int = 0  #: LISTs, discovery, GETs of what is not managed


def budget(requests: Mapping[str, int], managed: Collection[str]) -> Budget:
    """What the requests of an engine were for; managed: titles of resources (`services`)."""
    counts: Counter[str] = Counter()
    for what, count in requests.items():
        verb, _, resource = what.partition(" ")
        counts[_purpose(verb, resource, managed)] += count
        if verb.startswith("dry-run-"):
            counts["dry_runs"] += count
    return Budget(**counts)


def _purpose(verb: str, resource: str, managed: Collection[str]) -> str:
    is_write = verb.removeprefix("dry-run-") in _WRITES
    if verb == "watch" or resource.startswith("leases."):
        return "upkeep"
    if resource in managed:
        return "managed_writes" if is_write else "managed_reads" if verb == "get" else "others"
    if is_write and resource == "kustomizations.kustomize.toolkit.fluxcd.io/status":
        return "status_writes"
    return "other_writes" if is_write else "others"


def latencies(seconds: Sequence[float]) -> dict[str, float]:
    """First, percentiles by nearest rank, and last.  Raises ValueError if empty."""
    if not seconds:
        raise ValueError("no latency was measured")
    ordered = sorted(seconds)
    found = {"first": ordered[0]}
    for name, share in _RANKS.items():
        found[name] = ordered[max(0, math.ceil(share * len(ordered)) - 1)]
    found["last"] = ordered[-1]
    return {name: round(value, 3) for name, value in found.items()}


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The rise of the straight line that fits best; needs two different x."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    rise = sum((x - middle_x) * (y - middle_y) for x, y in points)
    return rise / sum((x - middle_x) ** 2 for x, _ in points)
