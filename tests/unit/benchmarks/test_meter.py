from typing import Any

import pytest

from benchmarks.meter import (
    Budget,
    Seen,
    agent_of,
    budget,
    by_method,
    by_verb,
    is_engine,
    latencies,
    of_engine,
    seen_of,
    slope,
    tally,
)

STATUS = "patch kustomizations.kustomize.toolkit.fluxcd.io/status"


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
    assert seen_of(event) == Seen(1767225600.25, "lockstep", what)


def test_a_request_is_about_the_object_or_the_selector_that_it_names() -> None:
    selector = "/api/v1/configmaps?labelSelector=kustomize.toolkit.fluxcd.io%2Fname%3Dapp-1&limit=9"
    events = [
        audited(1, "get", "/x", resource="configmaps", name="app-1-0"),
        audited(1, "patch", "/x", resource="kustomizations", name="app-1"),
        audited(1, "list", selector, resource="configmaps"),
        audited(1, "get", "/x", resource="configmaps", name="app-10-0"),
        audited(1, "list", selector.replace("app-1", "app-10"), resource="configmaps"),
    ]

    assert [seen_of(each).concerns("app-1") for each in events] == [True, True, True, False, False]


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
    names = ("first", "p50", "p95", "p99", "last")

    assert latencies(hundred) == dict(zip(names, (1.0, 50.0, 95.0, 99.0, 100.0), strict=True))
    assert latencies([2.0]) == dict.fromkeys(names, 2.0)
    with pytest.raises(ValueError, match="no latency"):
        latencies([])


def test_the_engine_is_everybody_but_the_control_plane_and_the_benchmark() -> None:
    requests = {
        "source-controller": {"get a": 1},
        "kustomize-controller": {"get a": 2, "patch b": 5},
        "kube-apiserver": {"get a": 4},
        "benchmark": {"get a": 8},
    }

    assert of_engine(requests) == {"patch b": 5, "get a": 3}
    assert [is_engine(agent) for agent in ("lockstep", "kwok")] == [True, False]


def test_verbs_are_sent_by_four_methods() -> None:
    counts = {"get a": 1, "list a": 2, "watch a": 4, "dry-run-patch a": 8, "create a": 16}

    assert by_method(counts) == {"GET": 7, "PATCH": 8, "POST": 16}


def test_requests_are_sorted_by_what_they_are_for() -> None:
    counts = {
        "patch configmaps": 1,
        "dry-run-patch configmaps": 2,
        "get configmaps": 4,
        "list configmaps": 8,
        "watch configmaps": 16,
        "patch leases.coordination.k8s.io": 32,
        STATUS: 64,
        "create events": 128,
        "get /apis": 256,
    }

    assert budget(counts, {"configmaps"}) == Budget(
        managed_writes=3,
        dry_runs=2,
        managed_reads=4,
        status_writes=64,
        other_writes=128,
        upkeep=48,
        others=264,
    )


def test_the_slope_is_that_of_the_line_that_fits_best() -> None:
    assert slope([(0, 5), (10, 25), (20, 45)]) == pytest.approx(2)
    assert slope([(0, 0), (1, 2), (2, 2)]) == pytest.approx(1)
