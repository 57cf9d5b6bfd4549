"""What `status.inventory` records."""

from tests.support.fleet import Fleet, config_map, has_reason, is_ready


async def test_entries_are_in_the_order_of_applying(fleet: Fleet) -> None:
    secret = {**config_map("s"), "kind": "Secret"}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}}
    await fleet.app({"app/a.yaml": [secret, config_map("b"), config_map("a"), account]})

    async with fleet.engine():
        ks = await fleet.until("Kustomization", "app", is_ready)

    ids = [entry["id"] for entry in ks["status"]["inventory"]["entries"]]
    wanted = ["a__ServiceAccount", "a__ConfigMap", "b__ConfigMap", "s__Secret"]
    assert ids == [f"{fleet.namespace}_{each}" for each in wanted]


async def test_colons_and_the_cluster_scope_are_written_as_flux_does(fleet: Fleet) -> None:
    name = f"{fleet.namespace}:reader"
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": [],
    }
    await fleet.app({"app/a.yaml": role})

    async with fleet.engine():
        ks = await fleet.until("Kustomization", "app", is_ready)
        await fleet.delete("Kustomization", "app")
        await fleet.until_gone("Kustomization", "app")

    wanted = f"_{fleet.namespace}__reader_rbac.authorization.k8s.io_ClusterRole"
    assert ks["status"]["inventory"]["entries"] == [{"id": wanted, "v": "v1"}]


async def test_objects_made_by_a_run_that_failed_are_tracked_and_pruned_later(
    fleet: Fleet,
) -> None:
    bad = {**config_map("bad"), "kind": "Secret", "data": {"x": "not base64!"}}
    await fleet.app({"app/a.yaml": config_map("a"), "app/b.yaml": bad})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", has_reason("ReconciliationFailed"))
        assert await fleet.get("ConfigMap", "a") is not None
        await fleet.goes_live({"app/a.yaml": None, "app/b.yaml": config_map("c")})

    assert await fleet.get("ConfigMap", "a") is None
