from typing import Any

import pytest

from engine.apiserver.errors import Refused
from engine.apiserver.ownership.entries import BadManagedFields
from engine.apiserver.ownership.managers import Conflict, Writer, apply, settled, update
from engine.apiserver.typed.openapi import from_openapi
from engine.apiserver.typed.schema import TypeMismatch
from engine.apiserver.typed.type import DEDUCED, Type
from engine.objects.fields import FieldSet

STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
TYPE = from_openapi({"properties": {"data": STRINGS, "status": STRINGS}}, {}.__getitem__)
STATUS = FieldSet.of([("f:status",)])


def config_map(annotations: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    metadata = {"name": "a", "namespace": "b"}
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def stored(obj: dict[str, Any], uid: str = "u") -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], "uid": uid, "resourceVersion": "1"}}


def by(manager: str, second: int = 0, subresource: str = "") -> Writer:
    return Writer(manager, f"2026-01-01T00:00:{second:02}Z", subresource)


def entries(obj: Any) -> list[tuple[str, ...]]:
    """manager, operation, second and owned data of each entry."""
    return [
        (e["manager"], e["operation"], e["time"][-3:-1], " ".join(e["fieldsV1"]["f:data"]))
        for e in obj["metadata"].get("managedFields", [])
    ]


def test_an_applied_object_tells_its_applier_in_the_api_servers_form():
    obj = apply(None, config_map(a="1"), TYPE, by("kustomize-controller"))

    assert obj["metadata"]["managedFields"] == [
        {
            "manager": "kustomize-controller",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:a": {}}},
        }
    ]


def test_a_created_object_is_its_creators():
    obj = update(None, config_map(a="1"), TYPE, by(""))

    assert entries(obj) == [("unknown", "Update", "00", ". f:a")]


def test_what_even_an_empty_object_has_is_not_its_creators():
    blank = Type(TYPE.schema, TYPE.ref, {"data": {}})

    assert entries(update(None, config_map(a="1"), blank, by("me")))[0][3] == "f:a"


def test_applying_the_same_again_changes_nothing():
    live = stored(apply(None, config_map(a="1"), TYPE, by("me")))

    assert apply(live, config_map(a="1"), TYPE, by("me", 9)) == live


def test_time_moves_when_a_value_changes():
    live = stored(apply(None, config_map(a="1"), TYPE, by("me")))

    obj = apply(live, config_map(b="1"), TYPE, by("me", 9))

    assert (obj["data"], entries(obj)) == ({"b": "1"}, [("me", "Apply", "09", "f:b")])


def test_the_inputs_are_never_changed_and_nothing_is_shared_with_the_result():
    live = stored(apply(None, config_map(a="1"), TYPE, by("me")))
    patch = config_map(b="1")
    obj = apply(live, patch, TYPE, by("you"))
    obj["data"]["c"] = "changed by the caller"

    assert live["data"] == {"a": "1"}
    assert patch == config_map(b="1")


def test_a_conflict_is_worded_as_by_the_api_server():
    live = stored(update(None, config_map(a="1"), TYPE, by("kubectl")))

    with pytest.raises(Conflict) as caught:
        apply(live, config_map(a="2"), TYPE, by("me"))

    assert caught.value.status() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'Apply failed with 1 conflict: conflict with "kubectl" using v1: .data.a',
        "reason": "Conflict",
        "details": {
            "causes": [
                {
                    "reason": "FieldManagerConflict",
                    "message": 'conflict with "kubectl" using v1',
                    "field": ".data.a",
                }
            ]
        },
        "code": 409,
    }


def test_several_conflicts_are_listed_by_manager():
    live = stored(apply(None, config_map(a="1", b="1"), TYPE, by("x")))
    live = update(live, config_map(a="1", b="1", c="1"), TYPE, by("y", 0, "status"))

    with pytest.raises(Conflict) as caught:
        apply(stored(live), config_map(a="2", b="2", c="2"), TYPE, by("me"))

    assert str(caught.value) == (
        'Apply failed with 3 conflicts: conflicts with "x":\n- .data.a\n- .data.b\n'
        'conflicts with "y" with subresource "status" using v1:\n- .data.c'
    )


def test_force_takes_the_field_from_its_owner():
    live = stored(update(None, config_map(a="1"), TYPE, by("kubectl")))

    obj = apply(live, config_map(a="2"), TYPE, by("me", 1), force=True)

    assert entries(obj) == [("me", "Apply", "01", "f:a"), ("kubectl", "Update", "00", "")]


def test_an_object_without_entries_is_first_given_one_for_all_it_has():
    obj = apply(stored(config_map(a="1", b="1")), config_map(a="1", c="1"), TYPE, by("me"))

    assert entries(obj) == [
        ("me", "Apply", "00", "f:a f:c"),
        ("before-first-apply", "Update", "00", ". f:a f:b"),
    ]


def test_an_object_that_lost_its_entries_is_not_tracked_by_updates():
    obj = update(stored(config_map(a="1")), stored(config_map(a="2")), TYPE, by("me"))

    assert "managedFields" not in obj["metadata"]


@pytest.mark.parametrize("reset", [[], [{}]])
def test_an_update_may_clear_the_entries(reset):
    live = stored(apply(None, config_map(a="1"), TYPE, by("me")))
    new = {**live, "metadata": {**live["metadata"], "managedFields": reset}}

    assert "managedFields" not in update(live, new, TYPE, by("me"))["metadata"]


def test_a_client_that_forgets_the_entries_does_not_delete_them():
    live = stored(apply(None, config_map(a="1"), TYPE, by("me")))

    obj = update(live, stored(config_map(a="1", b="2")), TYPE, by("you", 1))

    assert entries(obj) == [("me", "Apply", "00", "f:a"), ("you", "Update", "01", "f:b")]


def test_a_client_may_write_the_entries_but_not_through_a_subresource():
    live = stored(apply(None, config_map(a="1"), TYPE, by("me")))
    renamed = [{**live["metadata"]["managedFields"][0], "manager": "other"}]
    new = {**live, "metadata": {**live["metadata"], "managedFields": renamed}}

    assert entries(update(live, new, TYPE, by("x"))) == [("other", "Apply", "00", "f:a")]
    assert entries(update(live, new, TYPE, by("x", 0, "status"))) == entries(live)


def test_updates_of_one_manager_are_joined_in_one_entry():
    live = stored(update(None, config_map(a="1", b="1"), TYPE, by("me")))

    obj = update(live, stored(config_map(a="2", b="1", c="1")), TYPE, by("me", 1))

    assert entries(obj) == [("me", "Update", "01", ". f:a f:b f:c")]


def test_an_update_that_changes_nothing_moves_no_time():
    live = stored(update(None, config_map(a="1"), TYPE, by("me")))

    assert update(live, live, TYPE, by("me", 5)) == live


def test_an_update_that_does_not_conform_keeps_the_entries():
    live = stored(apply(None, config_map(a="1"), TYPE, by("me")))

    obj = update(live, {**live, "odd": 1}, TYPE, by("you"))

    assert (obj["odd"], entries(obj)) == (1, entries(live))


def test_the_oldest_updaters_beyond_ten_are_joined():
    live = stored(update(None, config_map(k0="1"), TYPE, by("m0")))
    for i in range(1, 12):
        live = update(live, {**live, "data": {**live["data"], f"k{i}": "1"}}, TYPE, by(f"m{i}", i))

    found = entries(live)

    assert len(found) == 10
    assert found[0] == ("ancient-changes", "Update", "02", ". f:k0 f:k1 f:k2")
    assert found[1] == ("m3", "Update", "03", "f:k3")


def test_a_status_writer_owns_no_spec_and_a_spec_writer_no_status():
    live = stored(apply(None, {**config_map(a="1"), "status": {"x": "1"}}, TYPE,
                        Writer("me", "2026-01-01T00:00:00Z", ignored=STATUS)))  # fmt: skip

    obj = update(live, {**live, "status": {"x": "2"}}, TYPE, by("you", 1, "status"))

    assert live["metadata"]["managedFields"][0]["fieldsV1"] == {"f:data": {"f:a": {}}}
    assert obj["metadata"]["managedFields"][1]["subresource"] == "status"
    assert obj["metadata"]["managedFields"][1]["fieldsV1"] == {"f:status": {"f:x": {}}}


def test_an_applier_keeps_its_entry_across_versions():
    live = {**stored(apply(None, config_map(a="1"), DEDUCED, by("me"))), "apiVersion": "v2"}

    obj = apply(live, {**config_map(a="2"), "apiVersion": "v2"}, DEDUCED, by("me", 1))

    assert [e["apiVersion"] for e in obj["metadata"]["managedFields"]] == ["v2"]


def test_a_write_that_only_moves_times_settles_as_live():
    live = stored(apply(None, config_map(a="1"), TYPE, by("me")))
    later = [{**live["metadata"]["managedFields"][0], "time": "2027-01-01T00:00:00Z"}]
    new = {**live, "metadata": {**live["metadata"], "managedFields": later}}

    assert settled(live, new) == live
    assert settled(live, {**new, "data": {}})["metadata"]["managedFields"] == later
    assert settled(None, new) is new


def test_kubectl_may_take_what_it_once_applied_on_its_own_side():
    last = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"1"}}'
    name = "kubectl.kubernetes.io/last-applied-configuration"
    live = stored(update(None, config_map({name: last}, a="1", b="1"), TYPE, by("csa")))

    obj = apply(live, config_map(a="2"), TYPE, by("kubectl"))
    with pytest.raises(Conflict) as caught:
        apply(live, config_map(a="2", b="2"), TYPE, by("kubectl"))

    assert obj["data"] == {"a": "2", "b": "1"}
    assert '"data":{"a":"2"}' in obj["metadata"]["annotations"][name]
    assert caught.value.by == [("csa", ".data.b")]


def test_a_patch_must_not_bring_entries_nor_another_version():
    live = stored(config_map(a="1"))
    with pytest.raises(Refused, match="managedFields must be nil"):
        apply(None, {**live, "metadata": {"name": "a", "managedFields": []}}, TYPE, by("me"))

    with pytest.raises(Refused, match="Specified patch version: v2, expected: v1"):
        apply(live, {**config_map(), "apiVersion": "v2"}, TYPE, by("me"))


def test_a_patch_must_conform_to_its_type():
    with pytest.raises(TypeMismatch, match=r"^\.data\.a: expected string, got 1$"):
        apply(None, {**config_map(), "data": {"a": 1}}, TYPE, by("me"))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"operation": "Patch"}, "operation must be"),
        ({"apiVersion": ""}, "apiVersion must not be empty"),
        ({"fieldsType": ""}, "missing fieldsType in managed fields entry 0"),
        ({"fieldsType": "V2"}, 'invalid fieldsType "V2" in managed fields entry 0'),
        ({"fieldsV1": {"a": {}}}, "entry 0: field path element 'a'"),
    ],
)
def test_bad_entries_stop_an_apply(change, problem):
    live = stored(apply(None, config_map(a="1"), TYPE, by("me")))
    live["metadata"]["managedFields"][0].update(change)

    with pytest.raises(BadManagedFields, match=problem):
        apply(live, config_map(a="1"), TYPE, by("me"))
