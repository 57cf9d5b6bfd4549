"""Objects that change their Kustomization are handed over: nothing that is wanted is deleted."""

from typing import Any

import pytest

from engine.cluster import Resource
from engine.objects.ref import Object
from tests.support.build import definition, widget
from tests.support.fleet import Fleet, condition_of, config_map, has_reason, is_at, is_ready

OWNER = "kustomize.toolkit.fluxcd.io/name"
LACKING = {"kind": "ConfigMap", "name": "lacking"}  # variables that are not there yet


def is_owned_by(name: str) -> Any:
    def check(obj: Object) -> bool:
        return bool((obj["metadata"].get("labels") or {}).get(OWNER) == name)

    return check


def holds(count: int) -> Any:
    """Ready, with so many objects in the inventory."""

    def check(obj: Object) -> bool:
        return is_ready(obj) and len(obj["status"]["inventory"]["entries"]) == count

    return check


async def uid_of(fleet: Fleet, name: str) -> str:
    found = await fleet.get("ConfigMap", name)
    assert found is not None, f"{name} was deleted"
    return str(found["metadata"]["uid"])


def child(fleet: Fleet, name: str, **spec: Any) -> dict[str, Any]:
    return fleet.described(name, path="./web", **spec)


def repository(fleet: Fleet, name: str, folder: str = "fleet") -> dict[str, Any]:
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": name},
        "spec": {
            "url": f"{fleet.git_url}/{folder}",
            "interval": "1h",
            "ref": {"branch": "main"},
        },
    }


def child_of(fleet: Fleet, source: str, name: str, **spec: Any) -> dict[str, Any]:
    """A child Kustomization of another source than its parent's."""
    return child(fleet, name, sourceRef={"kind": "GitRepository", "name": source}, **spec)


async def test_a_kustomization_renamed_by_its_parent_keeps_its_objects(fleet: Fleet) -> None:
    many = [config_map(f"c{number}") for number in range(25)]  # the brake would stop these
    await fleet.app({"app/old.yaml": child(fleet, "old"), "web/a.yaml": many})

    async with fleet.engine():
        await fleet.until("Kustomization", "old", holds(25))
        before = await uid_of(fleet, "c1")
        await fleet.goes_live({"app/old.yaml": None, "app/new.yaml": child(fleet, "new")})
        await fleet.until_gone("Kustomization", "old")
        await fleet.until("Kustomization", "new", holds(25))

    assert await uid_of(fleet, "c1") == before
    assert is_owned_by("new")(await fleet.get("ConfigMap", "c1"))


async def test_a_source_renamed_with_its_kustomization_keeps_their_objects(fleet: Fleet) -> None:
    many = [config_map(f"c{number}") for number in range(25)]  # the brake would stop these
    old, new = child_of(fleet, "web", "web"), child_of(fleet, "shop", "shop")
    await fleet.app({"app/s.yaml": repository(fleet, "web"), "app/k.yaml": old, "web/a.yaml": many})

    async with fleet.engine():
        await fleet.until("Kustomization", "web", holds(25))
        before = await uid_of(fleet, "c1")
        await fleet.goes_live({"app/s.yaml": repository(fleet, "shop"), "app/k.yaml": new})
        await fleet.until_gone("Kustomization", "web")
        await fleet.until_gone("GitRepository", "web")
        await fleet.until("Kustomization", "shop", holds(25))

    assert await uid_of(fleet, "c1") == before
    assert is_owned_by("shop")(await fleet.get("ConfigMap", "c1"))


async def test_a_source_that_moves_to_another_url_under_another_name_keeps_its_objects(
    fleet: Fleet,
) -> None:
    fleet.commit({"web/a.yaml": config_map("a")}, repository="mirror")
    old, new = child_of(fleet, "web", "web"), child_of(fleet, "shop", "shop")
    files = {"app/s.yaml": repository(fleet, "web"), "app/k.yaml": old}
    await fleet.app({**files, "web/a.yaml": config_map("a")})

    async with fleet.engine():
        await fleet.until("Kustomization", "web", holds(1))
        before = await uid_of(fleet, "a")
        moved = repository(fleet, "shop", "mirror")
        await fleet.goes_live({"app/s.yaml": moved, "app/k.yaml": new})
        await fleet.until_gone("Kustomization", "web")
        await fleet.until("Kustomization", "shop", holds(1))

    assert await uid_of(fleet, "a") == before
    assert is_owned_by("shop")(await fleet.get("ConfigMap", "a"))


async def test_what_is_renamed_waits_for_its_new_name_however_long_that_cannot_be_built(
    fleet: Fleet,
) -> None:
    fleet.commit({"web/a.yaml": config_map("a")})
    await fleet.source()
    await fleet.put(child(fleet, "old", timeout="1s"))

    async with fleet.engine():
        await fleet.until("Kustomization", "old", is_ready)
        before = await uid_of(fleet, "a")
        await fleet.put(child(fleet, "new", postBuild={"substituteFrom": [LACKING]}))
        await fleet.until("Kustomization", "new", has_reason("BuildFailed"))
        await fleet.delete("Kustomization", "old")
        waiting = await fleet.until("Kustomization", "old", has_reason("PruneFailed"))
        assert await uid_of(fleet, "a") == before
        await fleet.put({**config_map("lacking"), "data": {"a": "b"}})
        await fleet.request("Kustomization", "new", "now")
        await fleet.until("Kustomization", "new", holds(1))
        await fleet.until_gone("Kustomization", "old")

    assert await uid_of(fleet, "a") == before
    assert is_owned_by("new")(await fleet.get("ConfigMap", "a"))
    assert condition_of(waiting)["message"] == (
        f"ConfigMap/{fleet.namespace}/a stays for now: Kustomization/{fleet.namespace}/new, "
        "not built yet, is to take its owner's place"
    )


async def test_a_kustomization_that_is_split_in_two_keeps_its_objects(fleet: Fleet) -> None:
    files = {f"web/{name}/{name}.yaml": config_map(name) for name in "ab"}
    await fleet.app({"app/k.yaml": child(fleet, "web"), **files})

    async with fleet.engine():
        await fleet.until("Kustomization", "web", holds(2))
        before = [await uid_of(fleet, name) for name in "ab"]
        halves = [fleet.described(f"web-{name}", path=f"./web/{name}") for name in "ab"]
        await fleet.goes_live({"app/k.yaml": halves})
        await fleet.until_gone("Kustomization", "web")
        for name in "ab":
            await fleet.until("Kustomization", f"web-{name}", holds(1))

    assert [await uid_of(fleet, name) for name in "ab"] == before


@pytest.mark.parametrize("way", ["to a new one", "with spec.path", "out of the parent"])
async def test_what_moves_while_its_parent_changes_kustomizations_keeps_its_uid(
    fleet: Fleet, way: str
) -> None:
    """One commit: the old owner is done long before the new one is there, or has its new path."""
    web, new = child(fleet, "web"), fleet.described("new", path="./new")
    old_place = "app/a.yaml" if way == "out of the parent" else "web/a.yaml"
    changed = {"app/new.yaml": new}
    if way == "with spec.path":
        changed = {"app/web.yaml": fleet.described("web", path="./new")}
    await fleet.app(
        {"app/web.yaml": web, "web/b.yaml": config_map("b"), old_place: config_map("a")}
    )

    async with fleet.engine():
        await fleet.until("Kustomization", "web", is_ready)
        before = await uid_of(fleet, "a")
        await fleet.goes_live({**changed, old_place: None, "new/a.yaml": config_map("a")})
        heir = "web" if way == "with spec.path" else "new"
        await fleet.until("ConfigMap", "a", is_owned_by(heir))
        await fleet.until("Kustomization", heir, holds(1))
        assert await uid_of(fleet, "a") == before


async def test_a_kustomization_renamed_by_hand_keeps_its_objects(fleet: Fleet) -> None:
    fleet.commit({"web/a.yaml": config_map("a")})
    await fleet.source()
    await fleet.put(child(fleet, "old"))

    async with fleet.engine():
        await fleet.until("Kustomization", "old", is_ready)
        before = await uid_of(fleet, "a")
        await fleet.put(child(fleet, "new"))
        await fleet.delete("Kustomization", "old")
        await fleet.until_gone("Kustomization", "old")
        await fleet.until("Kustomization", "new", is_ready)

    assert await uid_of(fleet, "a") == before
    assert is_owned_by("new")(await fleet.get("ConfigMap", "a"))


@pytest.mark.parametrize("new", ["aaa", "zzz"])  # whose run comes first
async def test_a_file_that_moves_to_another_folder_moves_its_object(fleet: Fleet, new: str) -> None:
    await fleet.app({"app/a.yaml": config_map("a"), "app/b.yaml": config_map("b"), "new/c": "-"})
    await fleet.kustomization(new, path="./new")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.until("Kustomization", new, is_ready)
        before = await uid_of(fleet, "a")
        await fleet.goes_live({"app/a.yaml": None, "new/a.yaml": config_map("a")})
        await fleet.until("Kustomization", new, holds(1))
        await fleet.until("Kustomization", "app", holds(1))

    assert await uid_of(fleet, "a") == before
    assert is_owned_by(new)(await fleet.get("ConfigMap", "a"))


@pytest.mark.parametrize("dropper", ["app", "other"])
async def test_what_one_of_two_drops_goes_to_the_other(fleet: Fleet, dropper: str) -> None:
    files = {f"{name}/a.yaml": config_map("a", color="red") for name in ("app", "other")}
    await fleet.app(files | {"app/b.yaml": config_map("b"), "other/c.yaml": config_map("c")})
    await fleet.kustomization("other", path="./other")
    keeper = "other" if dropper == "app" else "app"

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.until("Kustomization", "other", is_ready)
        before = await uid_of(fleet, "a")
        commit = fleet.commit({f"{dropper}/a.yaml": None})
        await fleet.request("GitRepository", "fleet", commit)
        await fleet.until("Kustomization", dropper, holds(1))
        await fleet.until("ConfigMap", "a", is_owned_by(keeper))

    assert await uid_of(fleet, "a") == before


async def test_what_one_cannot_know_yet_is_put_off_and_decided_when_it_is_known(
    fleet: Fleet,
) -> None:
    await fleet.app({"app/a.yaml": config_map("a"), "app/b.yaml": config_map("b"), "new/c": "-"})
    await fleet.kustomization("new", path="./new")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.until("Kustomization", "new", is_ready)
        await fleet.goes_live({"app/a.yaml": None, "new/a.yaml": "a: [\n"})
        await fleet.until("Kustomization", "new", has_reason("BuildFailed"))
        app = await fleet.get("Kustomization", "app")
        assert holds(2)(app)  # ready all the same
        await uid_of(fleet, "a")
        await fleet.goes_live({"new/a.yaml": config_map("c")})
        await fleet.until("Kustomization", "app", holds(1))

    assert await fleet.get("ConfigMap", "a") is None


async def test_what_is_dropped_while_no_engine_runs_is_deleted_by_the_next(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("a"), "app/b.yaml": config_map("b"), "new/c": "-"})
    await fleet.kustomization("new", path="./new")
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.until("Kustomization", "new", is_ready)
        before = await uid_of(fleet, "b")
    files = {"app/a.yaml": None, "app/b.yaml": None, "new/b.yaml": config_map("b")}
    fleet.commit({**files, "app/d.yaml": config_map("d")})

    async with fleet.engine():
        await fleet.reconcile("GitRepository", "fleet")
        await fleet.until("Kustomization", "new", holds(1))
        await fleet.until("Kustomization", "app", holds(1))

    assert await uid_of(fleet, "b") == before
    assert await fleet.get("ConfigMap", "a") is None


async def test_of_those_deleted_at_once_a_dependant_goes_before_what_it_depends_on(
    fleet: Fleet,
) -> None:
    held = {**config_map("late"), "metadata": {"name": "late", "finalizers": ["example.com/hold"]}}
    await fleet.app({"app/a.yaml": config_map("a"), "late/a.yaml": held})
    await fleet.kustomization(
        "late",
        path="./late",
        dependsOn=[{"name": "app"}],
        deletionPolicy="WaitForTermination",
    )

    async with fleet.engine():
        await fleet.until("Kustomization", "late", is_ready)
        await fleet.delete("Kustomization", "app")
        await fleet.delete("Kustomization", "late")
        waiting = await fleet.until("Kustomization", "app", has_reason("PruneFailed"))
        await uid_of(fleet, "a")
        await fleet.patch("ConfigMap", "late", {"metadata": {"finalizers": None}})
        await fleet.until_gone("Kustomization", "late")
        await fleet.until_gone("Kustomization", "app")

    assert f"once Kustomization/{fleet.namespace}/late" in condition_of(waiting)["message"]
    assert await fleet.get("ConfigMap", "a") is None


async def test_two_that_depend_on_each_other_can_be_deleted(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("a"), "new/a.yaml": config_map("b")})
    await fleet.kustomization("new", path="./new")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.until("Kustomization", "new", is_ready)
        for name, other in (("app", "new"), ("new", "app")):
            depends_on = [{"name": other}]
            await fleet.patch("Kustomization", name, {"spec": {"dependsOn": depends_on}})
        for name in ("app", "new"):
            await fleet.delete("Kustomization", name)
        for name in ("app", "new"):
            await fleet.until_gone("Kustomization", name)

    assert await fleet.get("ConfigMap", "a") is None


async def test_a_pruned_kustomization_counts_with_all_that_it_takes_along(fleet: Fleet) -> None:
    many = [config_map(f"c{number}") for number in range(25)]
    await fleet.app(
        {"app/old.yaml": child(fleet, "old"), "app/a.yaml": config_map("a"), "web/a.yaml": many}
    )

    async with fleet.engine():
        await fleet.until("Kustomization", "old", holds(25))
        await fleet.until("Kustomization", "app", is_ready)
        commit = fleet.commit({"app/old.yaml": None})
        await fleet.request("GitRepository", "fleet", commit)
        held = await fleet.until("Kustomization", "app", has_reason("PruneFailed"))
        await uid_of(fleet, "c1")
        message = condition_of(held)["message"]
        key, _, value = message.rpartition(" ")[2].partition("=")
        await fleet.patch("Kustomization", "app", {"metadata": {"annotations": {key: value}}})
        await fleet.until("Kustomization", "app", is_at(commit))
        await fleet.until_gone("Kustomization", "old")

    assert "26 of 27 objects would be deleted" in message
    assert await fleet.get("ConfigMap", "c1") is None


async def test_a_definition_is_not_deleted_with_objects_that_somebody_made(fleet: Fleet) -> None:
    group = f"{fleet.namespace[-6:]}.example.com"
    await fleet.app({"app/a.yaml": config_map("a"), "app/crd.yaml": definition(f"x{group}")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        resource = Resource(f"x{group}", "v1", "Widget", "widgets", namespaced=True)
        await fleet.client.create(resource, widget("mine", f"x{group}"), fleet.namespace)
        fleet.commit({"app/crd.yaml": None})
        await fleet.request("GitRepository", "fleet", "1")
        held = await fleet.until("Kustomization", "app", has_reason("PruneFailed"))

    assert f"it holds Widget/{fleet.namespace}/mine" in condition_of(held)["message"]
    name = f"widgets.x{group}"
    definitions = await fleet.resource("CustomResourceDefinition")
    assert await fleet.client.get(definitions, "", name) is not None
    await fleet.client.delete(definitions, "", name)


async def test_a_namespace_is_not_deleted_with_what_another_one_wants_in_it(fleet: Fleet) -> None:
    name = f"{fleet.namespace}-x"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    files = {"app/ns.yaml": namespace, "app/b.yaml": config_map("b", fleet.namespace)}
    await fleet.app({**files, "new/a.yaml": config_map("a")}, targetNamespace=None)
    spec = {"path": "./new", "dependsOn": [{"name": "app"}], "targetNamespace": name}
    await fleet.kustomization("new", **spec)

    async with fleet.engine():
        await fleet.until("Kustomization", "new", is_ready)
        fleet.commit({"app/ns.yaml": None})
        await fleet.request("GitRepository", "fleet", "1")
        dropped = await fleet.until("Kustomization", "app", has_reason("PruneFailed"))
        await fleet.patch("Kustomization", "new", {"spec": {"dependsOn": None}})
        await fleet.delete("Kustomization", "app")
        deleted = await fleet.until("Kustomization", "app", is_stopped_while_deleted)
        await fleet.delete("Kustomization", "new")
        await fleet.until_gone("Kustomization", "new")
        await fleet.request("Kustomization", "app", "2")
        await fleet.until_gone("Kustomization", "app")

    for held in (dropped, deleted):
        assert f"it holds ConfigMap/{name}/a" in condition_of(held)["message"]


def is_stopped_while_deleted(obj: Object) -> bool:
    return "deletionTimestamp" in obj["metadata"] and has_reason("PruneFailed")(obj)
