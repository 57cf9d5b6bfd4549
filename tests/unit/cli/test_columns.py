from typing import Any

import pytest

from engine.cli.ages import age, elapsed
from engine.cli.columns import Layout, revision_of, shortened
from engine.cli.kinds import KINDS

SHA = "0123456789abcdef0123456789abcdef01234567"


def kustomization(**status: Any) -> dict[str, Any]:
    return {
        "kind": "Kustomization",
        "metadata": {"name": "apps", "namespace": "flux-system"},
        "spec": {},
        "status": status,
    }


def ready(status: str, message: str) -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": status, "message": message}]}


def row(obj: dict[str, Any], *, wide: bool = False, namespace: bool = False) -> list[str]:
    layout = Layout(1_000_000.0, is_wide=wide, with_namespace=namespace)
    return layout.cells(KINDS[obj["kind"]], obj)


def headers(kind: str = "Kustomization", **how: bool) -> list[str]:
    return Layout(0.0, **how).headers(KINDS[kind])


def test_the_columns_are_flux_s() -> None:
    assert headers() == [
        "NAME",
        "REVISION",
        "SUSPENDED",
        "READY",
        "MESSAGE",
    ]
    assert headers(is_wide=True, with_namespace=True) == [
        "NAMESPACE",
        "NAME",
        "REVISION",
        "SUSPENDED",
        "READY",
        "LAST-APPLIED",
        "MESSAGE",
    ]


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("HelmRelease", "REVISION SUSPENDED READY MESSAGE"),
        ("ExternalArtifact", "REVISION SOURCE READY MESSAGE"),
        ("Receiver", "SUSPENDED READY MESSAGE"),
        ("Alert", "SUSPENDED READY MESSAGE"),
        ("Provider", "READY MESSAGE"),
        ("ArtifactGenerator", "SUSPENDED READY MESSAGE"),
        ("ImagePolicy", "IMAGE TAG READY MESSAGE"),
    ],
)
def test_each_kind_has_the_columns_that_flux_shows(kind: str, columns: str) -> None:
    assert headers(kind) == ["NAME", *columns.split()]
    assert "LAST-APPLIED" not in headers(kind)


def test_two_columns_of_images_have_two_words() -> None:
    assert headers("ImageRepository") == ["NAME", "LAST SCAN", "SUSPENDED", "READY", "MESSAGE"]
    assert headers("ImageUpdateAutomation")[1] == "LAST RUN"


def test_a_row_shows_revision_and_message_with_short_digests() -> None:
    revision = f"main@sha1:{SHA}"
    obj = kustomization(
        lastAppliedRevision=revision, **ready("True", f"Applied revision: {revision}")
    )

    assert row(obj) == [
        "apps",
        "main@sha1:01234567",
        "False",
        "True",
        "Applied revision: main@sha1:01234567",
    ]


def test_without_a_ready_condition_it_waits_to_be_reconciled() -> None:
    assert row(kustomization()) == ["apps", "", "False", "False", "waiting to be reconciled"]


def test_suspended_objects_say_so() -> None:
    assert row({**kustomization(), "spec": {"suspend": True}})[2] == "True"


def test_why_and_until_when_stand_before_the_message() -> None:
    prefix = "gitops.lockstep/suspend"
    marks = {f"{prefix}-reason": "a\nmove", f"{prefix}-until": "2026-12-24T18:00:00Z"}
    obj = kustomization(**ready("True", "applied"))
    marked = {**obj, "metadata": {**obj["metadata"], "annotations": marks}}

    suspended = row({**marked, "spec": {"suspend": True}})
    assert suspended[-1] == "(suspended until 2026-12-24T18:00:00Z: a move) applied"
    assert row(marked)[-1] == "applied"


def test_a_message_of_several_lines_stays_in_its_row() -> None:
    assert row(kustomization(**ready("False", "one\n  two")))[-1] == "one two"


def test_a_wide_row_says_when_it_was_applied() -> None:
    obj = kustomization(history=[{"lastReconciled": "1970-01-12T13:41:40Z"}])

    assert row(obj, wide=True, namespace=True) == [
        "flux-system",
        "apps",
        "",
        "False",
        "False",
        "5m",
        "waiting to be reconciled",
    ]


def test_among_kinds_a_name_has_its_kind() -> None:
    shown = Layout(0.0, with_kind=True).cells(KINDS["Kustomization"], kustomization())

    assert shown[0] == "kustomization/apps"


def test_a_helm_repository_of_oci_is_always_ready() -> None:
    obj = {"kind": "HelmRepository", "metadata": {"name": "x"}, "spec": {"type": "oci"}}

    assert row(obj)[3:] == ["True", "Helm repository is Ready"]


@pytest.mark.parametrize(
    ("kind", "status", "revision"),
    [
        ("Kustomization", {"lastAppliedRevision": "a", "artifact": {"revision": "b"}}, "a"),
        ("GitRepository", {"artifact": {"revision": "b"}}, "b"),
        ("HelmRelease", {"history": [{"chartVersion": "1.2.3"}]}, "1.2.3"),
        ("HelmRelease", {"lastAttemptedRevision": "1.2.4"}, "1.2.4"),
        ("HelmRelease", {}, ""),
    ],
)
def test_the_revision_is_what_the_kind_holds(
    kind: str, status: dict[str, Any], revision: str
) -> None:
    assert revision_of({"kind": kind, "status": status}) == revision


def test_a_source_is_kind_namespace_and_name() -> None:
    obj = {**kustomization(), "spec": {"sourceRef": {"kind": "GitRepository", "name": "fleet"}}}
    shown = Layout(0.0, with_source=True).cells(KINDS["Kustomization"], obj)

    assert shown[:2] == ["apps", "GitRepository/flux-system/fleet"]


def test_of_images_the_newest_is_shown() -> None:
    obj = {
        "kind": "ImagePolicy",
        "metadata": {"name": "web"},
        "status": {"latestRef": {"name": "ghcr.io/org/web", "tag": "1.2.3"}},
    }

    assert row(obj)[:3] == ["web", "ghcr.io/org/web", "1.2.3"]


def test_what_nothing_reconciles_is_ready() -> None:
    for kind in ("Alert", "Provider"):
        obj = {"kind": kind, "metadata": {"name": "x"}, "spec": {}}
        assert row(obj)[-2:] == ["True", f"{kind} is Ready"]


def test_the_path_of_a_webhook_stays_whole() -> None:
    text = f"Receiver initialized for path: /hook/{SHA}{SHA[:24]}"
    obj = {"kind": "Receiver", "metadata": {"name": "x"}, "status": ready("True", text)}

    assert row(obj)[-1] == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (192, "3m12s"),
        (11 * 60 + 5, "11m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 61, "3h1m"),
        (9 * 3600 + 61, "9h"),
        (200_000, "2d7h"),
        (9 * 86_400 + 3600, "9d"),
        (800 * 86_400, "2y70d"),
        (9 * 365 * 86_400, "9y"),
        (-5, "0s"),
    ],
)
def test_an_age_has_the_units_that_kubectl_shows(seconds: int, text: str) -> None:
    assert elapsed(seconds) == text
    assert age("1970-01-12T13:46:40Z", 1_000_000.0 + seconds) == text


def test_what_never_was_has_no_age() -> None:
    assert age("", 0.0) == ""


@pytest.mark.parametrize(
    ("text", "short"),
    [
        (SHA, "01234567"),
        (f"v1@sha256:{SHA}{SHA[:24]}", "v1@sha256:01234567"),
        ("deadbeef", "deadbeef"),
        (SHA[:39], SHA[:39]),
    ],
)
def test_only_whole_digests_are_shortened(text: str, short: str) -> None:
    assert shortened(text) == short
