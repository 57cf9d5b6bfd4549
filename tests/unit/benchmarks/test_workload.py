from pathlib import Path

import pytest
from dulwich.repo import Repo

from benchmarks.workload import SOURCE, TARGET_NAMESPACE, Workload
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
    assert path.startswith(f"{change.kustomization}/")
    manifest = load(new[path])
    assert manifest["metadata"]["name"] == change.config_map
    assert manifest["data"] == change.data


def test_what_a_user_creates_is_one_source_and_its_kustomizations() -> None:
    objects = list(Workload(2, 1, interval="5m").custom_objects("http://git"))

    assert [each["kind"] for each in objects] == ["GitRepository", "Kustomization", "Kustomization"]
    assert objects[0]["spec"]["url"] == f"http://git/{SOURCE}"
    assert {each["spec"]["interval"] for each in objects} == {"5m"}
