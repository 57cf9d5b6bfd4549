"""What is told of changed objects."""

from typing import Any

import pytest

from engine.demo.news import Line, Tone, lines_of, shortened

SHA = "1f0a3c22" + "0" * 32


def kustomization(status: str, message: str, reason: str = "ReconciliationSucceeded") -> Any:
    ready = {"type": "Ready", "status": status, "reason": reason, "message": message}
    metadata = {"name": "apps", "namespace": "flux-system"}
    return {"kind": "Kustomization", "metadata": metadata, "status": {"conditions": [ready]}}


def event(*told: str, reason: str = "Progressing") -> Any:
    about = {"kind": "Kustomization", "name": "apps"}
    return {"kind": "Event", "reason": reason, "involvedObject": about, "message": "\n".join(told)}


GOOD = kustomization("True", f"Applied revision: main@sha1:{SHA}")
BAD = kustomization("False", "a.yaml:3: no", "BuildFailed")
WAITING = kustomization("False", "dependency 'ns/x' is not ready", "DependencyNotReady")
UNFETCHED = kustomization("False", "Source artifact not found, retrying in 30s", "ArtifactFailed")
MANY = event(*["ConfigMap/a/b created"] * 4, "ConfigMap/a/c configured")
APPLIED = "Applied revision: main@sha1:1f0a3c22"
UNDER_WAY = kustomization("Unknown", "Reconciliation in progress", "Progressing")


@pytest.mark.parametrize(
    ("obj", "before", "wanted"),
    [
        (GOOD, None, [Line("apps", APPLIED, Tone.GOOD)]),
        (GOOD, UNDER_WAY, [Line("apps", APPLIED, Tone.GOOD)]),
        (GOOD, GOOD, []),
        (UNDER_WAY, GOOD, []),
        (BAD, GOOD, [Line("apps", "a.yaml:3: no", Tone.BAD)]),
        (WAITING, None, [Line("apps", "waits for x (dependsOn)")]),
        (UNFETCHED, None, [Line("apps", "waits for its source to be fetched")]),
        (None, GOOD, []),
        ({**GOOD, "kind": "GitRepository"}, None, [Line("source apps", APPLIED, Tone.GOOD)]),
        ({"kind": "Deployment"}, None, []),
        (event("ConfigMap/a/b created"), None, [Line("apps", "ConfigMap/a/b created")]),
        (MANY, None, [Line("apps", "4 objects created, 1 object configured")]),
        (event("done", reason="ReconciliationSucceeded"), None, []),
    ],
)
def test_news_of_an_object(obj: Any, before: Any, wanted: list[Line]) -> None:
    assert list(lines_of(obj, before)) == wanted


def test_a_long_message_becomes_one_line_with_short_hashes() -> None:
    assert shortened(f"one\n  two {SHA}") == "one two 1f0a3c22"
