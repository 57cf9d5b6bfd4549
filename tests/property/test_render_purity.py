"""Rendering changes nothing that it is given: documents may be shared between builds."""

from collections.abc import Sequence
from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st

from engine.render.generate import Request
from engine.render.kustomize import Options, Reach, Resource, build
from engine.render.kustomize.model.reading import Document, read
from engine.render.pipeline import render
from engine.source.tree import MemoryTree
from tests.support.kustomized import FILES

ENTRIES = (
    "- {target: {kind: Deployment}, patch: '- {op: replace, path: /spec/replicas, value: 7}'}",
    "- {target: {kind: Widget}, patch: '- {op: copy, from: /spec/parts/0, path: /spec/p}'}",
    "- {target: {kind: Deployment}, patch: '{kind: x, metadata: {name: x}, spec: {x: y}}'}",
    "- {target: {kind: ServiceAccount}, patch: '{kind: x, metadata: {name: x}, $patch: delete}'}",
)
KUSTOMIZATIONS = st.lists(st.sampled_from(ENTRIES), unique=True).map(
    lambda entries: "\n".join(["resources: [../overlay]", "patches:", *entries])
)


class Remembered:
    """Reads each file once, and gives the same documents again: what a cache would do."""

    def __init__(self) -> None:
        self.known: dict[tuple[bytes, str], list[Document]] = {}
        self.first: dict[tuple[bytes, str], list[Document]] = {}

    def __call__(self, content: bytes, file: str) -> Sequence[Document]:
        key = (content, file)
        if key not in self.known:
            self.known[key] = read(content, file)
            self.first[key] = deepcopy(self.known[key])
        return self.known[key]


def texts(resources: Sequence[Resource]) -> list[str]:
    return [f"{item.position} {item.obj}" for item in resources]


@given(KUSTOMIZATIONS)
def test_two_builds_from_the_same_documents_give_the_same_and_leave_them_alone(top: str) -> None:
    tree = MemoryTree({**FILES, "top/kustomization.yaml": top.encode()})
    remembered = Remembered()
    options = Options(Reach(root_only=False, parse=remembered))

    built = [texts(build(tree, "top", options).resources) for _ in range(2)]

    assert (
        built[0] == built[1] == texts(build(tree, "top", Options(Reach(root_only=False))).resources)
    )
    assert remembered.known == remembered.first
    assert len(remembered.known) > 2


def test_what_is_built_shares_nothing_with_the_documents() -> None:
    remembered = Remembered()
    options = Options(Reach(root_only=False, parse=remembered))

    for resource in build(MemoryTree(FILES), "overlay", options).resources:
        resource.obj["metadata"].clear()
        for value in resource.obj.values():
            if isinstance(value, dict):
                value.clear()

    assert remembered.known == remembered.first


def test_a_request_can_be_rendered_again() -> None:
    request, tree = Request(path="overlay"), MemoryTree(FILES)

    assert render(tree, request) == render(tree, request)
