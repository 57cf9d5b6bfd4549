import os
import re
from typing import Any

import pytest

from benchmarks.meter import (
    Seen,
    Usage,
    agent_of,
    by_verb,
    latencies,
    machine,
    seen_in,
    tally,
    usage,
)


def audited(number: int, verb: str, uri: str, **ref: str) -> dict[str, Any]:
    return {
        "auditID": str(number),
        "verb": verb,
        "requestURI": uri,
        "userAgent": "lockstep/0.1.0",
        "requestReceivedTimestamp": "2026-01-01T00:00:00.250000Z",
        **({"objectRef": ref} if ref else {}),
    }


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (audited(1, "get", "/api/v1/x", resource="configmaps"), "get configmaps"),
        (
            audited(1, "patch", "/apis/x", resource="ks", apiGroup="a.b", subresource="status"),
            "patch ks.a.b/status",
        ),
        (
            audited(1, "patch", "/api/v1/x?dryRun=All&force=true", resource="secrets"),
            "dry-run-patch secrets",
        ),
        (audited(1, "get", "/openapi/v3/apis/apps/v1?hash=1"), "get /openapi/v3"),
    ],
)
def test_an_audit_event_says_who_asked_what_and_when(event: dict[str, Any], what: str) -> None:
    assert seen_in([event]) == [Seen(1767225600.25, "lockstep", what)]


def test_a_watch_that_is_logged_at_its_start_and_its_end_counts_once() -> None:
    watch = audited(7, "watch", "/api/v1/pods?watch=true", resource="pods")

    seen = seen_in([{**watch, "stage": "ResponseStarted"}, {**watch, "stage": "ResponseComplete"}])

    assert [each.what for each in seen] == ["watch pods"]


def test_requests_are_counted_by_agent_inside_the_window() -> None:
    seen = [
        Seen(1.0, "lockstep", "get pods"),
        Seen(2.0, "lockstep", "list pods"),
        Seen(2.5, "other", "get pods"),
        Seen(3.0, "lockstep", "list pods"),
        Seen(3.1, "lockstep", "get pods"),
    ]

    assert tally(seen, 2.0, 3.0) == {"lockstep": {"list pods": 2}, "other": {"get pods": 1}}


def test_verbs_are_summed_over_resources() -> None:
    assert by_verb({"get a": 1, "patch b": 3, "get c": 5}) == {"get": 6, "patch": 3}


@pytest.mark.parametrize(
    ("header", "agent"),
    [("kubectl/v1.36 (linux/amd64)", "kubectl"), ("curl", "curl"), ("", "unknown")],
)
def test_an_agent_is_the_first_word_of_its_header(header: str, agent: str) -> None:
    assert agent_of(header) == agent


def test_latencies_are_nearest_ranks() -> None:
    hundred = [float(number) for number in range(100, 0, -1)]

    assert latencies(hundred) == {"first": 1.0, "p50": 50.0, "p95": 95.0, "last": 100.0}
    assert latencies([2.0]) == {"first": 2.0, "p50": 2.0, "p95": 2.0, "last": 2.0}
    with pytest.raises(ValueError, match="no latency"):
        latencies([])


def test_the_usage_of_this_process_has_cpu_and_memory_and_one_that_ended_has_none() -> None:
    own = usage(os.getpid())

    assert own.cpu > 0
    assert own.peak_bytes > 2**20
    assert usage(2**22) == Usage(0.0, 0)  # the highest process id that Linux gives, plus one
    assert own.since(Usage(own.cpu, 0)) == Usage(0.0, own.peak_bytes)


def test_the_machine_is_named_without_paths() -> None:
    found = machine()

    assert found["cores"] >= 1
    assert found["memory_bytes"] > 0
    assert not re.search(r"(^|[\s'\"])/\w", repr(found))
