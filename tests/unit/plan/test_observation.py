from typing import Any

import pytest

from engine.objects.kstatus import Health, Status
from engine.objects.ref import Object, Ref
from engine.plan.observation import Observation, content_of, is_partial, observe
from engine.plan.projection import projected
from tests.support.build import config, made, marked, owned

MANAGER = "kustomize-controller"
DATA = {"f:data": {"f:a": {}}}


def managed(obj: Object, fields: Any, manager: str = MANAGER, **more: Any) -> dict[str, Any]:
    """The object with one more entry in its managedFields."""
    entry = {"manager": manager, "operation": "Apply", "fieldsV1": fields, **more}
    entries = [*(obj["metadata"].get("managedFields") or ()), entry]
    return {**obj, "metadata": {**obj["metadata"], "managedFields": entries}}


def seen(obj: Object) -> Observation:
    return observe(obj, MANAGER, (), 0.0)


def test_a_value_that_we_own_is_part_of_the_signature_and_a_foreign_one_is_not() -> None:
    before = managed(config("web", data={"a": "1", "b": "1"}), DATA)
    foreign = managed(config("web", data={"a": "1", "b": "2"}), DATA)
    ours = managed(config("web", data={"a": "2", "b": "1"}), DATA)

    assert seen(before).signature == seen(foreign).signature
    assert seen(before).signature != seen(ours).signature


def test_a_path_that_we_lost_changes_the_signature_though_no_value_did() -> None:
    obj = config("web", data={"a": "1"})

    assert seen(managed(obj, DATA)).signature != seen(managed(obj, {"f:data": {}})).signature


def test_what_is_absent_counts_as_a_value() -> None:
    there, gone = config("web", data={"a": ""}), config("web", data={})

    assert seen(managed(there, DATA)).signature != seen(managed(gone, DATA)).signature


def nested(levels: int, key: str, innermost: Any) -> Any:
    for _ in range(levels):
        innermost = {key: innermost}
    return innermost


@pytest.mark.parametrize("levels", [260, 500, 1_000])
def test_what_is_nested_deeper_than_a_manifest_may_be_is_seen_without_a_signature(
    levels: int,
) -> None:
    """CVE-2024-27454: a tenant could write it, in our name, with the labels of another one."""
    obj = made("Widget", "w", spec=nested(levels, "a", 1))

    found = seen(managed(obj, nested(levels, "f:a", {})))

    assert (found.signature, found.content) == (b"", b"")
    assert found.uid == obj["metadata"].get("uid", "")


def test_an_object_that_we_never_applied_has_no_signature() -> None:
    other = managed(config("web", data={"a": "1"}), DATA, manager="helm")
    status = managed(config("web", data={"a": "1"}), DATA, subresource="status")

    assert (seen(other).signature, seen(status).signature) == (b"", b"")


CONTAINERS = [{"name": "a", "image": "a:1", "tty": True}, {"name": "b", "image": "b:1"}]
BOTH = {
    'k:{"name":"a"}': {".": {}, "f:name": {}, "f:image": {}},
    'k:{"name":"b"}': {".": {}, "f:name": {}, "f:image": {}},
}


@pytest.mark.parametrize(
    ("value", "owned_paths", "wanted"),
    [
        (CONTAINERS, {'k:{"name":"b"}': {".": {}, "f:image": {}}}, [{"image": "b:1"}]),
        (
            list(reversed(CONTAINERS)),
            BOTH,
            [{"name": "b", "image": "b:1"}, {"name": "a", "image": "a:1"}],
        ),
        (["x", "y", "z"], {'v:"z"': {}, 'v:"x"': {}}, ["x", "z"]),
        ({"limits": {"cpu": "1"}}, {"f:limits": {}}, {"limits": {"cpu": "1"}}),
        ({"emptyDir": {"medium": ""}}, {"f:emptyDir": {".": {}}}, {"emptyDir": {}}),
        ([{"port": 80, "protocol": "TCP"}], {'k:{"port":80,"protocol":"TCP"}': {"f:port": {}}},
         [{"port": 80}]),
    ],
)  # fmt: skip
def test_only_owned_paths_are_compared_and_lists_keep_their_live_order(
    value: Any, owned_paths: Any, wanted: Any
) -> None:
    assert projected(value, owned_paths) == wanted


def test_what_we_own_and_nobody_holds_is_marked_as_absent() -> None:
    gone = projected({"containers": [CONTAINERS[0]]}, {"f:containers": BOTH})

    assert gone["containers"][0] == {"name": "a", "image": "a:1"}
    assert gone["containers"][1] not in CONTAINERS


def test_a_live_object_that_holds_just_what_is_desired_has_its_content() -> None:
    desired = owned(config("web", data={"a": "1", "none": None}))
    labels = {f"f:{label}": {} for label in desired["metadata"]["labels"]}
    live = {**desired, "data": {"a": "1", "theirs": "2"}}
    whole = managed(live, {"f:metadata": {"f:labels": labels}, "f:data": {"f:a": {}}})
    more = managed(
        live, {"f:metadata": {"f:labels": labels}, "f:data": {"f:a": {}, "f:theirs": {}}}
    )

    assert seen(whole).content == content_of(desired)
    assert seen(more).content != content_of(desired)  # Git dropped a field while nobody looked


def test_what_planning_reads_of_labels_and_annotations_is_kept() -> None:
    found = seen(owned(marked(config("web"), prune="Disabled")))

    assert found.owner == ("app", "flux")
    assert found.marks["labels"] == owned(config("web"))["metadata"]["labels"]
    assert found.marks["annotations"] == {"kustomize.toolkit.fluxcd.io/prune": "Disabled"}


@pytest.mark.parametrize("uid", ["", "u", "5F2b" * 9, "00000000-0000-4000-8000-0123456789ab"])
@pytest.mark.parametrize("version", [-1, 0, 7, 2**63 - 1])
@pytest.mark.parametrize(("signature", "content"), [(b"", b""), (b"s" * 16, b"c" * 16)])
def test_what_was_seen_is_given_back_as_it_was(
    uid: str, version: int, signature: bytes, content: bytes
) -> None:
    marks: Any = {"labels": {"a": "b"}, "annotations": {}}
    found = Observation(
        uid, version, signature, content, marks, Health(Status.CURRENT, ""), is_terminating=True
    )

    assert (found.uid, found.version) == (uid, version)
    assert (found.signature, found.content, found.marks) == (signature, content, marks)
    assert (found.is_adoptable, found.is_terminating) == (False, True)
    assert found.at(version) == found
    assert found.at(3).version == 3
    assert found.at(3).uid == uid


def test_the_partial_object_is_recognised_and_carries_identity() -> None:
    live = owned(config("web", uid="u", resourceVersion="7"))
    partial = seen(live).partial(Ref.of(live))

    assert is_partial(partial)
    assert not is_partial(live)
    assert (partial["metadata"]["uid"], partial["metadata"]["resourceVersion"]) == ("u", "7")


def test_health_marks_of_kubectl_and_an_end_that_has_begun_are_seen() -> None:
    live = config("web")
    edited = managed(live, {}, manager="kubectl-edit")
    ending = {**live, "metadata": {**live["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}

    assert seen(live).health.status is Status.CURRENT
    assert (seen(live).is_adoptable, seen(edited).is_adoptable) == (False, True)
    assert (seen(live).is_terminating, seen(ending).is_terminating) == (False, True)
