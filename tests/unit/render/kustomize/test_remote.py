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


def tree(files: dict[str, str], links: dict[str, str] | None = None) -> MemoryTree:
    led = {path: target.encode() for path, target in (links or {}).items()}
    return MemoryTree({path: text.encode() for path, text in files.items()}, links=led)


def names(
    theirs: dict[str, str], links: dict[str, str] | None = None, **more: dict[str, str]
) -> list[str]:
    """Of the objects that ours gives if the base has these files, too; more: other repositories."""
    bases = {URL: tree({**THEIRS, **theirs}, links), OTHER: tree(more.get("other", {}))}
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


@pytest.mark.parametrize(
    ("resource", "links"),
    [
        ("../shown", {"shown": "near"}),
        ("../shown", {"shown": "./second", "second": "app/../near/"}),
        ("../in/shown", {"in": "deep/folder", "deep/folder/shown": "../../near"}),
    ],
    ids=["a link", "a link to a link", "a link in a linked folder"],
)
def test_a_base_follows_the_links_to_folders_of_its_repository(
    resource: str, links: dict[str, str]
) -> None:
    assert names({"app/kustomization.yaml": f"resources: ['{resource}']\n"}, links) == ["near"]


def test_what_a_linked_folder_names_is_looked_for_where_it_is() -> None:
    named = {
        "app/kustomization.yaml": "resources: [shown]\n",
        "near/kustomization.yaml": "resources: [../further]\n",
        "further/kustomization.yaml": "resources: [x.yaml]\n",
        "further/x.yaml": THEIRS["near/map.yaml"],
    }

    assert names(named, {"app/shown": "../near"}) == ["near"]


def test_a_base_follows_links_to_files_in_its_own_folder() -> None:
    named = {"app/real.yml": "resources: [shown.yaml]\n"}
    del (theirs := {**THEIRS, **named})["app/kustomization.yaml"]
    links = {"app/kustomization.yaml": "real.yml", "app/shown.yaml": "./map.yaml"}
    reach = Reach(root_only=False, bases={URL: tree(theirs, links)})

    built = build(tree(OURS), "app", Options(reach))

    assert [resource.name for resource in built.resources] == ["theirs"]


@pytest.mark.parametrize(
    ("resource", "target", "problem"),
    [
        ("x.yaml", "../near/map.yaml", "not in or below 'app'"),
        ("x.yaml", "../../secret.yaml", "is a link that leads out of its repository"),
        ("x.yaml", "/etc/passwd", "is a link that leads out of its repository"),
        ("../x", "..", "is a link that leads out of its repository"),
        ("x.yaml", "x.yaml", "too many links"),
        ("x.yaml", "./" * 2000 + "map.yaml/", "no such file"),
        ("x.yaml", "nowhere/../map.yaml", "no such file"),
        ("x.yaml", "map.yaml/../map.yaml", "no such file"),
    ],
)
def test_a_link_reaches_nothing_that_a_path_could_not(
    resource: str, target: str, problem: str
) -> None:
    link = "x" if resource == "../x" else f"app/{resource}"
    with pytest.raises(KustomizeError, match=problem):
        names({"app/kustomization.yaml": f"resources: ['{resource}']\n"}, {link: target})


def test_another_end_of_a_link_is_another_input() -> None:
    theirs = {"app/kustomization.yaml": "resources: [../shown]\n"}
    ends = ({"shown": "near"}, {"shown": "other"}, {})
    before, other, gone = (tree({**THEIRS, **theirs}, links) for links in ends)
    built = build(tree(OURS), "app", Options(Reach(root_only=False, bases={URL: before})))

    assert built.inputs.hold_remotely({URL: before}, {})
    assert not built.inputs.bases[URL].hold_in(other)
    assert not built.inputs.bases[URL].hold_in(gone)
