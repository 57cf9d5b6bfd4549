from typing import Any

import pytest

from engine.api.decode import decode
from engine.api.notification import Alert
from engine.notice import Notification, read
from engine.notice.audience import is_for
from engine.notice.commit_status import NoCommitStatus, commit_status
from engine.notice.message import commit_of, facts, revision_of, subject, words
from engine.notice.metadata import merged
from engine.notice.notification import with_metadata
from engine.notice.subscription import Subscription, has_labels

GROUP = "kustomize.toolkit.fluxcd.io"
SHA = "a1afe267b54f38b46b487f6e938a6fd508278c07"


def event(message: str = "m", severity: str = "info", **metadata: str) -> Notification:
    involved = {"kind": "Kustomization", "namespace": "ns", "name": "app"}
    marks = {
        key.replace("event_", "event.toolkit.fluxcd.io/")
        if key.startswith("event_")
        else f"{GROUP}/{key}": value
        for key, value in metadata.items()
    }
    return read(
        {
            "involvedObject": {**involved, "apiVersion": f"{GROUP}/v1"},
            "severity": severity,
            "message": message,
            "reason": "ReconciliationFailed",
            "metadata": marks,
        }
    )


def source(**more: Any) -> dict[str, Any]:
    return {"kind": "Kustomization", "name": "app", **more}


def alert(*sources: dict[str, Any], **spec: Any) -> Subscription:
    obj = {
        "apiVersion": "notification.toolkit.fluxcd.io/v1beta3",
        "kind": "Alert",
        "metadata": {"name": "a", "namespace": "ns", "uid": "u"},
        "spec": {
            "providerRef": {"name": "p"},
            "eventSources": list(sources) or [source()],
            **spec,
        },
    }
    return Subscription.of(obj, decode(Alert, obj))


@pytest.mark.parametrize(
    ("subscription", "is_meant"),
    [
        (alert(), True),
        (alert(source(name="*")), True),
        (alert(source(namespace="ns")), True),
        (alert(source(name="other"), source(name="app")), True),
        (alert(source(name="other")), False),
        (alert(source(kind="GitRepository")), False),
        (alert(source(namespace="elsewhere")), False),
        (alert(eventSeverity="error"), False),
        (alert(suspend=True), False),
    ],
)
def test_an_alert_hears_of_its_sources(subscription: Subscription, *, is_meant: bool) -> None:
    assert bool(subscription.sources(event())) is is_meant


def test_an_error_passes_every_severity() -> None:
    assert alert(eventSeverity="error").sources(event(severity="error"))
    assert alert(eventSeverity="info").sources(event(severity="error"))


@pytest.mark.parametrize(
    ("lists", "message", "is_told"),
    [
        ({}, "anything", True),
        ({"inclusionList": [".*succeeded.*", "x"]}, "it succeeded", True),
        ({"inclusionList": ["failed"]}, "it succeeded", False),
        ({"exclusionList": ["failed"]}, "it failed", False),
        ({"exclusionList": ["failed"]}, "it succeeded", True),
        ({"inclusionList": ["it"], "exclusionList": ["failed"]}, "it failed", False),
        ({"inclusionList": ["(?i)FAILED$"]}, "line one\nit failed", True),
        ({"inclusionList": ["("]}, "(", False),
        ({"exclusionList": ["("]}, "(", True),
        ({"inclusionList": ["(", "x"]}, "x", True),
    ],
)
def test_lists_let_messages_pass(lists: dict[str, Any], message: str, *, is_told: bool) -> None:
    assert alert(**lists).wants(message) is is_told


def test_a_bad_expression_is_named() -> None:
    (problem,) = alert(exclusionList=["a(b"]).problems

    assert problem.startswith("failed to compile exclusion regex: 'a(b'")


def test_the_expressions_that_count_are_bounded() -> None:
    subscription = alert(inclusionList=["no"] * 100 + ["yes"])

    assert not subscription.wants("yes")
    assert "first 100" in subscription.problems[0]


def test_an_expression_that_would_never_end_ends() -> None:
    assert not alert(inclusionList=["^(a+)+$"]).wants("a" * 39_000 + "!")


def test_labels_decide_where_they_are_asked_for() -> None:
    (by_team,) = alert(source(matchLabels={"team": "a"})).alert.spec.event_sources
    (any_team,) = alert().alert.spec.event_sources

    assert has_labels({"team": "a", "b": "c"}, [by_team])
    assert not has_labels({"team": "b"}, [by_team])
    assert has_labels({}, [by_team, any_team])


def test_the_last_giver_of_metadata_counts_and_conflicts_are_named() -> None:
    spec = alert(
        eventMetadata={"summary": "new", "team": "a", "revision": "mine"}, summary="old"
    ).alert.spec

    found = merged(event(revision="r1", event_team="b", event_env="prod"), spec)

    assert found.metadata == {"summary": "old", "team": "a", "revision": "r1", "env": "prod"}
    assert found.conflicts == {
        "revision": "Alert object .spec.eventMetadata, involved object controller metadata",
        "summary": "Alert object .spec.eventMetadata, Alert object .spec.summary",
        "team": "involved object annotations, Alert object .spec.eventMetadata",
    }


UPDATE = {"commit_status": "update"}


@pytest.mark.parametrize(
    ("provider_type", "notification", "is_wanted"),
    [
        ("slack", event(), True),
        ("slack", event(**UPDATE), False),
        ("generic", event(**UPDATE), True),
        ("generic-hmac", event(**UPDATE), True),
        ("github", event(**UPDATE), True),
        ("github", event(revision="r"), False),
        ("github", event(event_commit=SHA), True),
        ("github", event(severity="error"), True),
        ("gitlabmergerequestcomment", event(), False),
        ("gitlabmergerequestcomment", event(event_change_request="5"), True),
        ("gitlabmergerequestcomment", event(event_change_request="5", **UPDATE), False),
    ],
)
def test_events_go_to_those_who_can_use_them(
    provider_type: str, notification: Notification, *, is_wanted: bool
) -> None:
    assert is_for(provider_type, notification) is is_wanted


PROVIDER = {"kind": "Provider", "metadata": {"name": "p", "uid": "0c9c2e41-d2f9"}, "spec": {}}
ALERT = alert().obj


def test_a_commit_status_is_named_after_object_and_cluster() -> None:
    assert commit_status("", event(), ALERT, PROVIDER) == "kustomization/app/0c9c2e41"


def test_an_expression_names_the_commit_status() -> None:
    text = "event.involvedObject.name + '-' + alert.metadata.name + '-' + provider.metadata.name"

    assert commit_status(text, event(), ALERT, PROVIDER) == "app-a-p"


@pytest.mark.parametrize("text", ["event.", "1 + 1", "event.nothing", "''", "[1].map(x, x)"])
def test_an_expression_without_a_text_names_none(text: str) -> None:
    with pytest.raises(NoCommitStatus, match=r"spec\.commitStatusExpr"):
        commit_status(text, event(), ALERT, PROVIDER)


@pytest.mark.parametrize(
    ("revision", "commit"),
    [
        (f"sha1:{SHA}", SHA),
        (f"main@sha1:{SHA}", SHA),
        (f"env/dev@sha1:{SHA}", SHA),
        (f"env/dev/{SHA}", SHA),
        (SHA, SHA),
        ("main", ""),
        ("latest@sha256:" + "a" * 64, ""),
        ("", ""),
    ],
)
def test_a_commit_is_found_in_a_revision(revision: str, commit: str) -> None:
    assert commit_of(revision) == commit


def test_the_commit_of_an_annotation_counts_most() -> None:
    told = with_metadata(event(), {"revision": "r", "originRevision": "o", "commit": "c"})

    assert revision_of(told) == "c"
    assert revision_of(with_metadata(event(), {"revision": "r", "originRevision": "o"})) == "o"
    assert revision_of(with_metadata(event(), {})) == ""


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("ReconciliationSucceeded", "reconciliation succeeded"),
        ("HTTPError", "http error"),
        ("PDFLoader2", "pdf loader 2"),
        ("", ""),
    ],
)
def test_a_reason_is_told_in_words(reason: str, text: str) -> None:
    assert words(reason) == text


def test_facts_begin_with_the_summary() -> None:
    told = with_metadata(event(), {"b": "2", "summary": "s", "a": "1"})

    assert facts(told) == [("summary", "s"), ("a", "1"), ("b", "2")]
    assert subject(told) == "kustomization/app.ns"
