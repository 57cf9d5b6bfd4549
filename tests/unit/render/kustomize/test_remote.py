"""What a repository that was fetched may name: its own folders and further repositories."""

import pytest

from engine.render.kustomize import KustomizeError, Lacking, Options, Reach, build
from engine.source.tree import MemoryTree

URL = "https://git.example.com/org/base.git//app?ref=v1"
OTHER = "https://git.example.com/org/other.git?ref=v1"
OURS = {
    "app/kustomization.yaml": f"resources: ['{URL}']\n",
    "app/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ours}\n",
    "secret.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: ours}\n",
}
THEIRS = {
    "app/kustomization.yaml": "resources: [map.yaml]\n",
    "app/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: theirs}\n",
    "near/kustomization.yaml": "resources: [map.yaml]\n",
    "near/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: near}\n",
}


def tree(files: dict[str, str]) -> MemoryTree:
    return MemoryTree({path: text.encode() for path, text in files.items()})


def names(theirs: dict[str, str], **more: dict[str, str]) -> list[str]:
    """Of the objects that ours gives if the base has these files, too; more: other repositories."""
    bases = {URL: tree({**THEIRS, **theirs}), OTHER: tree(more.get("other", {}))}
    reach = Reach(root_only=False, mount="/src", bases=bases)
    built = build(tree(OURS), "app", Options(reach))
    return [resource.name for resource in built.resources]


def test_a_base_is_its_own_folder_though_ours_has_one_of_that_name() -> None:
    assert names({}) == ["theirs"]


def test_a_base_may_use_other_folders_of_its_repository_and_other_repositories() -> None:
    named = {"app/kustomization.yaml": f"resources: [../near, '{OTHER}']\n"}
    other = {"kustomization.yaml": "resources: [x.yaml]\n", "x.yaml": THEIRS["app/map.yaml"]}

    assert names(named, other=other) == ["near", "theirs"]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("../../secret.yaml", "leads out of the source"),
        ("../secret.yaml", "not in or below 'app'"),
        ("../near/map.yaml", "not in or below 'app'"),
        ("/src/secret.yaml", "is absolute: it is outside of the source"),
        ("/src/app/map.yaml", "is absolute: it is outside of the source"),
        ("..", "cycle detected"),
    ],
)
def test_a_base_reaches_no_file_outside_of_its_folder(path: str, problem: str) -> None:
    with pytest.raises(KustomizeError, match=problem):
        names({"app/kustomization.yaml": f"resources: ['{path}']\n"})


def test_a_repository_that_names_itself_is_a_cycle_however_long() -> None:
    named = {"app/kustomization.yaml": f"resources: ['{OTHER}']\n"}

    with pytest.raises(KustomizeError, match="cycle detected"):
        names(named, other={"kustomization.yaml": f"resources: ['{URL}']\n"})


def test_what_a_base_lacks_is_asked_for() -> None:
    url = "https://git.example.com/org/third.git"

    with pytest.raises(Lacking, match=url):
        names({"app/kustomization.yaml": f"resources: ['{url}']\n"})


def test_a_folder_that_the_repository_has_not_is_named_with_its_url() -> None:
    reach = Reach(bases={URL: tree({"other/x": ""})})

    with pytest.raises(KustomizeError, match=r"no folder 'app' in 'https://git\.example"):
        build(tree(OURS), "app", Options(reach))
