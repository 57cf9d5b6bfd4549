"""What a repository cannot do: read what is outside of it, or hold a builder for ever."""

import itertools
from pathlib import Path

import pytest

from engine.errors import BuildFailed
from engine.render import Request, render
from engine.render.kustomize import KustomizeError, Options, Reach, build
from engine.source.folder import FolderTree
from engine.source.tree import MemoryTree

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
COMPONENT = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: 1, template: {spec: {containers: [{name: NAME, image: nginx}]}}}
"""


def built(kustomization: str, **files: str | bytes) -> int:
    """How many objects; `a` is the ConfigMap, names of files have `_` for `/`."""
    every = {"a": CONFIG, "kustomization.yaml": kustomization, **files}
    contents = {
        path.replace("_", "/"): text if isinstance(text, bytes) else text.encode()
        for path, text in every.items()
    }
    return len(render(MemoryTree(contents), Request()).objects)


def bomb(levels: int = 9) -> str:
    """A few lines of aliases that mean 10^levels values."""
    more = (f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 10)}]\n" for n in range(1, levels))
    return "b0: &b0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(more)


def tower(kind: str, field: str) -> dict[str, str]:
    """Eight layers, each of which names the next ten times by two names."""
    layers = {
        f"l{n}_kustomization.yaml": kind + f"{field}:\n" + f"- ../l{n + 1}\n" * 10 for n in range(7)
    }
    return {**layers, "l7_kustomization.yaml": kind + "namePrefix: x-\nresources: []\n"}


OUTSIDE = [
    "resources: [../../etc/passwd]",
    "resources: [/etc/passwd]",
    "resources: [a/../../etc]",
    "components: [../outside]",
    "bases: [../outside]",
    "crds: [../crd.json]",
    "configurations: [../config.yaml]",
    "openapi: {path: ../openapi.json}\nresources: [a]",
    "configMapGenerator: [{name: x, files: [../secret]}]",
    "configMapGenerator: [{name: x, files: [key=/etc/passwd]}]",
    "secretGenerator: [{name: x, envs: [../../env]}]",
    "resources: [a]\npatches: [{path: ../patch.yaml}]",
    "resources: [a]\npatchesStrategicMerge: [../patch.yaml]",
    "resources: [a]\npatchesJson6902: [{path: ../p.yaml, target: {name: a}}]",
    "resources: [a]\nreplacements: [{path: ../replacements.yaml}]",
    "resources: [a]\ntransformers: [../transformer.yaml]",
    "resources: [a]\nvalidators: [../validator.yaml]",
    "generators: [../generator.yaml]",
]


@pytest.mark.parametrize("kustomization", OUTSIDE)
def test_no_field_leads_out_of_the_source(kustomization: str) -> None:
    with pytest.raises(BuildFailed, match=r"leads out of the source|is outside of the source"):
        built(kustomization)


@pytest.mark.parametrize(
    "kustomization", [each for each in OUTSIDE if "../../" not in each and "bases" not in each]
)
def test_no_file_outside_of_the_folder_is_read_where_loads_are_restricted(
    kustomization: str,
) -> None:
    files = {
        "app/kustomization.yaml": kustomization.encode(),
        "app/a": CONFIG.encode(),
        **{
            f"{name}.yaml": CONFIG.encode()
            for name in ("patch", "p", "config", "transformer", "validator", "generator")
        },
        **dict.fromkeys(("crd.json", "openapi.json", "secret", "replacements.yaml"), b"{}"),
    }

    with pytest.raises(KustomizeError, match=r"security; file|is absolute|no such file or folder"):
        build(MemoryTree(files), "app", Options(Reach(root_only=True)))


def test_a_link_is_not_followed_wherever_it_leads(tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text(CONFIG)
    root = tmp_path / "source"
    root.mkdir()
    (root / "kustomization.yaml").write_text("resources: [out.yaml, in.yaml, loop.yaml]")
    (root / "real.yaml").write_text(CONFIG)
    for name, target in (("out", "../outside"), ("in", "real"), ("loop", "loop")):
        (root / f"{name}.yaml").symlink_to(f"{target}.yaml")

    with pytest.raises(BuildFailed) as caught:
        render(FolderTree(root), Request())

    for name in ("out", "in", "loop"):
        assert f"no such file '{name}.yaml'" in str(caught.value)


@pytest.mark.parametrize(
    ("cause", "kustomization", "files"),
    [
        (
            "more than 10,000 kustomizations",
            "components: [l0]",
            tower(COMPONENT, "components"),
        ),
        ("more than 100000 nodes after aliases", "resources: [b]", {"b": CONFIG + bomb()}),
        ("excessive aliasing: more than 100,000 nodes", bomb() + "resources: [a]", {}),
        (
            "more than 100000 nodes after aliases",
            "resources: [a]\npatches: [{path: p}]",
            {"p": CONFIG + bomb()},
        ),
        ("nested deeper than 100", "resources: [b]", {"b": CONFIG + "x: " + "[" * 10_000}),
        ("nested deeper than 100", "resources: [b]", {"b": CONFIG + "x: " + "{a: " * 10_000}),
        ("nested more than 100 levels deep", "resources: " + "[" * 10_000, {}),
        ("more than 100000 documents", "resources: [b]", {"b": "---\n" * 1_000_000}),
        (
            "more than 100000 values",
            "resources: [a]\npatches: [{path: p, target: {name: a}}]",
            {
                "p": "- {op: add, path: /x, value: {a: b}}\n"
                + "".join(f"- {{op: copy, from: /x, path: /x/k{n}}}\n" for n in range(60))
            },
        ),
        (
            r"replacements\[\d+\]: .* has more than 100000 nodes",
            "resources: [a]\nreplacements:\n"
            "- sourceValue: x\n"
            "  targets: [{select: {name: a}, options: {create: true}, fieldPaths: [data.k]}]\n"
            + "".join(
                "- source: {kind: ConfigMap, fieldPath: data}\n  targets: [{select: {name: a}, "
                f"options: {{create: true}}, fieldPaths: [data.k{n}]}}]\n"
                for n in range(60)
            ),
            {},
        ),
        (
            r"replacements\[\d+\]: a text becomes longer than 8,388,608 characters",
            "resources: [b]\nreplacements:\n"
            + (
                "- source: {kind: ConfigMap, fieldPath: data.a}\n  targets: [{select: {name: a}, "
                "options: {delimiter: x, index: 0}, fieldPaths: [data.a]}]\n"
            )
            * 60,
            {"b": CONFIG + "data: {a: axxb}\n"},
        ),
        (
            "a text becomes longer than 8,388,608 characters",
            "resources: [b]\nvars:\n- name: V\n"
            "  objref: {apiVersion: v1, kind: ConfigMap, name: a}\n"
            "  fieldref: {fieldpath: metadata.annotations.k}\n",
            {"b": CONFIG + f"  annotations:\n    k: {'x' * 10_000}\n    l: {'$(V)' * 10_000}\n"},
        ),
        (
            "a text becomes longer than 8,388,608 characters",
            "namePrefix: " + "x" * 5_000_000 + "\nresources: [l]",
            {
                "l_kustomization.yaml": "resources: [a]\nnamePrefix: " + "x" * 5_000_000,
                "l_a": CONFIG,
            },
        ),
        (
            "a path has more than 100 parts",
            "resources: [a]\nreplacements:\n- sourceValue: x\n  targets: [{select: {name: a}, "
            f"options: {{create: true}}, fieldPaths: [{'.'.join('a' * 10_000)}]}}]\n",
            {},
        ),
        ("is longer than 4,096 characters", f"resources: [{'a/' * 100_000}a]", {}),
        (
            "refers to itself",
            "crds: [c]\nresources: [a]",
            {
                "c": '{"A": {"schema": {"properties": {"kind": {}, "apiVersion": {}, '
                '"metadata": {}, "x": {"$ref": "A"}}}}}'
            },
        ),
        (
            "leads to more than 100000 fields",
            "crds: [c]\nresources: [a]",
            {
                "c": "{"
                + ", ".join(
                    f'"A{n}": {{"schema": {{"properties": {{"kind": {{}}, "apiVersion": {{}}, '
                    '"metadata": {}, '
                    + ", ".join(f'"x{i}": {{"$ref": "A{n + 1}"}}' for i in range(10))
                    + "}}}"
                    for n in range(9)
                )
                + "}"
            },
        ),
    ],
    ids=map(str, itertools.count()),
)
@pytest.mark.slow
def test_what_would_take_for_ever_ends_with_its_cause(
    cause: str, kustomization: str, files: dict[str, str]
) -> None:
    with pytest.raises(BuildFailed, match=cause) as caught:
        built(kustomization, **files)

    assert len(str(caught.value)) < 50_000


@pytest.mark.parametrize(
    ("kustomization", "files"),
    [
        (
            "resources: [b]\npatches: [{target: {name: (a+)+c}, path: p}]",
            {
                "b": CONFIG.replace("name: a", "name: " + "a" * 200),
                "p": "- {op: remove, path: /x}",
            },
        ),
        (
            "resources: [d]\nimages: [{name: (a+)+c, newTag: b}]",
            {"d": DEPLOYMENT.replace("nginx", "a" * 200)},
        ),
        (
            "resources: [d]\nreplacements: [{sourceValue: x, targets: [{select: {kind: (D+)+c}, "
            "fieldPaths: ['spec.template.spec.containers.[name=(a+)+c].image']}]}]",
            {"d": DEPLOYMENT.replace("NAME", "a" * 200)},
        ),
    ],
)
def test_no_expression_of_a_user_backtracks(kustomization: str, files: dict[str, str]) -> None:
    assert built(kustomization, **files) == 1


def test_a_schema_that_refers_to_itself_says_nothing() -> None:
    schema = (
        '{"definitions": {"A": {"properties": {"x": {"$ref": "#/definitions/B"}}, '
        '"x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "ConfigMap"}]},'
        ' "B": {"$ref": "#/definitions/B"}}}'
    )

    kustomization = "openapi: {path: s}\nresources: [a]\npatches: [{path: p}]"

    assert built(kustomization, s=schema, p=CONFIG + "x: {y: 1}\n") == 1


def test_many_problems_are_found_in_one_reading_of_the_file() -> None:
    with pytest.raises(BuildFailed, match=r"resources\[0\]: expected text") as caught:
        built("resources:\n" + "- {}\n" * 20_000)

    assert str(caught.value).endswith("and more like these")
