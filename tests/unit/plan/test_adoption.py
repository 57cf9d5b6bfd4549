from typing import Any

import pytest

from engine.plan.adoption import adoption, migration
from tests.support.build import config

US = "kustomize-controller"


def entry(manager: str, operation: str, *fields: str, **more: str) -> dict[str, Any]:
    owned = {"f:data": {f"f:{field}": {} for field in fields}}
    return {"manager": manager, "operation": operation, "fieldsV1": owned, **more}


def folded(*entries: dict[str, Any], overridden: tuple[str, ...] = ()) -> list[str]:
    """The entries after the fold, as text."""
    live = config("a", managedFields=list(entries), resourceVersion="7")
    operations = adoption(live, US, overridden)
    values = [each["value"] for each in operations if each["path"] == "/metadata/managedFields"]
    return [
        " ".join([each["manager"], each["operation"], *map(_name, each["fieldsV1"]["f:data"])])
        for value in values
        for each in value
    ]


def _name(field: str) -> str:
    return field.removeprefix("f:")


def test_nothing_is_written_where_nothing_is_foreign() -> None:
    entries = [entry(US, "Apply", "x"), entry("hpa", "Update", "y")]

    assert adoption(config("a", managedFields=entries, resourceVersion="7"), US, ()) == []


@pytest.mark.parametrize(
    ("manager", "operation"),
    [
        ("kubectl-client-side-apply", "Update"),
        ("kubectl", "Apply"),
        ("kubectl-edit", "Update"),
        ("before-first-apply", "Update"),
        (US, "Update"),
    ],
)
def test_what_kubectl_and_our_own_updates_hold_becomes_ours(manager: str, operation: str) -> None:
    foreign = entry(manager, operation, "y")

    assert folded(entry(US, "Apply", "x"), foreign) == [f"{US} Apply x y"]
    assert folded(foreign, entry("hpa", "Update", "z")) == [f"{US} Apply y", "hpa Update z"]


@pytest.mark.parametrize(
    ("manager", "operation", "more"),
    [
        ("before-first-apply", "Apply", {}),
        ("flux-client-side-apply", "Update", {}),
        ("kubectl", "Update", {"subresource": "status"}),
        (US, "Update", {"subresource": "status"}),
    ],
)
def test_others_keep_what_they_hold(manager: str, operation: str, more: dict[str, str]) -> None:
    assert folded(entry(manager, operation, "y", **more)) == []


def test_managers_that_are_overridden_are_folded_by_the_beginning_of_their_name() -> None:
    foreign = entry("argocd-controller", "Apply", "y")

    assert folded(foreign, overridden=("argocd",)) == [f"{US} Apply y"]
    assert folded(foreign, overridden=("",)) == []
    assert folded(entry(US, "Apply", "x"), overridden=(US,)) == []


def test_marks_of_older_tools_go_and_only_from_the_object_that_was_seen() -> None:
    live = config(
        "a",
        annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "stays"},
        labels={"fluxcd.io/sync-gc-mark": "x"},
        resourceVersion="7",
    )

    annotation = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"
    assert adoption(live, US, ()) == [
        {"op": "remove", "path": annotation},
        {"op": "remove", "path": "/metadata/labels/fluxcd.io~1sync-gc-mark"},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
    ]


def test_what_was_written_in_other_versions_is_said_to_be_of_the_wanted_one() -> None:
    entries = [
        entry(US, "Apply", "x", apiVersion="a/v1beta1"),
        entry(US, "Apply", "y", apiVersion="a/v1"),
        entry("hpa", "Update", "z", apiVersion="a/v1beta1"),
        entry("hpa", "Update", "z", apiVersion="a/v1beta1", subresource="status"),
    ]
    live = config("a", managedFields=entries, resourceVersion="7")

    fields, version = migration(live, "a/v1")

    assert [entry_text(each) for each in fields["value"]] == [
        f"{US} Apply a/v1 x y",
        "hpa Update a/v1 z",
        "hpa Update a/v1 z status",
    ]
    assert version == {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}
    assert migration({"metadata": {"managedFields": fields["value"]}}, "a/v1") == []


def entry_text(each: Any) -> str:
    names = sorted(map(_name, each["fieldsV1"]["f:data"]))
    words = [each["manager"], each["operation"], each["apiVersion"], *names]
    return " ".join([*words, *([each["subresource"]] if "subresource" in each else [])])
