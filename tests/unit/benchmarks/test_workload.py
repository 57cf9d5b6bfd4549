from pathlib import Path

import pytest
from dulwich.repo import Repo

from benchmarks.meter import resource_title
from benchmarks.workload import SOURCE, TARGET_NAMESPACE, Chain, Failing, OfFlux, Workload
from engine.objects.manifests import load
from engine.render import Request, render
from engine.source.tree import MemoryTree


def files_at(repository: Path, commit: str) -> dict[str, bytes]:
    with Repo(str(repository)) as repo:
        tree = repo[commit.encode()].tree
        entries = repo.object_store.iter_tree_contents(tree)
        return {each.path.decode(): repo[each.sha].data for each in entries}


def test_the_same_numbers_make_the_same_commit_and_another_seed_another(tmp_path: Path) -> None:
    workloads = {"one": Workload(2, 3), "two": Workload(2, 3), "three": Workload(2, 3, seed=1)}

    commits = {name: each.commit(tmp_path / name) for name, each in workloads.items()}

    assert commits["one"] == commits["two"] != commits["three"]


@pytest.mark.parametrize(("kustomizations", "objects"), [(1, 1), (3, 10), (2, 23)])
def test_every_kustomization_builds_its_number_of_objects(
    kustomizations: int, objects: int
) -> None:
    workload = Workload(kustomizations, objects)
    tree = MemoryTree(workload.files())

    built = {
        name: render(tree, Request(path=name, target_namespace=TARGET_NAMESPACE)).objects
        for name in workload.names
    }

    assert {name: len(made) for name, made in built.items()} == dict.fromkeys(built, objects)
    refs = [each.ref for made in built.values() for each in made]
    assert len(set(refs)) == kustomizations * objects


def test_a_change_touches_one_file_of_one_kustomization(tmp_path: Path) -> None:
    workload = Workload(5, 10)
    old = files_at(tmp_path / SOURCE, workload.commit(tmp_path))

    change = workload.change(tmp_path, 1)

    new = files_at(tmp_path / SOURCE, change.commit)
    (path,) = [path for path in new if new[path] != old[path]]
    assert path.startswith(f"{change.kustomizations[0]}/")
    manifest = load(new[path])
    assert manifest["metadata"]["name"] == change.config_map
    assert manifest["data"] == change.data


def test_what_a_user_creates_is_one_source_and_its_kustomizations() -> None:
    workload = Workload(2, 1, interval="5m")
    source = workload.source("http://git")
    objects = [source, *map(workload.kustomization, workload.names)]

    assert [each["kind"] for each in objects] == ["GitRepository", "Kustomization", "Kustomization"]
    assert source["spec"]["url"] == f"http://git/{SOURCE}"
    assert {each["spec"]["interval"] for each in objects} == {"5m"}


def test_a_change_of_several_touches_one_file_in_each_of_them(tmp_path: Path) -> None:
    workload = Chain(3, 2)
    old = files_at(tmp_path / SOURCE, workload.commit(tmp_path))

    change = workload.change_of(workload.names, tmp_path, 1)

    new = files_at(tmp_path / SOURCE, change.commit)
    changed = [path.partition("/")[0] for path in new if new[path] != old[path]]
    assert changed == list(change.kustomizations) == workload.names


def test_in_a_chain_each_depends_on_the_one_before() -> None:
    workload = Chain(3, 1)

    found = [workload.kustomization(name)["spec"].get("dependsOn") for name in workload.names]

    assert found == [None, [{"name": "app-0000"}], [{"name": "app-0001"}]]


def test_those_that_fail_wait_for_what_never_comes_and_the_others_do_not() -> None:
    workload = Failing(5, 1, failing=2)

    waiting = [n for n in workload.names if "healthChecks" in workload.kustomization(n)["spec"]]

    assert waiting == ["app-0003", "app-0004"]
    assert workload.healthy_names == ["app-0000", "app-0001", "app-0002"]


def test_the_fleet_of_flux_is_awaited_and_applied_by_a_service_account_with_rights() -> None:
    workload = OfFlux(1, 4)

    spec = workload.kustomization("app-0000")["spec"]
    account, binding = workload.surroundings()
    kinds = [obj["kind"] for obj in workload.manifests("app-0000")]
    assert spec["wait"] is True
    assert spec["serviceAccountName"] == account["metadata"]["name"]
    assert binding["subjects"][0]["name"] == account["metadata"]["name"]
    assert kinds == ["ServiceAccount", "Service", "Deployment", "Ingress"]
    assert len(workload.managed) == len(kinds)


@pytest.mark.parametrize("workload", [Workload(), OfFlux(objects=4)])
def test_the_resources_that_a_fleet_manages_are_named_as_requests_are(workload: Workload) -> None:
    for obj in workload.manifests("app-0000"):
        group = obj["apiVersion"].rpartition("/")[0]
        plural = obj["kind"].lower() + ("es" if obj["kind"].endswith("s") else "s")
        plural = plural.replace("policys", "policies")
        assert resource_title(plural, group, "") in workload.managed
