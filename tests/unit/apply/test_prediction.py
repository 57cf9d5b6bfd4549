"""What a plan would do, on a cluster in memory; `tests/cluster/test_diff.py` has the real thing."""

from typing import Any

from engine.apply.prediction import Oracle, Prospect, predict
from engine.cluster.errors import NotFound
from engine.plan import Plan
from tests.support.build import config, made, owned
from tests.support.executing import MANAGER, plan_for
from tests.support.memory_client import MemoryClient, invalid


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
    plan = plan_for(client, config("a"), namespace, definition, widget)
    found = await foretold(client, plan)

    assert "ConfigMap/ns/a created (not checked yet: Namespace/ns comes with it)" in found
    assert "Widget/ns/w created (not checked yet: its definition comes with it)" in found


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
