"""Where the fields of a build come from."""

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from engine.api.applier import CommonMetadata, Patch, Selector
from engine.render import Request, render
from engine.render.explanation import ABSENT, Explained, Explainer, Field, explain
from engine.render.kustomize.provenance_items import paired
from engine.render.kustomize.provenance_tree import Node, Setter, followed, planted
from engine.source.tree import MemoryTree
from tests.support.kustomized import FILES

STEP = Setter("Step", "entry", "k.yaml:1")
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: one\n"
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - name: web
    image: web
    ports:
    - {containerPort: 80, protocol: TCP}
  - name: log
    image: log
"""
ADD = '[{"op": "add", "path": "/data/new", "value": "v"}]'
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: hunter2}\n"


def explained(files: dict[str, str], request: Request | None = None, **how: Any) -> list[Explained]:
    tree = MemoryTree({name: text.encode() for name, text in files.items()})
    return explain(tree, request or Request(), how=Explainer(**how))


def field(files: dict[str, str], path: str, request: Request | None = None, **how: Any) -> Field:
    """The field of the first object."""
    return next(each for each in explained(files, request, **how)[0].fields if each.path == path)


def story(found: Field) -> list[str]:
    """`place entry`, the manifest first."""
    edits = [f"{edit.place} {edit.by.entry}" for edit in found.edits]
    return [*([found.place] if found.place else []), *edits]


def test_an_object_knows_its_document_and_the_chain_that_led_to_it() -> None:
    files = {
        "kustomization.yaml": "components:\n- c\nresources:\n- b\n",
        "b/kustomization.yaml": "resources:\n- all.yaml\n",
        "b/all.yaml": f"# empty\n---\n{POD}---\n{MAP}",
        "c/kustomization.yaml": (
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [m.yaml]\n"
        ),
        "c/m.yaml": MAP.replace("name: a", "name: b"),
    }
    one, two, three = explained(files)

    assert (one.origin, one.document) == ("b/all.yaml:3", 1)
    assert (two.origin, two.document) == ("b/all.yaml:15", 2)
    assert [(layer.place, layer.entry) for layer in two.layers] == [
        ("kustomization.yaml:4", "resources[0] 'b'"),
        ("b/kustomization.yaml:2", "resources[0] 'all.yaml'"),
    ]
    assert [layer.place for layer in three.layers] == [
        "kustomization.yaml:2",
        "c/kustomization.yaml:3",
    ]


def test_a_folder_without_a_kustomization_is_a_layer_without_a_line() -> None:
    (one,) = explained({"app/x/map.yaml": MAP}, Request(path="app"))

    assert one.origin == "app/x/map.yaml:1"
    assert [(layer.place, layer.entry) for layer in one.layers] == [
        ("", "all manifests below './app'")
    ]


def test_an_item_of_a_list_has_its_own_line() -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n" + "".join(
        f"- apiVersion: v1\n  kind: ConfigMap\n  metadata: {{name: {name}}}\n" for name in "ab"
    )
    _, second = explained({"list.yaml": text})

    assert second.origin == "list.yaml:7"
    assert second.place(".metadata.name") == "list.yaml:9"


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        (MAP, ".data.x", "a.yaml:6"),
        (f"\ufeff{MAP}".replace("\n", "\r\n"), ".data.x", "a.yaml:6"),
        (
            '{"apiVersion": "v1", "kind": "ConfigMap",\n "metadata": {"name": "a"},\n'
            ' "data": {"x": "1"}}',
            ".data.x",
            "a.yaml:3",
        ),
        (MAP.replace("x: one", "y: one"), ".data.y", "a.yaml:6"),
        (MAP.replace("x: one", "<<: &base {x: one}"), ".data.x", "a.yaml:6"),
    ],
)
def test_a_field_that_nothing_sets_has_its_line_in_the_manifest(
    text: str, path: str, place: str
) -> None:
    assert story(field({"a.yaml": text}, path)) == [place]


def test_an_item_keeps_its_line_when_others_come_before_it() -> None:
    patch = POD.replace("name: web\n    image: web", "name: first\n    image: first")
    files = {
        "kustomization.yaml": "resources: [pod.yaml]\npatches:\n- path: patch.yaml\n",
        "pod.yaml": POD,
        "patch.yaml": patch.partition("  - name: log")[0],
    }

    assert story(field(files, ".spec.containers[log].image")) == ["pod.yaml:11"]
    assert story(field(files, ".spec.containers[first].image")) == ["patch.yaml:7 patches[0]"]


def test_every_layer_that_sets_a_field_is_told_in_order() -> None:
    files = {
        "kustomization.yaml": (
            "resources: [b]\npatchesStrategicMerge:\n- |\n"
            "  apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n  data:\n    x: three\n"
            "replacements:\n- source: {kind: ConfigMap, fieldPath: metadata.name}\n"
            "  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.x]}]\n"
        ),
        "b/kustomization.yaml": (
            "resources: [map.yaml]\n"
            "patchesJson6902:\n- target: {version: v1, kind: ConfigMap, name: a}\n"
            '  patch: \'[{"op": "replace", "path": "/data/x", "value": "two"}]\'\n'
        ),
        "b/map.yaml": MAP,
    }
    found = field(files, ".data.x")

    assert story(found) == [
        "b/map.yaml:6",
        "b/kustomization.yaml:3 patchesJson6902[0]",
        "kustomization.yaml:8 patchesStrategicMerge[0]",
        "kustomization.yaml:10 replacements[0]",
    ]
    assert [(edit.old, edit.new) for edit in found.edits] == [
        ("one", "two"),
        ("two", "three"),
        ("three", "a"),
    ]


def test_a_generator_that_merges_leaves_what_it_does_not_set() -> None:
    files = {
        "kustomization.yaml": (
            "resources: [map.yaml]\nconfigMapGenerator:\n- name: a\n  behavior: merge\n"
            "  envs: [e.env]\n  files: [f.txt]\n"
        ),
        "map.yaml": MAP,
        "e.env": "# c\ny=2\n",
        "f.txt": "text",
    }

    assert story(field(files, ".data.x")) == ["map.yaml:6"]
    assert story(field(files, ".data.y")) == ["e.env:2 configMapGenerator[0]"]
    assert story(field(files, ".data.f.txt")) == ["f.txt configMapGenerator[0]"]


def test_vars_and_configured_transformers_are_named() -> None:
    files = {
        "kustomization.yaml": (
            "resources: [pod.yaml]\nvars:\n- name: NAME\n  objref: {apiVersion: v1, kind: Pod, "
            "name: a}\ntransformers:\n- t.yaml\n- |\n  apiVersion: builtin\n"
            "  kind: AnnotationsTransformer\n  metadata: {name: n}\n  annotations: {k: v}\n"
            "  fieldSpecs: [{path: metadata/annotations, create: true}]\n"
        ),
        "pod.yaml": POD.replace("image: web", "image: web\n    args: [$(NAME)]"),
        "t.yaml": (
            "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: l}\nlabels: {a: b}\n"
            "fieldSpecs: [{path: metadata/labels, create: true}]\n"
        ),
    }

    assert story(field(files, ".spec.containers[web].args[0]")) == [
        "pod.yaml:8",
        "kustomization.yaml:3 vars[0]",
    ]
    assert story(field(files, ".metadata.labels.a")) == ["t.yaml:1 LabelTransformer/l"]
    assert story(field(files, ".metadata.annotations.k")) == [
        "kustomization.yaml:7 transformers[1]"
    ]


def test_what_flux_adds_is_named_by_the_field_of_its_spec() -> None:
    request = Request(
        target_namespace="prod",
        name_prefix="p-",
        common_metadata=CommonMetadata(labels={"t": "u"}),
        patches=(Patch(patch=ADD, target=Selector(kind="ConfigMap")),),
        variables={"v": "w"},
    )
    files = {"map.yaml": MAP.replace("one", "a-${v}")}

    assert story(field(files, ".metadata.namespace", request)) == [" spec.targetNamespace"]
    assert story(field(files, ".metadata.name", request)) == ["map.yaml:4", " spec.namePrefix"]
    assert story(field(files, ".metadata.labels.t", request)) == [" spec.commonMetadata.labels"]
    assert story(field(files, ".data.new", request)) == [" spec.patches[0]"]
    assert story(field(files, ".data.x", request)) == ["map.yaml:6", " postBuild ${v}"]


def test_a_value_of_a_secret_is_in_no_explanation() -> None:
    copying = (
        "resources: [all.yaml]\nreplacements:\n"
        "- source: {kind: Secret, name: s, fieldPath: stringData.p}\n"
        "  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.x]}]\n"
        "secretGenerator:\n- {name: g, literals: [q=hunter3]}\n"
        "patches:\n- patch: |\n    {apiVersion: v1, kind: Secret, metadata: {name: s}, "
        "stringData: {p: hunter4}}\n"
    )
    files = {"kustomization.yaml": copying, "all.yaml": f"{MAP}---\n{SECRET}"}
    told = repr(explained(files))

    assert "data.p" in told
    assert story(next(f for f in explained(files)[1].fields if f.path == ".data.p"))[0] == (
        "all.yaml:11"
    )
    for secret in ("hunter", "aHVudGVy"):
        assert secret not in told


@pytest.mark.parametrize("more", ["", "data: {q: aQ==, p: b2xk}\n"])
def test_a_text_of_a_secret_is_where_the_manifest_has_it(more: str) -> None:
    labels = CommonMetadata(labels={"team": "a"})
    request = Request(common_metadata=labels)
    files = {"secret.yaml": f"{SECRET.replace('{p', '{n: x, p')}{more}"}

    found = field(files, ".data.p", request)

    assert (found.set_at, found.value) == ("secret.yaml:4", "***")
    assert [edit.by.kind for edit in found.edits] == ["Normalisation"]


def test_a_text_of_a_secret_that_a_variable_fills_is_where_the_manifest_has_it() -> None:
    request = Request(variables={"v": "hunter"}, common_metadata=CommonMetadata(labels={"a": "b"}))
    found = field({"secret.yaml": SECRET.replace("hunter2", "'${v}'")}, ".data.p", request)

    assert [edit.by.kind for edit in found.edits] == ["Substitution", "Normalisation"]
    assert found.set_at == "secret.yaml:4"


def test_texts_of_a_secret_that_are_none_stay_where_they_are() -> None:
    text = SECRET.replace("hunter2", "[1]")

    assert field({"secret.yaml": text}, ".stringData.p[0]").set_at == "secret.yaml:4"


def test_the_value_of_a_hidden_variable_is_in_no_explanation() -> None:
    request = Request(variables={"v": "w!", "other": "shown"})
    files = {"map.yaml": MAP.replace("one", "${v}${other}")}
    found = field(files, ".data.x", request, hidden={"v"})

    assert found.value == "***"
    assert [(edit.by.variables, edit.old, edit.new) for edit in found.edits] == [
        (("v", "other"), "${v}${other}", "***")
    ]


def test_a_field_that_was_removed_says_by_whom() -> None:
    files = {
        "kustomization.yaml": (
            "resources: [map.yaml]\npatches:\n- patch: |-\n    apiVersion: v1\n"
            "    kind: ConfigMap\n    metadata: {name: a}\n    data:\n      x: null\n"
        ),
        "map.yaml": f"{MAP}  y: two\n",
    }
    found = field(files, ".data.x")

    assert (found.before, found.value, found.set_at) == ("one", ABSENT, "kustomization.yaml:8")


def test_asking_changes_neither_the_build_nor_what_it_reads() -> None:
    tree = MemoryTree(FILES)
    request = Request(path="overlay")
    before = render(tree, request)
    refs = [each.ref for each in explain(tree, request)]

    assert refs == [made.ref for made in before.objects]
    assert render(tree, request) == before


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (["a", "b"], ["b", "a"], [1, 0]),
        (["a", "b"], ["x", "a", "b"], [None, 0, 1]),
        (["a"], ["b"], [0]),
        ([{"name": "a", "v": 1}], [{"name": "b"}, {"name": "a", "v": 2}], [None, 0]),
        ([{"name": "a"}], [{"name": "b"}], [0]),
        ([{"containerPort": 1}, {"containerPort": 2}], [{"containerPort": 2, "x": 1}], [1]),
        ([1, 1], [1], [0]),
        ([True], [1], [0]),
    ],
)
def test_items_are_followed_by_value_then_by_key_then_by_place(
    old: list[Any], new: list[Any], wanted: list[int | None]
) -> None:
    assert paired(old, new) == wanted


def test_a_field_that_comes_back_has_its_story_again() -> None:
    def author(*_: object) -> tuple[Setter, str]:
        return STEP, ""

    node: Node = planted({"a": 1, "b": [2]}, lambda path: f"f:{len(path)}")
    for value in ({"b": []}, {"a": 3, "b": {"c": None}}):
        node = followed(node, value, author)

    assert node.plain() == {"a": 3, "b": {"c": None}}
    assert isinstance(node.below, dict)
    again = node.below["a"]
    assert (again.place, [(edit.old, edit.new) for edit in again.edits]) == (
        "f:1",
        [(1, ABSENT), (ABSENT, 3)],
    )


def test_a_build_that_is_not_asked_runs_nothing_of_this() -> None:
    ran: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            ran.add(Path(frame.f_code.co_filename).stem)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        render(MemoryTree(FILES), Request(path="overlay"))
    finally:
        sys.setprofile(before)

    assert "target" in ran
    assert not {name for name in ran if name.startswith(("provenance", "stories", "explan"))}
