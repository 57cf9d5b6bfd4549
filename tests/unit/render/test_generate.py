from typing import Any

import pytest

from engine.api.applier import Image, Patch
from engine.errors import ArtifactFailed, BuildFailed
from engine.render.generate import Request, folder_of, kustomization_of
from engine.source.tree import MemoryTree

TREE = MemoryTree(
    {
        "apps/b.yaml": b"",
        "apps/a.yml": b"",
        "apps/notes.txt": b"",
        "apps/base/kustomization.yaml": b"",
        "apps/base/x.yaml": b"",
        "apps/deep/er/y.yaml": b"",
    }
)


@pytest.mark.parametrize("path", ["apps", "./apps", "/apps/", "apps/./base/..", "../../apps"])
def test_a_path_is_taken_from_the_root_and_never_leaves_it(path: str) -> None:
    assert folder_of(TREE, path) == "apps"


def test_a_missing_path_names_the_nearest_folder() -> None:
    with pytest.raises(ArtifactFailed, match=r"path not found: 'app/base'.*there is 'apps'"):
        folder_of(TREE, "./app/base")


def test_a_folder_without_kustomization_is_scanned() -> None:
    content = kustomization_of(TREE, "apps", Request()).content

    assert content["resources"] == ["./a.yml", "./b.yaml", "./base", "./deep/er/y.yaml"]


def test_an_empty_folder_builds_nothing() -> None:
    content = kustomization_of(MemoryTree({}, frozenset({"x"})), "x", Request()).content

    assert content["namespace"] == "_placeholder"
    assert "resources" not in content


def test_the_spec_is_added_to_what_the_file_says() -> None:
    source = MemoryTree(
        {
            "kustomization.yaml": b"resources: [a.yaml]\nunknown: x\nnamespace: old\n"
            b"patches: [{patch: p}]"
        }
    )
    request = Request(
        target_namespace="new",
        name_prefix="p-",
        name_suffix="-s",
        patches=(Patch(patch="q"),),
        build_metadata=("originAnnotations",),
    )

    assert kustomization_of(source, "", request).content == {
        "resources": ["a.yaml"],
        "namespace": "new",
        "namePrefix": "p-",
        "nameSuffix": "-s",
        "patches": [{"patch": "p"}, {"patch": "q"}],
        "buildMetadata": ["originAnnotations"],
    }


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (Image(name="a", new_tag="2"), {"newName": "b", "newTag": "2", "digest": ""}),
        (Image(name="a", new_name="c"), {"newName": "c", "newTag": "1", "digest": "sha256:0"}),
    ],
)
def test_an_image_is_merged_with_its_tag_and_digest_as_one(
    image: Image, wanted: dict[str, Any]
) -> None:
    source = MemoryTree(
        {
            "kustomization.yaml": b"resources: [x]\nimages:\n"
            b"- {name: a, newName: b, newTag: '1', digest: 'sha256:0'}\n"
        }
    )

    content = kustomization_of(source, "", Request(images=(image,))).content

    assert content["images"] == [{"name": "a", **wanted}]


def test_a_new_image_is_appended() -> None:
    content = kustomization_of(
        TREE, "apps", Request(images=(Image(name="a", new_tag="1"),))
    ).content

    assert content["images"] == [{"name": "a", "newTag": "1", "digest": ""}]


def test_missing_components_are_left_out_only_if_asked() -> None:
    request = Request(components=("../gone", "base"), ignore_missing_components=True)

    assert kustomization_of(TREE, "apps", request).content["components"] == ["base"]


@pytest.mark.parametrize("path", ["https://x/y", "git@github.com:a/b", "/abs", "file:///x"])
def test_a_component_must_be_local(path: str) -> None:
    with pytest.raises(BuildFailed, match="must be local and relative"):
        kustomization_of(TREE, "apps", Request(components=(path,)))


def test_a_broken_kustomization_is_reported_with_its_line() -> None:
    with pytest.raises(BuildFailed, match=r"kustomization.yaml:2: malformed YAML"):
        kustomization_of(MemoryTree({"kustomization.yaml": b"a: b\n  c: d: e"}), "", Request())


@pytest.mark.parametrize(
    ("namespace", "hint"),
    [("Bad_NS", "'bad-ns' would be allowed"), ("-a.b-", "'a-b'"), ("x" * 64, f"'{'x' * 63}'")],
)
def test_a_target_namespace_that_cannot_be_is_refused_with_what_is_allowed(
    namespace: str, hint: str
) -> None:
    with pytest.raises(BuildFailed, match=r"lower-case letters, digits and '-' are") as caught:
        kustomization_of(TREE, "apps", Request(target_namespace=namespace))

    assert f"spec.targetNamespace {namespace!r}" in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize("field", ["patches: x.yaml", "components: x", "images: {name: a}"])
def test_a_field_that_should_be_a_list_is_left_for_decoding_to_refuse(field: str) -> None:
    source = MemoryTree({"kustomization.yaml": f"resources: [a]\n{field}".encode()})
    request = Request(
        patches=(Patch(patch="q"),), components=("base",), images=(Image(name="b", new_tag="1"),)
    )

    key, _, value = field.partition(": ")
    content = kustomization_of(source, "", request).content

    assert content[key] == ({"name": "a"} if key == "images" else value)


def test_folders_are_searched_to_a_limit() -> None:
    source = MemoryTree({"/".join(["d"] * 102) + "/a.yaml": b""})

    with pytest.raises(BuildFailed, match="folders are nested deeper than 100"):
        kustomization_of(source, "", Request())
