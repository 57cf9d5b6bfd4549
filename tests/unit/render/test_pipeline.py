from typing import Any

import pytest

from engine.api.applier import CommonMetadata, Patch, Selector
from engine.api.decode import decode
from engine.api.kustomize import Kustomization
from engine.errors import ArtifactFailed, BuildFailed
from engine.objects.manifests import dump
from engine.render import Lacking, Remotes, Request, render
from engine.source.tree import MemoryTree


def config_map(name: str, **data: str) -> str:
    lines = "".join(f"  {key}: {value}\n" for key, value in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n{lines}"


def tree(files: dict[str, str]) -> MemoryTree:
    return MemoryTree({path: text.encode() for path, text in files.items()})


def objects(files: dict[str, str], request: Request | None = None) -> list[dict[str, Any]]:
    return [dict(made.obj) for made in render(tree(files), request or Request()).objects]


def test_a_plain_folder_renders_in_file_order_with_its_origins() -> None:
    files = {"b.yaml": config_map("b"), "a.yaml": config_map("a") + "---\n" + config_map("c")}

    rendered = render(tree(files), Request(target_namespace="prod"))

    assert [(str(made.ref), made.origin) for made in rendered.objects] == [
        ("ConfigMap/prod/a", "a.yaml:1"),
        ("ConfigMap/prod/c", "a.yaml:7"),
        ("ConfigMap/prod/b", "b.yaml:1"),
    ]


def test_the_digest_is_that_of_the_yaml_stream() -> None:
    one = render(tree({"a.yaml": config_map("a", x="1")}), Request())
    same = render(tree({"a.yaml": "# a comment\n" + config_map("a", x="1")}), Request())
    other = render(tree({"a.yaml": config_map("a", x="2")}), Request())

    assert one.digest == same.digest != other.digest
    assert one.digest.startswith("sha256:")


def test_variables_are_replaced_and_typed_anew() -> None:
    files = {"a.yaml": config_map("a", x="${x}", y="'${x}'")}

    (made,) = objects(files, Request(variables={"x": "5"}))

    assert made["data"] == {"x": 5, "y": 5}


@pytest.mark.parametrize(
    ("field", "value"),
    [("labels", "disabled"), ("annotations", "disabled"), ("annotations", "Disabled")],
)
def test_substitution_can_be_turned_off_for_an_object(field: str, value: str) -> None:
    text = config_map("a", x="${x}").replace(
        "\ndata:", f"\n  {field}:\n    kustomize.toolkit.fluxcd.io/substitute: {value}\ndata:"
    )

    (made,) = objects({"a.yaml": text}, Request(variables={"x": "5"}))

    assert made["data"] == {"x": "${x}"}


@pytest.mark.parametrize(
    ("variables", "always", "wanted"),
    [(None, False, "${x:=d}"), ({}, False, "${x:=d}"), ({}, True, "d"), ({"y": ""}, False, "d")],
)
def test_substitution_needs_variables_or_the_strategy_always(
    variables: dict[str, str] | None, always: bool, wanted: str
) -> None:
    request = Request(variables=variables, always=always)

    (made,) = objects({"a.yaml": config_map("a", x="${x:=d}")}, request)

    assert made["data"]["x"] == wanted


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"y": "1"},
            r"post build failed for ConfigMap/a \(a.yaml:1\): .*\"x\" at a.yaml:6: data.x",
        ),
        ({"not-a-name": "1"}, "'not-a-name' var name is invalid"),
        ({"x": "{"}, "YAMLToJSON"),
    ],
)
def test_a_failed_substitution_names_the_object_and_the_cause(
    variables: dict[str, str], message: str
) -> None:
    with pytest.raises(BuildFailed, match=message):
        objects({"a.yaml": config_map("a", x="${x}")}, Request(variables=variables))


def test_an_encrypted_object_is_marked_and_left_alone() -> None:
    text = config_map("a", x="${x}") + "sops:\n  mac: ENC\n"

    (made,) = render(tree({"a.yaml": text}), Request(variables={"x": "1"})).objects

    assert made.encrypted
    assert made.obj["data"] == {"x": "${x}"}


def test_lists_are_expanded_and_kustomizations_dropped() -> None:
    items = '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}'
    kustomization = (
        "apiVersion: kustomize.config.k8s.io/v1\nkind: Kustomization\nmetadata: {name: k}"
    )

    made = objects(
        {"a.yaml": f"apiVersion: v1\nkind: List\nitems: [{items}]", "b.yaml": kustomization}
    )

    assert [obj["kind"] for obj in made] == ["Secret"]


def test_common_metadata_wins_over_the_objects_own() -> None:
    text = config_map("a").replace("\ndata:", "\n  labels: {a: old, b: kept}\ndata:")
    common = CommonMetadata(labels={"a": "new"}, annotations={"c": "d"})

    (made,) = objects({"a.yaml": text}, Request(common_metadata=common))

    assert made["metadata"]["labels"] == {"a": "new", "b": "kept"}
    assert made["metadata"]["annotations"] == {"c": "d"}


def test_two_objects_of_one_ref_are_reported_with_both_places() -> None:
    other = config_map("a").replace("apiVersion: v1", "apiVersion: v2")

    with pytest.raises(BuildFailed, match=r"ConfigMap/a is there twice: a.yaml:1 and b.yaml:1"):
        objects({"a.yaml": config_map("a"), "b.yaml": other})


def test_patches_of_the_spec_come_after_the_files_own() -> None:
    patch = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: spec}"
    files = {
        "kustomization.yaml": "resources: [a.yaml]\npatches:\n- path: p.yaml\n",
        "a.yaml": config_map("a", x="base"),
        "p.yaml": patch.replace("spec", "file"),
    }

    (made,) = objects(files, Request(patches=(Patch(patch=patch),)))

    assert made["data"] == {"x": "spec"}


def test_the_error_tells_the_chain_the_line_and_the_nearest_name() -> None:
    files = {
        "apps/kustomization.yaml": "resources:\n- ../base\n",
        "base/kustomization.yaml": "resources:\n- service.yaml\n- deploy.yml\n",
        "base/service.yaml": config_map("s"),
        "base/deploy.yaml": config_map("d"),
    }

    with pytest.raises(BuildFailed) as caught:
        objects(files, Request(path="apps"))

    assert str(caught.value) == (
        "kustomize build failed: apps/kustomization.yaml:2: resource '../base': "
        "base/kustomization.yaml:3: resource 'deploy.yml': "
        "no such file 'base/deploy.yml'; there is 'deploy.yaml'"
    )


def test_a_missing_path_is_a_fault_of_the_artifact() -> None:
    with pytest.raises(ArtifactFailed, match="kustomization path not found"):
        objects({}, Request(path="nowhere"))


def test_all_that_a_build_lacks_is_asked_for_at_once_and_used_the_next_time() -> None:
    base, file = "https://git.example.com/org/repo//base?ref=v1", "https://example.com/a.yaml"
    ssh = "git@git.example.com:org/other"
    source = tree({"kustomization.yaml": f"resources:\n- {base}\n- {file}\n- {ssh}\n"})

    with pytest.raises(Lacking) as caught:
        render(source, Request())
    needs = caught.value.needs
    remotes = Remotes(
        bases={
            base: tree(
                {"base/kustomization.yaml": "resources: [x.yaml]", "base/x.yaml": config_map("x")}
            ),
            ssh: tree(
                {
                    "kustomization.yaml": "namePrefix: p-\nresources: [y.yaml]",
                    "y.yaml": config_map("y"),
                }
            ),
        },
        files={file: config_map("f").encode()},
    )
    rendered = render(source, Request(), remotes)

    assert needs.bases | needs.files == {base, file, ssh}
    assert [made.ref.name for made in rendered.objects] == ["x", "f", "p-y"]
    assert rendered.inputs.remotes == {base, file, ssh}


def test_remote_bases_can_be_forbidden() -> None:
    source = {"kustomization.yaml": "resources:\n- https://git.example.com/org/repo//base\n"}

    with pytest.raises(BuildFailed, match=r"kustomization.yaml:2: .*no-remote-bases"):
        objects(source, Request(no_remote_bases=True))


def test_a_request_is_made_of_a_kustomization() -> None:
    ks = decode(
        Kustomization,
        {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": "apps", "namespace": "flux-system"},
            "spec": {
                "interval": "1m",
                "prune": True,
                "path": "./apps",
                "sourceRef": {"kind": "GitRepository", "name": "x"},
                "targetNamespace": "prod",
                "postBuild": {"substituteStrategy": "Always"},
            },
        },
    )

    request = Request.of(ks, {"a": "b"}, strict=False)

    assert request == Request(
        path="./apps", target_namespace="prod", variables={"a": "b"}, always=True, strict=False
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: ConfigMap\nmetadata: {name: a}", "ConfigMap/a: apiVersion is missing"),
        ("apiVersion: 1\nkind: X\nmetadata: {name: a}", "X/a: apiVersion must be text: put it in"),
        ("apiVersion: v1\nkind: X\nmetadata: {name: 5}", "metadata.name must be text"),
        ("apiVersion: v1\nkind: X\nmetadata: {name: a, namespace: 5}", "metadata.namespace must"),
        ("apiVersion: v1\nkind: X\nmetadata: {name: a, labels: [b]}", "metadata.labels must be"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: [b]", "Secret/a: data must be"),
        ("apiVersion: v1\nkind: List\nitems: yes", "a.yaml:1: List/items must be a list"),
    ],
)
def test_what_cannot_be_identified_is_an_error_and_not_left_out(text: str, problem: str) -> None:
    with pytest.raises(BuildFailed, match=problem):
        objects({"a.yaml": text})


@pytest.mark.parametrize("name", ["${x}", "'${x}'", "${n}"])
def test_an_object_that_loses_its_name_to_a_variable_is_an_error(name: str) -> None:
    with pytest.raises(BuildFailed, match=r"\(a.yaml:1\): after substitution metadata.name"):
        objects({"a.yaml": config_map(name)}, Request(variables={"x": "", "n": "5"}))


@pytest.mark.parametrize("value", ["*hunter2", "!!int hunter2", "!!int 'hunt er2'"])
def test_a_value_that_breaks_the_yaml_is_not_told_but_its_variable_is(value: str) -> None:
    with pytest.raises(BuildFailed, match=r"where \$\{secret\} stands: put it in quotes") as caught:
        objects({"a.yaml": config_map("a", x="${secret}")}, Request(variables={"secret": value}))

    assert "hunt" not in str(caught.value)


def test_all_objects_with_an_unset_variable_are_reported() -> None:
    files = {f"{name}.yaml": config_map(name, x="${x}") for name in "abc"}

    with pytest.raises(BuildFailed) as caught:
        objects(files, Request(variables={"y": "1"}))

    assert [line.split(" (")[0] for line in str(caught.value).splitlines()] == [
        f"post build failed for ConfigMap/{name}" for name in "abc"
    ]


def test_each_unset_variable_is_named_with_the_line_and_the_field_that_holds_it() -> None:
    patch = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  z: ${zone}\n"
    files = {
        "kustomization.yaml": "resources: [a.yaml]\npatches:\n- path: p.yaml\n",
        "a.yaml": "# first\n" + config_map("a", x="${regoin}-${regoin}", y="1", **{"k-${id}": "2"}),
        "p.yaml": patch,
    }
    looked_in = "spec.postBuild.substitute", "ConfigMap/ns/vars"

    with pytest.raises(BuildFailed) as caught:
        objects(files, Request(variables={"region": "eu"}, looked_in=looked_in))

    before = "post build failed for ConfigMap/a (a.yaml:2): envsubst error: variable substitution "
    assert str(caught.value).replace(before, "").splitlines() == [
        'failed: variable not set (strict mode): "id" at a.yaml:9: data.k-${id}',
        'failed: variable not set (strict mode): "regoin" at a.yaml:7: data.x; '
        "did you mean 'region'?",
        'failed: variable not set (strict mode): "zone" at p.yaml:5: data.z',
        "variables were looked for in spec.postBuild.substitute, ConfigMap/ns/vars",
    ]


def test_a_value_that_is_no_text_is_an_error_only_where_it_is_used() -> None:
    variables = {"x": "1", "blob": b"\xff".decode(errors="surrogateescape")}
    (made,) = objects({"a.yaml": config_map("a", x="${x}")}, Request(variables=variables))

    assert made["data"] == {"x": 1}
    with pytest.raises(BuildFailed, match=r"\$\{blob\}: its value is not UTF-8 text at a.yaml:6"):
        objects({"a.yaml": config_map("a", x="${blob}")}, Request(variables=variables))


def test_all_files_that_are_wrong_are_reported_and_no_file_that_is_not_there() -> None:
    files = {"apps/a.yaml": "a: b: c", "apps/b.yaml": config_map("b"), "apps/c.yaml": "kind: X"}

    with pytest.raises(BuildFailed) as caught:
        objects(files, Request(path="./apps"))

    assert str(caught.value).splitlines() == [
        "kustomize build failed: apps/a.yaml:1: malformed YAML: "
        "mapping values are not allowed in this context; is it indented as the lines around it, "
        "and is text with ': ' in quotes?",
        "apps/c.yaml:1: missing metadata.name in object of kind 'X'",
    ]


def test_a_long_list_of_problems_is_cut() -> None:
    with pytest.raises(BuildFailed) as caught:
        objects({f"{number:02}.yaml": "kind: X" for number in range(50)})

    assert len(str(caught.value).splitlines()) == 21
    assert str(caught.value).endswith("\nand more like these")


PATCH = Patch(patch="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: gone}")


@pytest.mark.parametrize(
    ("kustomization", "where"),
    [
        ({}, "path './apps' (no kustomization.yaml there: all manifests below it are used)"),
        ({"apps/kustomization.yml": "resources: [a.yaml]"}, "apps/kustomization.yml"),
    ],
)
def test_an_error_of_the_specs_patch_names_it_and_the_users_own_file_or_folder(
    kustomization: dict[str, str], where: str
) -> None:
    with pytest.raises(BuildFailed) as caught:
        objects(
            {"apps/a.yaml": config_map("a"), **kustomization},
            Request(path="apps", patches=(PATCH,)),
        )

    assert str(caught.value).startswith(
        f"kustomize build failed: {where}: spec.patches[0]: no resource matches"
    )
    assert "gone.[noNs] (spec.patches[0]:1)" in str(caught.value)


def test_an_error_of_a_component_of_the_spec_names_the_spec() -> None:
    with pytest.raises(BuildFailed, match=r"failed: spec.components: '../gone': no such file or"):
        objects({"a/a.yaml": config_map("a")}, Request(path="a", components=("../gone",)))


def test_what_is_nested_too_deep_is_an_error_of_the_object() -> None:
    paths = ("/data" + "/x" * depth for depth in range(600))
    operations = [{"op": "add", "path": path, "value": {}} for path in paths]
    patch = Patch(patch=dump(operations), target=Selector(name="a"))

    with pytest.raises(BuildFailed, match="nested too deep"):
        objects({"a.yaml": config_map("a")}, Request(patches=(patch,)))
