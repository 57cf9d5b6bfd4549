from collections.abc import Mapping, Sequence

import pytest

from engine.apply import apply
from engine.cluster import Conflict, Forbidden, Invalid, LeaseLost
from engine.cluster.errors import Cause
from engine.errors import ReconciliationFailed
from engine.objects.ref import Ref
from tests.support.build import config, made, marked, owned
from tests.support.executing import applied, executor, plan_for
from tests.support.memory_client import MemoryClient, invalid, kind


async def test_what_is_missing_is_created_and_what_drifted_is_configured() -> None:
    client = MemoryClient(config("b", data={"x": "edited"}))

    changes = await applied(client, config("a"), config("b", data={"x": "1"}))

    assert str(changes) == "ConfigMap/ns/a created\nConfigMap/ns/b configured"
    assert client.objects[Ref("", "ConfigMap", "ns", "b")]["data"] == {"x": "1"}


async def test_a_second_run_writes_nothing() -> None:
    client = MemoryClient()
    await applied(client, config("a", data={"x": "1"}))
    client.calls.clear()

    changes = await applied(client, config("a", data={"x": "1"}))

    assert str(changes) == "ConfigMap/ns/a unchanged"
    assert client.writes() == []


async def test_a_group_is_validated_before_any_of_it_is_written() -> None:
    client = MemoryClient(config("a"), config("b"))
    client.refuse("dry-run ConfigMap/ns/b", invalid("data: wrong"))

    with pytest.raises(ReconciliationFailed) as refusal:
        await applied(client, config("a", data={"x": "1"}), config("b"), config("c"))

    assert refusal.value.message == "ConfigMap/ns/b dry-run failed (Invalid): data: wrong"
    assert client.writes() == []


async def test_a_refused_field_is_told_with_its_own_place() -> None:
    client, asked = MemoryClient(), []
    error = Invalid(422, "Invalid", "data.x: wrong", (Cause("data.x", "FieldValueInvalid", ""),))
    client.refuse("apply ConfigMap/ns/a", error)
    client.refuse("apply ConfigMap/ns/b", invalid("data: wrong"))

    async def places(fields: Mapping[Ref, Sequence[str]]) -> Mapping[Ref, Mapping[str, str]]:
        asked.append(fields)
        return {ref: dict.fromkeys(paths, "patch.yaml:7") for ref, paths in fields.items()}

    origins = {Ref("", "ConfigMap", "ns", name): f"{name}.yaml:1" for name in "ab"}
    with pytest.raises(ReconciliationFailed) as refusal:
        await apply(
            plan_for(client, config("a", data={"x": "1"}), config("b")),
            executor(client, places=places, origins=origins),
        )

    assert refusal.value.message.splitlines() == [
        "ConfigMap/ns/a apply failed (Invalid): data.x: wrong (patch.yaml:7: data.x)",
        "ConfigMap/ns/b apply failed (Invalid): data: wrong (b.yaml:1)",
    ]
    assert asked == [{Ref("", "ConfigMap", "ns", "a"): (".data.x",)}]


async def test_all_refusals_are_told_together_with_what_was_done() -> None:
    client = MemoryClient()
    for name in "bc":
        client.refuse(f"apply ConfigMap/ns/{name}", Forbidden(403, "Forbidden", "no"))

    with pytest.raises(ReconciliationFailed) as refusal:
        await applied(client, config("a"), config("b"), config("c"))

    lines = refusal.value.message.splitlines()
    assert [line[:15] for line in lines] == [
        "ConfigMap/ns/b ",
        "ConfigMap/ns/c ",
        "ConfigMap/ns/a ",
    ]
    assert lines[2] == "ConfigMap/ns/a created"


async def test_namespaces_come_before_what_they_hold() -> None:
    client = MemoryClient()

    await applied(client, config("a"), made("Namespace", "ns", "", status={"phase": "Active"}))

    assert client.writes() == ["apply Namespace/ns", "apply ConfigMap/ns/a"]


async def test_an_object_deleted_since_the_plan_is_created() -> None:
    client = MemoryClient(config("a"))
    plan = plan_for(client, config("a"))
    client.objects.clear()

    assert str(await apply(plan, executor(client))) == "ConfigMap/ns/a created"


async def test_an_object_made_anew_between_dry_run_and_apply_is_applied_all_the_same() -> None:
    client = MemoryClient(config("a"))
    client.before("apply ConfigMap/ns/a", lambda: client.objects.update({Ref.of(new): dict(new)}))
    new = config("a", uid="other", resourceVersion="99")

    changes = await applied(client, config("a", data={"x": "1"}))

    assert str(changes) == "ConfigMap/ns/a configured"
    assert client.objects[Ref.of(new)]["data"] == {"x": "1"}
    assert client.objects[Ref.of(new)]["metadata"]["uid"] == "other"


async def test_a_conflict_that_never_ends_is_told() -> None:
    client = MemoryClient(config("a"))
    client.refuse("dry-run ConfigMap/ns/a", *[Conflict(409, "Conflict", "again")] * 9)

    with pytest.raises(ReconciliationFailed, match=r"dry-run failed \(Conflict\): again"):
        await applied(client, config("a"))


async def test_a_lost_lease_ends_everything() -> None:
    client = MemoryClient()
    client.refuse("apply ConfigMap/ns/a", LeaseLost("gone"))

    with pytest.raises(LeaseLost):
        await applied(client, config("a"), config("b"))


async def test_what_is_to_be_skipped_is_not_even_looked_at() -> None:
    client = MemoryClient(config("a", data={"mine": "1"}))

    changes = await applied(client, marked(config("a"), ssa="IfNotPresent"))

    assert str(changes) == "ConfigMap/ns/a skipped"
    assert client.calls == []


async def test_kubectls_marks_are_cleaned_first_unless_the_object_is_merged() -> None:
    last = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    one, other = config("a", annotations=last), config("b", annotations=last)
    client = MemoryClient(one, other)

    await applied(client, config("a"), marked(config("b"), ssa="Merge"))

    assert [call for call in client.calls if call.startswith("json-patch")] == [
        "json-patch ConfigMap/ns/a"
    ]


async def test_an_object_without_the_namespace_that_its_kind_wants_is_refused() -> None:
    with pytest.raises(ReconciliationFailed, match="ConfigMap/a namespace not specified"):
        await applied(MemoryClient(), made("ConfigMap", "a", ""))


async def test_a_kind_that_nobody_serves_is_refused() -> None:
    with pytest.raises(ReconciliationFailed, match="Widget/ns/w dry-run failed: no kind 'Widget'"):
        await applied(MemoryClient(), made("Widget", "w", api_version="example.com/v1"))


DEFINITION = made(
    "CustomResourceDefinition",
    "widgets.example.com",
    "",
    api_version="apiextensions.k8s.io/v1",
    spec={
        "group": "example.com",
        "names": {"kind": "Widget"},
        "versions": [{"name": "v1", "served": True}, {"name": "v0", "served": False}],
    },
    status={"conditions": [{"type": "Established", "status": "True"}]},
)


async def test_custom_objects_wait_until_their_kind_is_served() -> None:
    client = MemoryClient()
    widgets = kind("example.com/v1", "Widget", "widgets")
    client.before(
        "get CustomResourceDefinition/widgets.example.com",
        lambda: client.kinds.update({("example.com", "Widget"): widgets}),
    )

    changes = await applied(client, made("Widget", "w", api_version="example.com/v1"), DEFINITION)

    assert str(changes) == (
        "CustomResourceDefinition/widgets.example.com created\nWidget/ns/w created"
    )
    assert client.invalidated > 0


async def test_a_definition_that_is_never_served_is_told() -> None:
    with pytest.raises(ReconciliationFailed, match="does not serve the kind yet"):
        await applied(MemoryClient(), DEFINITION)


async def test_an_unchanged_definition_costs_no_new_discovery() -> None:
    widgets = kind("example.com/v1", "Widget", "widgets")
    client = MemoryClient(kinds=[widgets])
    await applied(client, DEFINITION)
    client.invalidated = 0

    await applied(client, DEFINITION)

    assert client.invalidated == 0


async def test_a_namespace_that_is_not_ready_in_time_is_told() -> None:
    doomed = made("Namespace", "ns", "", status={"phase": "Terminating"})
    doomed["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    client = MemoryClient(owned(doomed))

    with pytest.raises(ReconciliationFailed, match="Namespace/ns is not ready after 60s"):
        await applied(client, made("Namespace", "ns", ""), config("a"))


async def test_fields_whose_writer_the_api_server_forgot_are_ours_again_at_once() -> None:
    """An upgrade of a definition clears managedFields; what Git dropped would stay for ever."""
    client = MemoryClient(owned(config("a", data={"x": "1", "dropped": "2"})))
    live = client.objects[Ref("", "ConfigMap", "ns", "a")]
    fields = {"f:data": {"f:x": {}, "f:dropped": {}}}
    forgotten = {"manager": "before-first-apply", "operation": "Update", "fieldsV1": fields}
    plan = plan_for(client, config("a", data={"x": "2"}))

    def forget() -> None:
        live["metadata"]["managedFields"] = [forgotten]

    client.before("apply ConfigMap/ns/a", forget)
    await apply(plan, executor(client))

    assert client.writes() == [
        f"{verb} ConfigMap/ns/a" for verb in ("apply", "json-patch", "apply")
    ]
    entries = client.objects[Ref("", "ConfigMap", "ns", "a")]["metadata"]["managedFields"]
    assert [entry["manager"] for entry in entries] == ["kustomize-controller"]
