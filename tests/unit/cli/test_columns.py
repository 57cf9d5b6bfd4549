from typing import Any

import pytest

from engine.cli.columns import age, cells, headers, revision_of, shortened

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
    return cells(obj, 1_000_000.0, wide=wide, with_namespace=namespace)


def test_the_columns_are_flux_s() -> None:
    assert headers(wide=False, with_namespace=False) == [
        "NAME",
        "REVISION",
        "SUSPENDED",
        "READY",
        "MESSAGE",
    ]
    assert headers(wide=True, with_namespace=True) == [
        "NAMESPACE",
        "NAME",
        "REVISION",
        "SUSPENDED",
        "READY",
        "LAST-APPLIED",
        "MESSAGE",
    ]


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
    shown = cells(kustomization(), 0.0, wide=False, with_namespace=False, kind="Kustomization")

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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (61, "1m"), (3 * 3600, "3h"), (200_000, "2d"), (-5, "0s")],
)
def test_an_age_has_one_unit(seconds: int, text: str) -> None:
    assert age("1970-01-12T13:46:40Z", 1_000_000.0 + seconds) == text


@pytest.mark.parametrize(
    ("text", "short"),
    [
        (SHA, "01234567"),
        (f"v1@sha256:{SHA}{SHA[:24]}", "v1@sha256:01234567"),
        ("deadbeef", "deadbeef"),
        (SHA + "0", SHA + "0"),
    ],
)
def test_only_whole_digests_are_shortened(text: str, short: str) -> None:
    assert shortened(text) == short
