"""Building only when an input is another one gives the same as building always."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from engine.api.applier import CommonMetadata, Image
from engine.errors import BuildFailed, Failure
from engine.objects.ref import Ref
from engine.plan.observation import content_of
from engine.reconcile.builds import Builds, Desired
from engine.render import Remotes, Rendered, Request, render
from engine.source.tree import MemoryTree, Tree

APP = Ref("k", "Kustomization", "flux", "app")
BASE = "https://git.example.com/org/base.git//app?ref=main"
PINNED = f"https://git.example.com/org/pinned.git//app?ref={'0123456789' * 4}"
FILE = "https://example.com/map.yaml"


def config(name: str, **data: str) -> str:
    values = ", ".join(f"{key}: {value}" for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{{values}}}\n"


OWN: Mapping[str, str] = {
    "app/kustomization.yaml": f"resources: [own.yaml, ../near, '{BASE}', '{FILE}', '{PINNED}']\n",
    "app/own.yaml": config("own", region='"${region:=none}"'),
    "near/kustomization.yaml": "configMapGenerator: [{name: near, files: [text]}]\n",
    "near/text": "text",
    "plain/one.yaml": config("one"),
    "plain/sub/two.yaml": config("two"),
    "README.md": "",
}
FETCHED: Mapping[str, str] = {
    "app/kustomization.yaml": "resources: [map.yaml, ../near]\n",
    "app/map.yaml": config("base"),
    "near/kustomization.yaml": "resources: [map.yaml]\n",
    "near/map.yaml": config("base-near"),
    "README.md": "",
}
NEVER: Mapping[str, str] = {
    "app/kustomization.yaml": "resources: [map.yaml]\n",
    "app/map.yaml": config("pinned"),
}
FILES_THERE = [config("file"), config("file", a="b"), "", "not: an object\n", "<html>"]
REQUESTS = [
    Request(path="app"),
    Request(path="plain"),
    Request(path="app", name_prefix="x-"),
    Request(path="app", variables={"region": "eu"}),
    Request(path="app", images=(Image(name="web", new_tag="2"),)),
    Request(path="app", common_metadata=CommonMetadata(labels={"team": "a"})),
    Request(path="app", no_remote_bases=True),
]


def changes_of(files: Mapping[str, str]) -> st.SearchStrategy[dict[str, str | None]]:
    """Some files with another content, gone (None), or new."""
    places = [*files, "app/new.yaml", "app/kustomization.yml", "near/new.yaml", "new"]
    contents = [None, *files.values(), "", config("other"), "resources: []\nnamePrefix: y-\n"]
    return st.dictionaries(st.sampled_from(places), st.sampled_from(contents), max_size=2)


@dataclass(frozen=True)
class World:
    """What there is at one moment."""

    own: Tree
    base: Tree
    file: str
    request: Request

    @property
    def remotes(self) -> Remotes:
        """What all URLs stand for."""
        bases = {BASE: self.base, PINNED: tree_of(NEVER, {})}
        return Remotes(bases, {FILE: self.file.encode()}, {FILE: "not tried"})


def tree_of(files: Mapping[str, str], changes: Mapping[str, str | None]) -> Tree:
    content = {
        path: text.encode() for path, text in {**files, **changes}.items() if text is not None
    }
    return MemoryTree(content)


WORLDS = st.builds(
    World,
    own=st.builds(tree_of, st.just(OWN), changes_of(OWN)),
    base=st.builds(tree_of, st.just(FETCHED), changes_of(FETCHED)),
    file=st.sampled_from(FILES_THERE),
    request=st.sampled_from(REQUESTS),
)
START = World(tree_of(OWN, {}), tree_of(FETCHED, {}), FILES_THERE[0], REQUESTS[0])


def steps(world: World, changes: list[dict[str, object]]) -> list[World]:
    """One world after the other: each differs in some parts from the one before."""
    worlds = [world]
    for change in changes:
        worlds.append(replace(worlds[-1], **change))  # type: ignore[arg-type]  # of World's fields
    return worlds


CHANGES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "own": st.builds(tree_of, st.just(OWN), changes_of(OWN)),
            "base": st.builds(tree_of, st.just(FETCHED), changes_of(FETCHED)),
            "file": st.sampled_from(FILES_THERE),
            "request": st.sampled_from(REQUESTS),
        },
    ),
    max_size=6,
)


def desired_of(made: Rendered) -> Desired:
    objects = tuple(each.obj for each in made.objects)
    origins = {each.ref: each.origin for each in made.objects}
    contents = {each.ref: content_of(each.obj) for each in made.objects}
    return Desired(objects, origins, made.digest, contents)


def always(world: World) -> Desired | str:
    """What building gives, whatever is remembered."""
    try:
        return desired_of(render(world.own, world.request, world.remotes))
    except Failure as failure:
        return failure.message


def remembered(world: World, builds: Builds) -> Desired | str | None:
    """What is remembered of that world; only what `moving` names is looked up."""
    moving = builds.moving(APP, world.request, world.own)
    now = world.remotes
    bases = {url: tree for url, tree in now.bases.items() if url in moving.bases}
    files = {url: text for url, text in now.files.items() if url in moving.files}
    try:
        return builds.held(APP, world.request, world.own, Remotes(bases, files))
    except BuildFailed as failure:
        return failure.message


def build(world: World, builds: Builds) -> None:
    """As the story does it."""
    try:
        made = render(world.own, world.request, world.remotes)
    except BuildFailed:
        builds.note_failure(APP)
    except Failure:
        builds.forget(APP)
    else:
        builds.keep(APP, world.request, made.inputs, desired_of(made))


@given(CHANGES)
def test_what_is_remembered_is_what_building_would_give(changes: list[dict[str, object]]) -> None:
    builds = Builds()
    for world in steps(START, changes):
        found = remembered(world, builds)
        if found is None:
            build(world, builds)
        else:
            assert found == always(world)


@given(CHANGES)
def test_whoever_is_not_concerned_would_build_the_same(changes: list[dict[str, object]]) -> None:
    builds = Builds()
    last = START
    for world in steps(START, changes):
        if not builds.is_concerned(APP, world.own) and world.request == last.request:
            assert always(world) == always(last)
        build(world, builds)
        last = world


UNREAD = ["README.md", "app/notes.txt", "new/x.yaml", "near/other.yaml"]


@given(st.dictionaries(st.sampled_from(UNREAD), st.sampled_from(["", "a", config("n")])))
def test_a_file_that_no_build_reads_is_no_reason_to_build(changes: dict[str, str]) -> None:
    builds = Builds()
    build(START, builds)
    world = replace(START, own=tree_of(OWN, changes), base=tree_of(FETCHED, changes))

    assert remembered(world, builds) is not None
