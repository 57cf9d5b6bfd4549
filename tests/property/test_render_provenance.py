"""Laws of explanations: replayed, they give what was built; and asking changes nothing."""

from collections.abc import Iterator
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from engine.errors import BuildFailed
from engine.objects.manifests import Document, dump, parse
from engine.render import Request, render
from engine.render.explanation import ABSENT, explain
from engine.render.kustomize.provenance_tree import Node, fields_of
from engine.render.stories import Stories
from engine.source.tree import MemoryTree

NAMES = st.sampled_from(["web", "api", "log", "db"])
CONTAINER = st.fixed_dictionaries(
    {"name": NAMES, "image": st.sampled_from(["nginx", "nginx:1", "envoy"])},
    optional={
        "args": st.lists(st.sampled_from("abc"), max_size=3),
        "env": st.lists(
            st.fixed_dictionaries({"name": NAMES, "value": st.sampled_from(["", "1", "${x}"])}),
            max_size=2,
            unique_by=lambda item: str(item["name"]),
        ),
    },
)
CONTAINERS = st.lists(CONTAINER, max_size=3, unique_by=lambda item: str(item["name"]))
SPEC = st.fixed_dictionaries(
    {},
    optional={"replicas": st.integers(0, 3), "paused": st.booleans() | st.none()},
)


def deployment(name: str, spec: dict[str, Any], containers: list[Any]) -> dict[str, Any]:
    whole = {**spec, "template": {"spec": {"containers": containers}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": whole,
    }


DEPLOYMENTS = st.lists(
    st.builds(deployment, NAMES, SPEC, CONTAINERS),
    min_size=1,
    max_size=3,
    unique_by=lambda obj: str(obj["metadata"]["name"]),
)
OPERATION = st.sampled_from(
    [
        {"op": "add", "path": "/metadata/annotations", "value": {"a/b": "c"}},
        {"op": "add", "path": "/spec/replicas", "value": 7},
        {"op": "replace", "path": "/metadata/labels", "value": {}},
        {"op": "add", "path": "/spec/template/spec/containers/0", "value": {"name": "first"}},
        {"op": "add", "path": "/spec/template/spec/containers", "value": [{"name": "only"}]},
        {"op": "remove", "path": "/metadata/labels"},
    ]
)


def merge_patch(spec: dict[str, Any], containers: list[Any]) -> dict[str, Any]:
    return {"patch": dump(deployment("any", spec, containers)), "target": {"kind": "Deployment"}}


def json_patch(operations: list[Any]) -> dict[str, Any]:
    return {"patch": dump(operations), "target": {"kind": "Deployment"}}


PATCH = st.builds(merge_patch, SPEC, CONTAINERS) | st.builds(
    json_patch, st.lists(OPERATION, min_size=1, max_size=2)
)
LAYER = st.fixed_dictionaries(
    {},
    optional={
        "namePrefix": st.just("pre-"),
        "namespace": st.sampled_from(["one", "two"]),
        "commonAnnotations": st.just({"team": "a"}),
        "labels": st.just([{"pairs": {"app": "x", "tier": "y"}, "includeTemplates": True}]),
        "images": st.just([{"name": "nginx", "newTag": "9"}]),
        "replicas": st.just([{"name": "web", "count": 5}]),
        "patches": st.lists(PATCH, max_size=2),
        "configMapGenerator": st.just([{"name": "made", "literals": ["k=${x}", "l=2"]}]),
    },
)


def tree_of(objects: list[Any], inner: dict[str, Any], outer: dict[str, Any]) -> MemoryTree:
    outer = {key: value for key, value in outer.items() if key != "configMapGenerator"}
    files = {
        "base/all.yaml": "---\n".join(map(dump, objects)),
        "base/kustomization.yaml": dump({"resources": ["all.yaml"], **inner}),
        "kustomization.yaml": dump({"resources": ["base"], **outer}),
    }
    return MemoryTree({name: text.encode() for name, text in files.items()})


def build(objects: list[Any], inner: dict[str, Any], outer: dict[str, Any]) -> Any:
    """(the tree, the request, what it gives), None where kustomize would refuse."""
    tree, request = tree_of(objects, inner, outer), Request(variables={"x": "value"})
    try:
        return tree, request, render(tree, request)
    except BuildFailed:  # a count of replicas for a workload that is not there, a missing path
        return None


def said_in(documents: list[Document]) -> Iterator[tuple[str, Any]]:
    for document in documents:
        for path in document.positions:
            value = document.obj
            for step in path:
                value = value[step]
            yield f"{document.file}:{document.positions[path]}", value


@given(DEPLOYMENTS, LAYER, LAYER)
def test_an_explanation_replayed_gives_what_was_built(
    objects: list[Any], inner: dict[str, Any], outer: dict[str, Any]
) -> None:
    built = build(objects, inner, outer)
    assume(built is not None)
    assert built  # for the type
    tree, request, rendered = built
    said = list(said_in(parse(tree.read("base/all.yaml"), "base/all.yaml")))
    stories = Stories(request)

    assert render(tree, request, stories=stories) == rendered
    for made, story in zip(rendered.objects, stories.told, strict=True):
        assert story.node.plain() == made.obj
        for _, node in fields_of(story.node):
            check(node, said)


def check(node: Node, said: list[tuple[str, Any]]) -> None:
    value = node.plain()
    if not node.edits:
        assert (node.place, value) in said
        return
    assert node.edits[-1].new == value
    for before, after in zip(node.edits, node.edits[1:], strict=False):
        assert before.new == after.old
    if not node.place:
        assert node.edits[0].old is ABSENT


@given(DEPLOYMENTS, LAYER, LAYER)
def test_every_field_that_is_built_is_explained(
    objects: list[Any], inner: dict[str, Any], outer: dict[str, Any]
) -> None:
    built = build(objects, inner, outer)
    assume(built is not None)
    assert built  # for the type
    tree, request, rendered = built
    explained = explain(tree, request)

    assert [each.ref for each in explained] == [made.ref for made in rendered.objects]
    for each in explained:
        assert each.file
        assert all(field.set_at or field.edits for field in each.fields)
