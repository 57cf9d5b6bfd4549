from collections.abc import Mapping
from dataclasses import replace

import pytest

from engine.objects.manifests import dump
from engine.render.kustomize import KustomizeError, Options, Reach, build
from engine.render.kustomize.config.specs import DEFAULTS, SORTED_DEFAULTS, Config, merge_configs
from engine.render.kustomize.state import MAX_KUSTOMIZATIONS, Build
from engine.source.tree import MemoryTree

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def built(files: Mapping[str, str], path: str = "", *, root_only: bool = False) -> list[str]:
    tree = MemoryTree({name: text.encode() for name, text in files.items()})
    options = Options(Reach(root_only=root_only))
    return [
        f"{item.kind}/{item.namespace}/{item.name}" for item in build(tree, path, options).resources
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"kustomization.yaml": ""}, "kustomization.yaml: the kustomization is empty"),
        (
            {"kustomization.yaml": "resource: [a]"},
            r"kustomization.yaml:1: resource: unknown field; did you mean `resources`\?",
        ),
        (
            {"kustomization.yaml": "namePrefix: 5"},
            r"kustomization.yaml:1: namePrefix: expected text, got a number: put it in quotes",
        ),
        ({"kustomization.yaml": "kind: Foo\nnamePrefix: x"}, "kind: should be .* got 'Foo'"),
        (
            {"kustomization.yaml": "apiVersion: v2\nnamePrefix: x"},
            "should be .*v1beta1 for kind .*, got 'v2'",
        ),
        ({"kustomization.yaml": "x", "kustomization.yml": "x"}, "multiple kustomization files"),
        ({"x.yaml": ""}, "unable to find one of 'kustomization.yaml', 'kustomization.yml'"),
        ({"kustomization.yaml": "resources: [.]"}, "cycle detected"),
        ({"kustomization.yaml": "resources: [a..b]"}, "no such file 'a..b'"),
        ({"kustomization.yaml": "resources: [../x]"}, "leads out of the source"),
        ({"kustomization.yaml": "resources: [/etc/passwd]"}, "is absolute"),
        ({"kustomization.yaml": "helmCharts: [{name: x}]"}, "helmCharts are not supported"),
        (
            {
                "kustomization.yaml": "generators: [g.yaml]",
                "g.yaml": CONFIG_MAP.replace("v1", "x/v1"),
            },
            "unable to load external plugin 'ConfigMap'",
        ),
        (
            {
                "kustomization.yaml": "resources: [a.yaml, b.yaml]",
                "a.yaml": CONFIG_MAP,
                "b.yaml": CONFIG_MAP,
            },
            r"already registered id: .*: b.yaml:1 repeats a.yaml:1",
        ),
        (
            {
                "kustomization.yaml": "resources: [a.yaml]\npatches: [{patch: 'x'}]",
                "a.yaml": CONFIG_MAP,
            },
            "unable to parse SM or JSON patch",
        ),
        (
            {
                "kustomization.yaml": "resources: [a.yaml]\npatches:\n"
                "- target: {name: a}\n  patch: '- {op: remove, path: /data/x}'",
                "a.yaml": CONFIG_MAP,
            },
            r"JSON patch of .*\(a.yaml:1\): operation 0 \(remove /data/x\)",
        ),
    ],
)
def test_what_is_wrong_is_named(files: dict[str, str], message: str) -> None:
    with pytest.raises(KustomizeError, match=message):
        built(files)


def test_a_cycle_is_shown_as_a_chain() -> None:
    files = {
        "a/kustomization.yaml": "resources: [../b]",
        "b/kustomization.yaml": "resources: [../a]",
    }

    with pytest.raises(KustomizeError, match=r"cycle detected.*: a -> b -> a"):
        built(files, "a")


def test_files_outside_of_the_folder_are_only_read_if_that_is_allowed() -> None:
    files = {"apps/kustomization.yaml": "resources: [../a.yaml]", "a.yaml": CONFIG_MAP}

    assert built(files, "apps") == ["ConfigMap//a"]
    with pytest.raises(KustomizeError, match=r"security; file 'a.yaml' is not in or below 'apps'"):
        built(files, "apps", root_only=True)


def test_names_are_repaired_through_the_layers() -> None:
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n"
        "  - name: c\n    envFrom: [{configMapRef: {name: a}}]\n"
    )
    files = {
        "base/kustomization.yaml": "resources: [a.yaml, p.yaml]\nnamePrefix: b-\n",
        "base/a.yaml": CONFIG_MAP,
        "base/p.yaml": pod,
        "top/kustomization.yaml": "resources: [../base]\nnameSuffix: -t\nnamespace: prod\n",
    }
    tree = MemoryTree({name: text.encode() for name, text in files.items()})

    config, made = build(tree, "top", Options(Reach(root_only=False))).resources

    assert (config.name, config.namespace) == ("b-a-t", "prod")
    reference = made.obj["spec"]["containers"][0]["envFrom"][0]["configMapRef"]
    assert reference == {"name": "b-a-t"}


def test_a_generated_config_map_has_the_hash_that_kustomize_gives_it() -> None:
    literals = "[fruit=Indian Gooseberry, year=2020, crisis=true]"
    kustomization = f"configMapGenerator: [{{name: bob, literals: {literals}}}]"

    assert built({"kustomization.yaml": kustomization}) == ["ConfigMap//bob-79t79mt227"]


def test_an_error_does_not_quote_what_may_be_secret() -> None:
    files = {
        "kustomization.yaml": "resources: [s.yaml]\npatches:\n"
        "- target: {name: s}\n  patch: '- {op: remove, path: /stringData/x}'",
        "s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: hunter2}",
    }

    with pytest.raises(KustomizeError, match=r"patches\[0\]: JSON patch") as caught:
        built(files)

    assert "hunter2" not in str(caught.value)


def test_an_annotation_keeps_the_spelling_of_a_number() -> None:
    text = CONFIG_MAP.replace("{name: a}", "{name: a, annotations: {v: 1.10, d: 2024-01-02}}")
    tree = MemoryTree({"kustomization.yaml": b"resources: [a.yaml]", "a.yaml": text.encode()})

    (made,) = build(tree, "", Options()).resources

    assert made.obj["metadata"]["annotations"] == {"v": "1.10", "d": "2024-01-02"}


@pytest.mark.parametrize("field", ["patchesStrategicMerge", "transformers", "generators"])
@pytest.mark.parametrize("text", ["kind: Secret\n  data: {a: hunter2", "{data: {a: hunter2}"])
def test_yaml_in_place_that_is_malformed_is_not_taken_for_a_path(field: str, text: str) -> None:
    files = {"kustomization.yaml": dump({"resources": ["a.yaml"], field: [text]})}

    with pytest.raises(KustomizeError, match=rf"kustomization.yaml:.*{field}\[0\]:\d: ") as caught:
        built({**files, "a.yaml": CONFIG_MAP})

    assert "hunter2" not in str(caught.value)


def test_an_entry_of_a_list_on_one_line_is_found_in_its_line() -> None:
    with pytest.raises(KustomizeError, match=r"^kustomization.yaml:2: resource 'a.yaml': no such"):
        built({"kustomization.yaml": "namePrefix: aa.yaml\nresources: [a.yaml]"})


def test_kustomizations_that_name_each_other_twice_end_at_a_limit() -> None:
    shared = Build(entered=MAX_KUSTOMIZATIONS)

    with pytest.raises(KustomizeError, match="more than 10,000 kustomizations"):
        shared.enter()


def test_the_defaults_merged_are_what_the_short_cut_says() -> None:
    twice = merge_configs(Config(), replace(SORTED_DEFAULTS))

    assert twice == merge_configs(Config(), DEFAULTS) == merge_configs(twice, DEFAULTS)
    assert merge_configs(SORTED_DEFAULTS, DEFAULTS) is SORTED_DEFAULTS
