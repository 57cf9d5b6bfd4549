"""From a commit to healthy objects: the main job."""

from tests.support.fleet import Fleet, condition_of, config_map, is_ready


async def test_a_commit_becomes_objects_and_a_ready_kustomization(fleet: Fleet) -> None:
    commit = await fleet.app({"app/web.yaml": config_map("web", color="blue")})

    async with fleet.engine():
        source = await fleet.until("GitRepository", "fleet", is_ready)
        ks = await fleet.until("Kustomization", "app", is_ready)

    revision = f"main@sha1:{commit}"
    assert source["status"]["artifact"]["revision"] == revision
    assert condition_of(source)["message"] == f"stored artifact for revision '{revision}'"
    assert condition_of(ks)["message"] == f"Applied revision: {revision}"
    assert ks["status"]["lastAppliedRevision"] == revision
    assert ks["status"]["inventory"] == {
        "entries": [{"id": f"{fleet.namespace}_web__ConfigMap", "v": "v1"}]
    }
    assert await fleet.data("web") == {"color": "blue"}


async def test_a_new_commit_goes_live_and_what_left_git_is_pruned(fleet: Fleet) -> None:
    await fleet.app({"app/web.yaml": config_map("web"), "app/old.yaml": config_map("old")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.goes_live({"app/web.yaml": config_map("web", v="2"), "app/old.yaml": None})

    assert await fleet.data("web") == {"v": "2"}
    assert await fleet.get("ConfigMap", "old") is None


async def test_kustomizations_from_git_keep_their_finalizer_and_are_no_drift(fleet: Fleet) -> None:
    child = fleet.described("child", path="./app")
    fleet.commit({"root/child.yaml": child, "app/web.yaml": config_map("web")})
    await fleet.source()
    await fleet.kustomization("root", path="./root")

    async with fleet.engine():
        await fleet.until("Kustomization", "root", is_ready)
        before = await fleet.until("Kustomization", "child", is_ready)
        await fleet.reconcile("Kustomization", "root")

    after = await fleet.get("Kustomization", "child")
    assert after is not None
    assert after["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_a_reconcile_in_which_nothing_changed_writes_nothing_but_its_answer(
    fleet: Fleet,
) -> None:
    await fleet.app({"app/web.yaml": config_map("web", color="blue")})

    async with fleet.engine() as state:
        await fleet.until("Kustomization", "app", is_ready)
        web = await fleet.get("ConfigMap", "web")
        assert state.client is not None
        before = state.client.statistics().requests
        await fleet.reconcile("Kustomization", "app")
    after = state.client.statistics().requests  # once ended: an event may come before its answer

    assert web == await fleet.get("ConfigMap", "web")
    patches = "patch", "kustomizations.kustomize.toolkit.fluxcd.io"
    assert after[patches] - before[patches] == 1
