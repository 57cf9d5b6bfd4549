"""How objects get into the cluster: order, drift, refusals."""

from engine.objects.ref import Object
from tests.support.build import definition, widget
from tests.support.fleet import (
    Fleet,
    condition_of,
    config_map,
    has_reason,
    is_ready,
)


async def test_a_definition_and_an_object_of_it_come_in_one_kustomization(fleet: Fleet) -> None:
    group = f"{fleet.namespace}.example.com"
    await fleet.app(
        {"app/a.yaml": widget("w", group), "app/b.yaml": definition(group)}, timeout="30s"
    )

    async with fleet.engine():
        ks = await fleet.until("Kustomization", "app", is_settled)

    assert condition_of(ks)["status"] == "True", condition_of(ks)["message"]
    ids = [entry["id"] for entry in ks["status"]["inventory"]["entries"]]
    assert ids == [
        f"_widgets.{group}_apiextensions.k8s.io_CustomResourceDefinition",
        f"{fleet.namespace}_w_{group}_Widget",
    ]


async def test_a_namespace_and_what_it_holds_come_in_one_kustomization(fleet: Fleet) -> None:
    name = f"{fleet.namespace[:50]}-inner"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await fleet.app(
        {"app/a.yaml": config_map("inner", name), "app/b.yaml": namespace}, targetNamespace=None
    )

    async with fleet.engine():
        ks = await fleet.until("Kustomization", "app", is_settled)
        await fleet.delete("Kustomization", "app")
        await fleet.until_gone("Kustomization", "app")

    assert condition_of(ks)["status"] == "True", condition_of(ks)["message"]


async def test_a_manual_edit_is_undone_and_told_by_nothing_but_an_event(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("web", color="blue")})

    async with fleet.engine():
        before = await fleet.until("Kustomization", "app", is_ready)
        await fleet.patch("ConfigMap", "web", {"data": {"color": "red", "size": "1"}})
        after = await fleet.reconcile("Kustomization", "app")
        live = await fleet.get("ConfigMap", "web")

    assert live is not None
    assert live["data"] == {"color": "blue"}  # what kubectl added goes too
    assert after["status"]["conditions"] == before["status"]["conditions"]


async def test_what_another_controller_owns_stays(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("web", color="blue")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        maps = await fleet.resource("ConfigMap")
        added = config_map("web", fleet.namespace, size="1")
        await fleet.client.apply(maps, added, manager="other")
        await fleet.reconcile("Kustomization", "app")
        live = await fleet.get("ConfigMap", "web")

    assert live is not None
    assert live["data"] == {"color": "blue", "size": "1"}


async def test_an_unchanged_object_is_not_written(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("web", color="blue")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        before = await fleet.get("ConfigMap", "web")
        await fleet.reconcile("Kustomization", "app")
        after = await fleet.get("ConfigMap", "web")

    assert before == after


async def test_a_refusal_names_the_object_and_keeps_the_rest_from_being_updated(
    fleet: Fleet,
) -> None:
    await fleet.app({"app/a.yaml": config_map("a"), "app/b.yaml": config_map("b")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        bad = {**config_map("b"), "data": {"x": 1}}
        fleet.commit({"app/a.yaml": config_map("a", x="1"), "app/b.yaml": bad})
        await fleet.request("GitRepository", "fleet", "1")
        ks = await fleet.until("Kustomization", "app", has_reason("ReconciliationFailed"))
        live = await fleet.get("ConfigMap", "a")

    assert f"ConfigMap/{fleet.namespace}/b dry-run failed" in condition_of(ks)["message"]
    assert "app/b.yaml" in condition_of(ks)["message"]
    assert condition_of(ks, "Reconciling")["reason"] == "ProgressingWithRetry"
    assert live is not None
    assert "data" not in live


async def test_the_values_of_a_refused_secret_show_nowhere(fleet: Fleet) -> None:
    secret = {**config_map("s"), "kind": "Secret", "data": {"p": "hunter2!"}}
    await fleet.app({"app/a.yaml": secret})

    async with fleet.engine():
        ks = await fleet.until("Kustomization", "app", is_settled)

    assert condition_of(ks)["status"] == "False"
    assert "hunter2" not in str(ks["status"])


async def test_the_next_commit_heals_what_failed(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": {**config_map("a"), "data": {"x": 1}}})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", has_reason("ReconciliationFailed"))
        ks = await fleet.goes_live({"app/a.yaml": config_map("a", x="1")})

    assert [each["type"] for each in ks["status"]["conditions"]] == ["Ready"]


def is_settled(obj: Object) -> bool:
    """A run that had an artifact has ended, well or not."""
    ready = condition_of(obj)
    return ready.get("status") in ("True", "False") and ready["reason"] != "ArtifactFailed"
