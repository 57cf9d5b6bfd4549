"""What settings and annotations of a Kustomization change in what is applied and told."""

from typing import Any

from engine.objects.ref import Object
from tests.support.fleet import Fleet, condition_of, config_map, has_reason, is_ready


async def test_the_history_holds_the_last_five_outcomes_the_newest_first(fleet: Fleet) -> None:
    async with fleet.engine():
        await fleet.app({"app/a.yaml": config_map("a", x="0")}, interval="1h")
        await fleet.until("Kustomization", "app", is_ready)
        for number in range(1, 7):
            await fleet.goes_live({"app/a.yaml": config_map("a", x=str(number))})
        ks = await fleet.goes_live({"app/a.yaml": config_map("a", x="5")})

    history = ks["status"]["history"]
    revision = ks["status"]["lastAppliedRevision"]
    assert [each["lastReconciledStatus"] for each in history] == ["ReconciliationSucceeded"] * 5
    assert len({each["digest"] for each in history}) == 5
    assert history[0]["metadata"] == {"revision": revision}
    assert [each["totalReconciliations"] for each in history] == [2, 1, 1, 1, 1]
    assert history[0]["firstReconciled"] <= history[1]["firstReconciled"]


async def test_fields_of_an_overridden_manager_become_ours(fleet: Fleet) -> None:
    maps = await fleet.resource("ConfigMap")
    for manager, name in (("argocd-controller", "a"), ("someone-else", "b")):
        old = config_map(name, fleet.namespace, x="1", gone="1")
        await fleet.client.apply(maps, old, manager=manager, force=True)
    await fleet.app({"app/a.yaml": [config_map(name, x="2") for name in "ab"]})

    async with fleet.engine(override_manager=("argocd",)):
        await fleet.until("Kustomization", "app", is_ready)

    assert await fleet.data("a") == {"x": "2"}
    assert await fleet.data("b") == {"x": "2", "gone": "1"}


async def test_kinds_of_a_stage_of_their_own_come_before_the_rest(fleet: Fleet) -> None:
    files = {
        "app/a.yaml": config_map("a"),
        "app/b.yaml": {**config_map("b"), "kind": "Secret", "data": {}},
    }
    await fleet.app(files)

    async with fleet.engine(custom_apply_stage_kinds=("/Secret",)):
        ks = await fleet.until("Kustomization", "app", is_ready)

    ids = [each["id"] for each in ks["status"]["inventory"]["entries"]]
    assert [each.rpartition("_")[2] for each in ids] == ["Secret", "ConfigMap"]


async def test_annotations_for_events_are_in_the_metadata_of_each(fleet: Fleet) -> None:
    key = "event.toolkit.fluxcd.io/deploymentID"
    fleet.commit({"app/a.yaml": config_map("a")})
    await fleet.source()
    described = fleet.described("app", path="./app")
    described["metadata"]["annotations"] = {key: "7", "other": "no"}
    await fleet.put(described)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
    events = await events_of(fleet, "app")

    assert events
    assert all(each["metadata"]["annotations"][key] == "7" for each in events)
    assert all("other" not in each["metadata"]["annotations"] for each in events)


async def events_of(fleet: Fleet, name: str) -> list[Object]:
    listed = await fleet.client.list(await fleet.resource("Event"), fleet.namespace)
    return [each for each in listed.items if each["involvedObject"]["name"] == name]


async def test_variables_that_are_not_set_are_told_with_file_line_and_field(
    fleet: Fleet,
) -> None:
    files: dict[str, Any] = {
        "app/a.yaml": config_map("a", x="${zone}"),
        "app/b.yaml": config_map("b", y="${region}", z="${nobody}"),
    }
    named = [{"kind": "ConfigMap", "name": "vars", "optional": True}]
    post_build = {"substituteFrom": named, "substitute": {"regoin": "eu"}}
    await fleet.app(files, postBuild=post_build)

    async with fleet.engine():
        failed = await fleet.until("Kustomization", "app", has_reason("BuildFailed"))

    lines = condition_of(failed)["message"].splitlines()
    assert [line.partition("(strict mode): ")[2] for line in lines[:3]] == [
        '"zone" at app/a.yaml:3: data.x',
        "\"region\" at app/b.yaml:3: data.y; did you mean 'regoin'?",
        '"nobody" at app/b.yaml:4: data.z',
    ]
    assert lines[3:] == [
        "variables were looked for in spec.postBuild.substitute, "
        f"ConfigMap/{fleet.namespace}/vars (not there)"
    ]
