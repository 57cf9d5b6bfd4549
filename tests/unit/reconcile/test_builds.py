from dataclasses import fields, replace
from typing import Any

import pytest

from engine.api.applier import CommonMetadata, Image, Patch
from engine.errors import BuildFailed
from engine.objects.ref import Ref
from engine.plan.observation import content_of
from engine.reconcile.builds import Builds, Desired
from engine.render import Decrypting, Needs, Remotes, Request, render
from engine.source.tree import MemoryTree

APP = Ref("k", "Kustomization", "flux", "app")
REQUEST = Request(path="apps/web")
FILES = {
    "apps/web/kustomization.yaml": b"resources: [map.yaml, more, ../../base]\n",
    "apps/web/map.yaml": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n",
    "apps/web/more/kustomization.yaml": b"resources: [map.yaml]\n",
    "apps/web/more/map.yaml": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n",
    "apps/other/map.yaml": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n",
    "base/kustomization.yaml": b"resources: [map.yaml]\n",
    "base/map.yaml": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: base}\n",
    "README.md": b"",
}


def built(files: dict[str, bytes], request: Request = REQUEST) -> tuple[Builds, Desired]:
    """Builds that hold that of the files, and what it was."""
    rendered = render(MemoryTree(files), request)
    objects = tuple(each.obj for each in rendered.objects)
    origins = {each.ref: each.origin for each in rendered.objects}
    contents = {each.ref: content_of(each.obj) for each in rendered.objects}
    desired, builds = Desired(objects, origins, rendered.digest, contents), Builds()
    builds.keep(APP, request, rendered.inputs, desired)
    return builds, desired


def test_a_build_is_given_as_it_was_kept() -> None:
    builds, desired = built(FILES)
    held = builds.held(APP, REQUEST, MemoryTree(FILES))

    assert held == desired
    assert list(held.origins) == [Ref.of(obj) for obj in held.objects]


def test_another_request_or_another_owner_has_no_build() -> None:
    builds, _ = built(FILES)

    assert builds.held(APP, Request(path="base"), MemoryTree(FILES)) is None
    assert builds.held(Ref("k", "Kustomization", "flux", "b"), REQUEST, MemoryTree(FILES)) is None


@pytest.mark.parametrize(
    ("change", "is_concerned"),
    [
        ({}, False),
        ({"README.md": b"news"}, False),
        ({"apps/other/map.yaml": b"kind: Secret\n"}, False),
        ({"new/map.yaml": b""}, False),
        ({"apps/web/map.yaml": FILES["apps/web/map.yaml"] + b"data: {a: b}\n"}, True),
        ({"apps/web/more/map.yaml": FILES["base/map.yaml"]}, True),
        ({"base/map.yaml": FILES["base/map.yaml"] + b"data: {a: b}\n"}, True),
        ({"apps/web/kustomization.yml": b"resources: []\n"}, True),
        ({"base/notes.md": b"nobody reads this"}, False),
        ({"apps/web/map.yaml": None}, True),
        ({"base/map.yaml": None, "base/kustomization.yaml": None}, True),
    ],
)
def test_a_commit_concerns_who_would_read_something_else_of_it(
    change: dict[str, Any], is_concerned: bool
) -> None:
    builds, _ = built(FILES)
    after = {path: content for path, content in {**FILES, **change}.items() if content is not None}

    assert builds.is_concerned(APP, MemoryTree(after)) is is_concerned


def test_a_build_of_the_root_is_concerned_only_by_what_it_reads() -> None:
    files = {"map.yaml": FILES["base/map.yaml"], "a/README.md": b""}
    builds, _ = built({**files, "kustomization.yaml": b"resources: [map.yaml]\n"}, Request())
    after = {**files, "kustomization.yaml": b"resources: [map.yaml]\n"}

    assert not builds.is_concerned(APP, MemoryTree({**after, "a/README.md": b"news"}))
    assert builds.is_concerned(APP, MemoryTree({**after, "map.yaml": FILES["apps/web/map.yaml"]}))


def test_a_build_that_failed_is_told_again_for_the_same_tree_only() -> None:
    builds = Builds()
    builds.keep_failure(APP, REQUEST, MemoryTree(FILES), BuildFailed("no such file"))

    with pytest.raises(BuildFailed, match="no such file"):
        builds.held(APP, REQUEST, MemoryTree(FILES))
    assert builds.held(APP, REQUEST, MemoryTree({**FILES, "README.md": b"news"})) is None


BASE, FILE = "https://git.example.com/org/base.git//app?ref=main", "https://example.com/x.yaml"
REMOTE = {"apps/web/kustomization.yaml": f"resources: ['{BASE}', '{FILE}']\n".encode()}
MAP = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: file}\n"


def remotes(file: bytes = MAP, **changes: bytes) -> Remotes:
    """What the URLs stand for; changes: of the base's files, by the name in its folder."""
    base = {
        "app/kustomization.yaml": b"resources: [map.yaml]\n",
        "app/map.yaml": FILES["base/map.yaml"],
    }
    base |= {f"app/{name}": content for name, content in changes.items()}
    return Remotes({BASE: MemoryTree(base)}, {FILE: file})


def test_what_may_be_another_at_any_time_is_to_be_looked_up_and_compared() -> None:
    tree, builds = MemoryTree(REMOTE), Builds()
    made = render(tree, REQUEST, remotes())
    builds.keep(APP, REQUEST, made.inputs, Desired(digest=made.digest))

    assert builds.moving(APP, REQUEST, tree) == Needs(frozenset({BASE}), frozenset({FILE}))
    assert not builds.moving(APP, Request(path="base"), tree)
    assert not builds.moving(APP, REQUEST, MemoryTree(FILES))
    assert builds.is_concerned(APP, tree)
    assert builds.held(APP, REQUEST, tree) is not None  # a correction of drift does not look
    assert builds.held(APP, REQUEST, tree, remotes()) is not None
    assert builds.held(APP, REQUEST, tree, remotes(README=b"unread")) is not None
    assert builds.held(APP, REQUEST, tree, remotes(file=MAP + b"data: {a: b}")) is None
    assert builds.held(APP, REQUEST, tree, remotes(**{"map.yaml": MAP})) is None
    assert builds.held(APP, REQUEST, tree, Remotes(remotes().bases, {})) is None
    assert builds.held(APP, REQUEST, tree, Remotes({}, {FILE: MAP})) is None


OTHER: dict[str, Any] = {
    "path": "base",
    "target_namespace": "shop",
    "name_prefix": "a-",
    "name_suffix": "-z",
    "patches": (Patch(patch="- {op: remove, path: /data}"),),
    "images": (Image(name="web", new_tag="2"),),
    "components": ("../more",),
    "ignore_missing_components": True,
    "build_metadata": ("originAnnotations",),
    "common_metadata": CommonMetadata(labels={"team": "a"}),
    "variables": {"region": "eu"},
    "looked_in": ("ConfigMap/flux/other",),
    "secret_variables": frozenset({"region"}),
    "seal": b"of another Secret",
    "always": True,
    "strict": False,
    "no_remote_bases": True,
    "decryption": Decrypting("other keys"),
}


def test_each_part_of_a_request_has_another_value_here() -> None:
    assert OTHER.keys() == {each.name for each in fields(Request)}


@pytest.mark.parametrize("name", OTHER)
def test_a_build_is_not_taken_for_one_that_was_asked_for_otherwise(name: str) -> None:
    builds, _ = built(FILES)

    assert builds.held(APP, replace(REQUEST, **{name: OTHER[name]}), MemoryTree(FILES)) is None
