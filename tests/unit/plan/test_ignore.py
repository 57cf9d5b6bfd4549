from typing import Any

import pytest

from engine.api.applier import IgnoreRule, Selector
from engine.errors import ReconciliationFailed
from engine.objects.ref import Ref
from engine.plan.ignore import Ignored, ignored_fields, spared, yielded
from engine.plan.policy import Owner, labelled
from tests.support.build import config, made

REPLICAS = ("spec", "replicas")
OWNER = Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux", "app")
WEB = Ref("apps", "Deployment", "ns", "web")
OURS = {
    "f:metadata": {"f:labels": {"f:app": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:containers": {
            'k:{"name":"main"}': {".": {}, "f:name": {}, "f:resources": {"f:cpu": {}}}
        },
    },
}


def web(**spec: Any) -> dict[str, Any]:
    return made("Deployment", "web", api_version="apps/v1", spec=spec)


def entry(fields: Any, manager: str, operation: str = "Apply") -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsV1": fields}


def live(spec: Any, *entries: dict[str, Any], ours: Any = OURS) -> dict[str, Any]:
    obj = web(**spec)
    metadata = {"resourceVersion": "7", "managedFields": [entry(ours, "us"), *entries]}
    return {**obj, "metadata": {**obj["metadata"], **metadata}}


def rule(*paths: str, **target: str) -> IgnoreRule:
    return IgnoreRule(paths=paths, target=Selector(**target) if target else None)


def matched(**target: str) -> list[str]:
    labelled = {**web(), "metadata": {**web()["metadata"], "labels": {"tier": "web"}}}
    annotated = {**config("b"), "metadata": {**config("b")["metadata"], "annotations": {"x": "y"}}}
    objects = [labelled, config("a"), annotated]
    return [ref.name for ref in ignored_fields([rule("/a", **target)], objects)]


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ({}, ["web", "a", "b"]),
        ({"kind": "Deployment"}, ["web"]),
        ({"kind": "Deploy"}, []),
        ({"kind": "Deploy.*|ConfigMap", "name": "[ab]"}, ["a", "b"]),
        ({"group": "apps", "version": "v1", "namespace": "ns"}, ["web"]),
        ({"label_selector": "tier in (web,db)"}, ["web"]),
        ({"annotation_selector": "x=y"}, ["b"]),
    ],
)
def test_a_rule_is_for_the_objects_that_match_all_parts_of_its_target(
    target: dict[str, str], wanted: list[str]
) -> None:
    assert matched(**target) == wanted


@pytest.mark.parametrize(
    ("bad", "where"),
    [
        (rule("spec/replicas"), r"spec.ignore\[0\].paths: 'spec/replicas' is not a JSON pointer"),
        (rule("/a", name="("), r"spec.ignore\[0\].target.name: '\(' is not a regular expression"),
        (rule("/a", label_selector="a in"), r"spec.ignore\[0\].target.labelSelector: unable"),
    ],
)
def test_a_rule_that_makes_no_sense_is_named(bad: IgnoreRule, where: str) -> None:
    with pytest.raises(ReconciliationFailed, match=where):
        ignored_fields([bad], [web()])


def test_pointers_are_unescaped_and_counted_once() -> None:
    rules = [rule("/metadata/annotations/a~1b~0c"), rule("/metadata/annotations/a~1b~0c", name="a")]

    assert ignored_fields(rules, [config("a")]) == {
        Ref("", "ConfigMap", "ns", "a"): (("metadata", "annotations", "a/b~c"),)
    }


def test_only_an_object_whose_pointers_changed_is_to_be_looked_at_anew() -> None:
    ignored, own = Ignored(), labelled(web(), Owner("app", "flux"))

    assert ignored.set(OWNER, {WEB: (REPLICAS,)}) == {WEB}
    assert ignored.set(OWNER, {WEB: (REPLICAS,)}) == frozenset()
    assert ignored.of(own) == (REPLICAS,)
    assert ignored.set(OWNER, {}) == {WEB}
    assert ignored.of(own) == ()


def test_nobody_has_fields_of_another_ones_object_ignored() -> None:
    ignored, own = Ignored(), labelled(web(), Owner("app", "flux"))
    other = Ref(OWNER.group, OWNER.kind, "elsewhere", "app")
    ignored.set(OWNER, {WEB: (REPLICAS,)})
    ignored.set(other, {WEB: (("spec", "template"),)})
    assert ignored.of(own) == (REPLICAS,)
    ignored.set(other, {})

    assert ignored.of(own) == (REPLICAS,)
    assert ignored.of(labelled(web(), Owner("app", "elsewhere"))) == ()


def test_ignored_fields_are_taken_out_of_those_that_count() -> None:
    obj = live({"replicas": 2, "containers": [{"name": "side"}, {"name": "main"}]})
    resources = ("spec", "containers", "1", "resources")

    assert spared(OURS, obj, [REPLICAS, resources]) == {
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {"f:containers": {'k:{"name":"main"}': {".": {}, "f:name": {}}}},
    }
    assert spared(OURS, obj, [("spec", "containers", "0", "name"), ("data", "x")]) == OURS
    assert spared(OURS, obj, [("metadata", "labels", "app"), ("spec",)]) == {}


def test_the_live_value_is_sent_while_we_are_its_only_owner() -> None:
    updated = entry({"f:spec": {"f:replicas": {}}}, "hpa", "Update")

    body = yielded(web(replicas=1, paused=True), live({"replicas": 7}, updated), [REPLICAS], "us")

    assert body["spec"] == {"replicas": 7, "paused": True}
    assert body["metadata"]["resourceVersion"] == "7"


def test_a_field_that_another_manager_applies_is_left_out() -> None:
    applied = entry({"f:spec": {"f:replicas": {}}}, "hpa")

    body = yielded(web(replicas=1, paused=True), live({"replicas": 7}, applied), [REPLICAS], "us")

    assert body["spec"] == {"paused": True}


def test_a_field_that_left_git_stays_while_it_is_ignored_and_ours() -> None:
    assert yielded(web(), live({"replicas": 7}), [REPLICAS], "us")["spec"] == {"replicas": 7}
    foreign = live({"replicas": 7}, ours={"f:spec": {"f:paused": {}}})
    assert yielded(web(), foreign, [REPLICAS], "us")["spec"] == {}


def test_a_field_that_is_not_live_is_not_brought_back() -> None:
    assert yielded(web(replicas=1), live({}), [REPLICAS], "us")["spec"] == {}


def test_an_item_of_a_list_is_found_by_its_name_wherever_it_stands() -> None:
    pointer = ("spec", "containers", "1", "resources")
    there = live({"containers": [{"name": "side"}, {"name": "main", "resources": {"cpu": "2"}}]})
    desired = web(containers=[{"name": "main", "resources": {"cpu": "1"}}, {"name": "new"}])

    assert yielded(desired, there, [pointer], "us")["spec"]["containers"] == [
        {"name": "main", "resources": {"cpu": "2"}},
        {"name": "new"},
    ]


def test_an_item_of_another_owner_changes_nothing_of_ours() -> None:
    pointer = ("spec", "containers", "0", "resources")
    there = live({"containers": [{"name": "side", "resources": {"cpu": "9"}}, {"name": "main"}]})
    desired = web(containers=[{"name": "main", "resources": {"cpu": "1"}}])
    body = yielded(desired, there, [pointer], "us")

    assert body["spec"] == {"containers": [{"name": "main", "resources": {"cpu": "1"}}]}


def test_whatever_the_pointers_say_it_stays_the_same_object_of_its_owner() -> None:
    label = "kustomize.toolkit.fluxcd.io/name"
    desired = {**web(), "metadata": {**web()["metadata"], "labels": {label: "app", "a": "b"}}}
    theirs = entry({"f:metadata": {"f:name": {}, "f:labels": {"f:a": {}}}, "f:kind": {}}, "they")

    body = yielded(desired, live({}, theirs), [("metadata",), ("kind",), ("apiVersion",)], "us")

    assert body["kind"] == "Deployment"
    assert body["metadata"] == {
        "name": "web",
        "namespace": "ns",
        "labels": {label: "app"},
        "resourceVersion": "7",
    }


def test_more_rules_than_can_be_looked_through_in_a_turn_are_refused() -> None:
    objects = [config(f"a{number}") for number in range(1000)]

    with pytest.raises(ReconciliationFailed, match="too many for 1000 objects"):
        ignored_fields([rule("/data/a")] * 300, objects)
    assert len(ignored_fields([rule("/data/a")] * 100, objects)) == 1000


def test_targets_of_a_megabyte_are_refused() -> None:
    long = rule("/data/a", label_selector=",".join(f"a{number}=b" for number in range(20_000)))

    with pytest.raises(ReconciliationFailed, match="more than 64 KiB of text in all"):
        ignored_fields([long], [config("a")])
