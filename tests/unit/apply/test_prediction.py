"""What a plan would do, on a cluster in memory; `tests/cluster/test_diff.py` has the real thing."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from engine.apply.prediction import Oracle, Prospect, predict
from engine.cluster.errors import ApiError, Cause, Forbidden, Invalid, NotFound
from engine.objects.ref import Ref
from engine.plan import Plan, View, make_plan
from engine.plan.policy import Policy
from tests.support.build import OWNER, config, made, marked, owned
from tests.support.executing import MANAGER, applied, plan_for
from tests.support.memory_client import MemoryClient, invalid
from tests.support.memory_client import kind as kind_of_memory


async def foretold(client: MemoryClient, plan: Plan, **more: Any) -> list[str]:
    oracle = Oracle(client.as_client(), MANAGER, (), 1, **more)
    found = [str(each) for each in await predict(plan, oracle)]
    assert client.writes() == [], "a prediction writes nothing"
    return found


async def test_each_change_is_foretold_and_nothing_is_written() -> None:
    client = MemoryClient(
        owned(config("same", x="1")), owned(config("old")), config("other", x="1")
    )
    plan = plan_for(
        client,
        config("new"),
        config("other", x="2"),
        owns=(config("old"), config("gone")),
    )

    assert await foretold(client, plan) == [
        "ConfigMap/ns/new created",
        "ConfigMap/ns/other configured",
        "ConfigMap/ns/old deleted",
        "ConfigMap/ns/gone kept (it is gone)",
    ]


async def test_what_the_api_server_refuses_does_not_hide_the_rest() -> None:
    client = MemoryClient()
    client.refuse("dry-run ConfigMap/ns/a", invalid("data: Invalid value"))
    plan = plan_for(client, config("a"), config("b"))

    assert await foretold(client, plan) == [
        "ConfigMap/ns/a refused (ConfigMap/ns/a dry-run failed (Invalid): data: Invalid value)",
        "ConfigMap/ns/b created",
    ]


async def test_what_may_not_be_deleted_is_foretold() -> None:
    client = MemoryClient(owned(config("old")), owned(config("odd")), owned(config("hook")))
    client.refuse("try-delete ConfigMap/ns/old", Forbidden(403, "Forbidden", "no right"))
    unasked = ApiError(400, "BadRequest", 'admission webhook "x" does not support dry run')
    client.refuse("try-delete ConfigMap/ns/hook", unasked)
    plan = plan_for(client, owns=(config("old"), config("odd"), config("hook")))

    assert await foretold(client, plan) == [
        "ConfigMap/ns/old refused (ConfigMap/ns/old delete failed (Forbidden): no right; grant the "
        "missing rule to the service account that applies)",
        "ConfigMap/ns/odd deleted",
        "ConfigMap/ns/hook deleted",
    ]


async def test_what_comes_with_its_namespace_or_definition_is_not_checked_yet() -> None:
    client = MemoryClient()
    error = NotFound(404, "NotFound", 'namespaces "ns" not found')
    client.refuse("dry-run ConfigMap/ns/a", error)
    names = {"kind": "Widget"}
    spec = {"group": "x.io", "names": names, "scope": "Namespaced"}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.x.io"},
        "spec": spec,
    }
    widget = {
        "apiVersion": "x.io/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": "ns"},
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}}
    client.put({**widget, "metadata": {"name": "old", "namespace": "ns"}})  # in an older version
    old = made("Widget", "old", api_version="x.io/v1")
    plan = plan_for(client, config("a"), namespace, definition, widget, old)
    found = await foretold(client, plan)

    assert "Widget/ns/old configured (not checked yet: its definition comes with it)" in found
    assert "ConfigMap/ns/a created (not checked yet: Namespace/ns comes with it)" in found
    assert "Widget/ns/w created (not checked yet: its definition comes with it)" in found


def redefined_widgets() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """(a definition as it is, as it is to be, an object of its kind)."""
    spec = {"group": "x.io", "names": {"kind": "Widget"}, "scope": "Namespaced"}
    kind, version = "CustomResourceDefinition", "apiextensions.k8s.io/v1"
    old = made(kind, "widgets.x.io", "", api_version=version, spec=spec)
    new = {**old, "spec": {**spec, "versions": [{"name": "v1"}]}}
    return old, new, made("Widget", "w", api_version="x.io/v1", spec={"new": 1})


async def test_what_a_changed_definition_may_allow_is_not_refused_yet() -> None:
    old, new, widget = redefined_widgets()
    client = MemoryClient(owned(old), kinds=[kind_of_memory("x.io/v1", "Widget", "widgets")])
    refusal = ApiError(500, "InternalError", ".spec.new: field not declared in schema")
    client.refuse("dry-run Widget/ns/w", refusal, refusal)

    changed = await foretold(client, plan_for(client, new, widget))
    same = await foretold(client, plan_for(client, old, widget))

    assert "Widget/ns/w created (as its definition is now: that changes with it)" in changed
    assert any(line.startswith("Widget/ns/w refused") for line in same)


async def test_a_changed_definition_hides_no_missing_right() -> None:
    old, new, widget = redefined_widgets()
    client = MemoryClient(owned(old), kinds=[kind_of_memory("x.io/v1", "Widget", "widgets")])
    client.refuse("dry-run Widget/ns/w", Forbidden(403, "Forbidden", "no right"))

    told = await foretold(client, plan_for(client, new, widget))

    assert any(line.startswith("Widget/ns/w refused") for line in told)


async def test_a_definition_that_is_left_as_it_is_promises_nothing() -> None:
    old, new, widget = redefined_widgets()
    client = MemoryClient(owned(old), kinds=[kind_of_memory("x.io/v1", "Widget", "widgets")])
    refusal = ApiError(500, "InternalError", ".spec.new: field not declared in schema")
    client.refuse("dry-run Widget/ns/w", refusal)
    left = marked(new, reconcile="disabled")

    told = await foretold(client, plan_for(client, left, widget))

    assert any(line.startswith("Widget/ns/w refused") for line in told)


@pytest.mark.parametrize(("version", "what"), [("v1", "refused"), ("v0", "configured")])
async def test_an_unknown_field_is_refused_unless_an_old_version_may_be_why(
    version: str, what: str
) -> None:
    wrote = {"manager": MANAGER, "operation": "Apply", "apiVersion": version, "fieldsV1": {}}
    client = MemoryClient(owned(config("a", managedFields=[wrote], x="1")))
    refusal = ApiError(500, "InternalError", ".typo: field not declared in schema")
    client.refuse("dry-run ConfigMap/ns/a", refusal)

    (told,) = await foretold(client, plan_for(client, config("a", typo="1")))

    assert told.startswith(f"ConfigMap/ns/a {what}")


async def test_drift_that_is_only_told_stays() -> None:
    drifted, well = config("drifted", data={"x": "1"}), config("well", data={"x": "1"})
    client = MemoryClient()
    await applied(client, drifted, well)
    client.calls.clear()
    client.put({**client.objects[Ref.of(drifted)], "data": {"x": "2"}})
    desired = [owned(drifted), owned(well)]
    view = View(dict(client.objects), warned=frozenset(map(Ref.of, desired)))

    assert await foretold(client, make_plan(desired, view, {}, Policy(OWNER))) == [
        "ConfigMap/ns/drifted skipped (its drift is left as it is, because of the annotation "
        "gitops.lockstep/drift)",
        "ConfigMap/ns/well unchanged",
    ]


async def test_what_cannot_be_changed_in_place_is_recreated_if_that_is_allowed() -> None:
    live = owned(made("Pod", "a", spec={"x": 1}))
    client = MemoryClient(live)
    call = f"dry-run Pod/{live['metadata']['namespace']}/a"
    refusal = invalid("spec.x: Invalid value: field is immutable")
    client.refuse(call, refusal, refusal)
    wanted = made("Pod", "a", spec={"x": 2})
    (forced,) = await predict(
        plan_for(client, wanted, force=True), Oracle(client.as_client(), MANAGER, (), 1)
    )
    (refused,) = await predict(plan_for(client, wanted), Oracle(client.as_client(), MANAGER, (), 1))

    assert (forced.prospect, refused.prospect) == (Prospect.RECREATED, Prospect.REFUSED)
    assert [each.path for each in forced.differences] == [".spec.x"]
    assert client.writes() == []


async def test_a_quota_that_has_no_room_for_both_does_not_stop_a_replacement() -> None:
    live = owned(made("Pod", "a", spec={"x": 1}))
    refusal = invalid("spec.x: Invalid value: field is immutable")
    full, forbidden = (
        Forbidden(403, "Forbidden", text) for text in ("exceeded quota: pods=1", "no right")
    )
    client = MemoryClient(live)
    client.refuse("dry-run Pod/ns/a", refusal, refusal)
    client.refuse("probe Pod/ns/a-probe", full, forbidden)
    plan = plan_for(client, made("Pod", "a", spec={"x": 2}), force=True)

    assert (await foretold(client, plan))[0].startswith("Pod/ns/a recreated (in which fields is")
    assert "no right" in (await foretold(client, plan))[0]


async def test_who_owns_a_field_that_is_ignored_is_no_change() -> None:
    data = {"f:data": {"f:x": {}, "f:y": {}}}
    live = owned(config("a", data={"x": "1", "y": "1"}))
    labels = {f"f:{key}": dict[str, Any]() for key in live["metadata"]["labels"]}
    ours = {"f:metadata": {"f:labels": labels, "f:resourceVersion": {}}}  # as the client has it
    live["metadata"]["managedFields"] = [
        {"manager": MANAGER, "operation": "Apply", "fieldsV1": {**data, **ours}},
        {"manager": "scaler", "operation": "Apply", "fieldsV1": data},
    ]
    client = MemoryClient(live)
    plan = plan_for(client, config("a", data={"x": "2", "y": "1"}))
    ignored = {Ref.of(live): [("data", "x")]}

    assert await foretold(client, plan, ignored=ignored) == ["ConfigMap/ns/a unchanged"]
    assert await foretold(client, plan) == ["ConfigMap/ns/a configured"]


async def test_what_is_refused_names_the_line_of_its_field() -> None:
    client = MemoryClient(owned(config("a", x="1")))
    wanted = config("a", x="2")
    ref = Ref.of(wanted)
    error = Invalid(422, "Invalid", "x: wrong", (Cause("x", "FieldValueInvalid", ""),))
    client.refuse(f"dry-run {ref}", error)

    async def places(fields: Mapping[Ref, Sequence[str]]) -> Mapping[Ref, Mapping[str, str]]:
        return {each: dict.fromkeys(paths, "patch.yaml:7") for each, paths in fields.items()}

    found = await foretold(
        client, plan_for(client, wanted), origins={ref: "a.yaml:1"}, places=places
    )

    assert found == [
        "ConfigMap/ns/a refused (ConfigMap/ns/a dry-run failed (Invalid): x: wrong "
        "(patch.yaml:7: x))"
    ]
