import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from engine.rehearsal import rehearsal
from tests.support.checkouts import checkout, cloned, config_map, kustomization, two_clusters

Call: TypeAlias = Callable[..., Any]


def told(call: Call, folder: Path, files: dict[str, str], *more: str) -> tuple[int, list[str]]:
    ended = call("build", "--all", str(checkout(folder, files)), *more)
    return ended.status, ended.out.splitlines()


def test_a_repository_of_two_clusters_is_rendered_with_its_own_variables(
    call: Call, tmp_path: Path
) -> None:
    folder = checkout(tmp_path, two_clusters())
    ended = call("build", "--all", str(folder))
    shown = call("build", "--all", str(folder), "--show-objects")

    assert ended.out == "6 of 6 Kustomizations rendered, 14 objects, 0 errors\n"
    assert ended.status == 0
    assert shown.out.count("region: eu-prod") == 2  # the variable, and where it is used
    assert shown.out.count("region: eu-staging") == 2


def test_a_mistake_is_told_once_at_the_line_to_mend(call: Call, tmp_path: Path) -> None:
    files = two_clusters()
    files |= {
        "apps/prod/kustomization.yaml": "resources: [../twice]\n",
        "apps/twice/kustomization.yaml": "resources:\n- a.yaml\n",
        "apps/twice/a.yaml": config_map("a") + "  x: one\n  x: two\n",
        "unused.yaml": "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nkind: X\n",
    }

    status, lines = told(call, tmp_path, files)

    assert status == 1
    assert [line.partition(": ")[0] for line in lines if line.startswith("✗")] == [
        "✗ apps/twice/a.yaml:6",
        "✗ unused.yaml:3",
    ]
    assert "✗ unused.yaml:3: key 'kind' already set in map" in lines


def test_what_is_not_built_as_there_is_too_much_is_no_success(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "_MOST", 3)

    status, lines = told(call, tmp_path, two_clusters())

    assert status == 1
    assert "✗ there are more than 3 Kustomizations: the others are not built" in lines


def test_a_secrets_value_in_a_wrong_place_is_not_told(call: Call, tmp_path: Path) -> None:
    reference = "  postBuild: {substituteFrom: [{kind: Secret, name: login}]}\n"
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: flux-system}\n"
    child = kustomization("child", "./infra").replace("10m", "${password}")
    files = {
        "clusters/prod/apps.yaml": kustomization("apps", "./apps", reference),
        "clusters/prod/login.yaml": f"{secret}stringData: {{password: hunter2}}\n",
        "apps/child.yaml": child,
    }

    status, lines = told(call, tmp_path, files)

    assert status == 1
    assert "Kustomization/flux-system/child: $.spec.interval: " in lines[0]
    assert "hunter2" not in "".join(lines)


def test_only_what_is_below_the_folder_is_looked_at(call: Call, tmp_path: Path) -> None:
    folder = checkout(tmp_path, two_clusters())
    ended = call("build", "--all", str(folder / "clusters" / "prod"))

    assert ended.out == "3 of 3 Kustomizations rendered, 7 objects, 0 errors\n"


def test_all_that_is_wrong_is_told_together(call: Call, tmp_path: Path) -> None:
    files = two_clusters()
    other = kustomization("other", "./gone", "  dependsOn: [{name: nowhere}]\n")
    files |= {
        "clusters/prod/other.yaml": other.replace("name: flux-system}\n", "name: missing}\n"),
        "clusters/prod/odd.yaml": kustomization("odd", "./infra").replace("10m", "soon"),
        "clusters/staging/infra.yaml": kustomization(
            "infra", "./infra", "  dependsOn: [{name: apps}]\n"
        ),
        "apps/prod/kustomization.yaml": "resources: [../base, ../../infra/ns.yaml]\n",
    }
    files["clusters/prod/other2.yaml"] = kustomization("other2", "./nothing")
    status, lines = told(call, tmp_path, files)

    name = "Kustomization/flux-system"
    assert status == 1
    assert lines[:-1] == [
        f'✗ clusters/prod/odd.yaml:1: {name}/odd: $.spec.interval: found "soon", expected a '
        "duration such as 90s or 10m, matching ^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$",
        f"✗ clusters/prod/other.yaml:1: {name}/other depends on {name}/nowhere, which is not in "
        "this repository",
        f"✗ clusters/prod/other.yaml:1: {name}/other: its source GitRepository/flux-system/"
        "missing is not in this repository; add it, or correct spec.sourceRef",
        f"✗ clusters/prod/other2.yaml:1: {name}/other2: kustomization path not found: 'nothing': "
        "no such folder",
        "✗ clusters/staging/apps.yaml:1: dependencies go in a circle: flux-system/apps -> "
        "flux-system/infra -> flux-system/apps; none of them is ever ready",
        f"✗ infra/ns.yaml:1: Namespace/apps is made by {name}/apps (infra/ns.yaml:1) and "
        f"{name}/infra (infra/ns.yaml:1); leave it to one of them: each apply takes it from the "
        "other",
        f"! clusters/prod/other.yaml:1: {name}/other is not built: GitRepository/flux-system/"
        "missing is not known here; give its files with --local-sources "
        "GitRepository/flux-system/missing=FOLDER",
    ]


def test_an_unset_variable_is_an_error_where_all_variables_are_known(
    call: Call, tmp_path: Path
) -> None:
    files = two_clusters()
    files["apps/base/c.yaml"] = config_map("web", region="${region}", zone="${zone}")
    status, lines = told(call, tmp_path / "known", files)
    given = told(call, tmp_path / "given", files, "--set", "zone=a")
    del files["clusters/prod/vars.yaml"], files["clusters/staging/vars.yaml"]
    unknown = told(call, tmp_path / "unknown", files)

    assert status == 1
    assert any('variable not set (strict mode): "zone"' in line for line in lines)
    assert given[0] == 0
    assert unknown[0] == 0
    assert unknown[1][0] == (
        "! clusters/prod/apps.yaml:1: Kustomization/flux-system/apps: ConfigMap/flux-system/vars "
        "of substituteFrom is not in this repository, so variables without a value were not "
        "looked for; give them with --set"
    )


def test_another_repository_is_left_out_unless_its_files_are_named(
    call: Call, tmp_path: Path
) -> None:
    files = two_clusters()
    files["clusters/prod/team.yaml"] = (
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\n"
        "metadata: {name: team, namespace: flux-system}\n"
        "spec: {interval: 1m, url: 'https://bot:pw@git.example.org/team/apps'}\n---\n"
        + kustomization("team", "./deploy").replace("name: flux-system}\n", "name: team}\n")
    ).replace("metadata: {name: team, namespace: flux-system}\n---", "")
    team = checkout(tmp_path / "team", {"deploy/a.yaml": config_map("team")})
    status, lines = told(call, tmp_path / "fleet", files)
    named = told(
        call,
        tmp_path / "fleet",
        files,
        "--local-sources",
        f"GitRepository/flux-system/team={team}",
    )

    assert status == 0
    assert "is another repository (git.example.org/team/apps)" in lines[0]
    assert "pw" not in "".join(lines)
    assert named == (0, ["7 of 7 Kustomizations rendered, 17 objects, 0 errors"])


def test_values_of_one_cluster_in_a_shared_base_are_told(call: Call, tmp_path: Path) -> None:
    files = two_clusters()
    files["apps/base/c.yaml"] = config_map("web", host="web.prod.example.org", product="x")
    status, lines = told(call, tmp_path, files)

    assert status == 0
    assert lines[0] == (
        "! apps/base/c.yaml:5: .data.host is 'web.prod.example.org', and 2 clusters build this "
        "file; patch it in the overlay of 'prod', or make it a variable of postBuild"
    )


def test_programs_and_pull_requests_are_told_in_their_own_way(call: Call, tmp_path: Path) -> None:
    files = {"a.yaml": kustomization("a", "./gone")}
    folder = checkout(tmp_path, files)
    document = json.loads(call("build", "--all", str(folder), "-o", "json").out)
    annotations = call("build", "--all", str(folder), "-o", "github").out

    assert document["kustomizations"] == [
        {
            "namespace": "flux-system",
            "name": "a",
            "cluster": "",
            "origin": "a.yaml:1",
            "objects": None,
        }
    ]
    assert [(each["rule"], each["severity"]) for each in document["flaws"]] == [
        ("not-here", "warning")
    ]
    assert annotations.startswith("::warning file=a.yaml,line=1,title=lockstep not-here::")


def test_an_encrypted_secret_that_nobody_decrypts_is_told(call: Call, tmp_path: Path) -> None:
    secret = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: apps}\n"
        "stringData: {a: 'ENC[AES256_GCM,data:x]'}\nsops: {mac: x, version: 3.9.0}\n"
    )
    status, lines = told(call, tmp_path, two_clusters() | {"infra/s.yaml": secret})

    assert status == 1
    assert lines[0].startswith(
        "✗ infra/s.yaml:1: Secret/apps/s is encrypted, and Kustomization/flux-system/infra does "
        "not decrypt; set spec.decryption"
    )


@pytest.mark.parametrize("word", ["--all", "kustomization"])
def test_the_other_ways_to_build_have_a_help_of_their_own(call: Call, word: str) -> None:
    ended = call("build", word, "--help")

    assert ended.status == 0
    assert f"Usage: lockstep build {word} " in ended.out


def test_misspelt_and_mistyped_fields_are_told_with_their_lines(call: Call, tmp_path: Path) -> None:
    files = two_clusters()
    files["infra/web.yaml"] = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: apps}
spec:
  replica: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          imagePullPolicy: Always
          imge: web:1
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: apps}
spec:
  ports: [{port: eighty}]
---
apiVersion: batch/v1beta1
kind: CronJob
metadata: {name: old, namespace: apps}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: other, namespace: apps}
spec:
  url: https://git.example.org/x
  interval: often
---
apiVersion: example.org/v1
kind: Widget
metadata: {name: w, namespace: apps}
spec:
  size: large
"""
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "required": ["colour"],
                "properties": {"size": {"type": "integer"}, "colour": {"type": "string"}},
            }
        },
    }
    versions = [
        {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    ]
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.org"},
        "spec": {
            "group": "example.org",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
            "scope": "Namespaced",
            "versions": versions,
        },
    }
    files["infra/widgets.json"] = json.dumps(definition)
    files["infra/kustomization.yaml"] = "resources: [ns.yaml, web.yaml, widgets.json]\n"
    status, lines = told(call, tmp_path, files)

    assert status == 1
    assert lines[:-1] == [
        '✗ infra/web.yaml:5: Deployment/apps/web: unknown field "spec.replica"',
        "✗ infra/web.yaml:13: Deployment/apps/web: unknown field "
        '"spec.template.spec.containers[0].imge"',
        "✗ infra/web.yaml:15: Service/apps/web: json: cannot unmarshal string into Go struct "
        "field ServicePort.spec.ports.port of type int32",
        "✗ infra/web.yaml:21: CronJob/apps/old: batch/v1beta1 is not served by Kubernetes v1.36.3",
        '✗ infra/web.yaml:30: GitRepository/apps/other: $.spec.interval: found "often", expected '
        "a duration such as 90s or 10m, matching ^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$",
        "✗ infra/web.yaml:35: Widget/apps/w: spec.colour: Required value",
        '✗ infra/web.yaml:36: Widget/apps/w: spec.size: Invalid value: "string": spec.size in '
        'body must be of type integer: "string"',
    ]


def test_sources_that_are_made_elsewhere_are_no_mistake(call: Call, tmp_path: Path) -> None:
    """By a bootstrap, by source-watcher, or by hand; then several Kustomizations use them."""
    files = two_clusters()
    del files["clusters/prod/flux-system/gotk-sync.yaml"]
    files["clusters/prod/generator.yaml"] = (
        "apiVersion: source.extensions.fluxcd.io/v1beta1\nkind: ArtifactGenerator\n"
        "metadata: {name: split, namespace: flux-system}\n"
        "spec: {artifacts: [{name: made}]}\n---\n"
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: Bucket\n"
        "metadata: {name: other, namespace: flux-system}\n"
        "spec: {interval: 1m, bucketName: other, endpoint: s3.example.org}\n"
    )
    made = "kind: ExternalArtifact, name: made}\n"
    files["clusters/prod/made.yaml"] = kustomization("made", "./infra").replace(
        "kind: GitRepository, name: flux-system}\n", made
    )
    for name in ("one", "two"):
        files[f"clusters/prod/{name}.yaml"] = kustomization(name, f"./{name}").replace(
            "name: flux-system}\n", "name: by-hand}\n"
        )
        files[f"{name}/a.yaml"] = config_map(name)
    status, lines = told(call, tmp_path, files)

    assert status == 0
    assert lines[:-1] == [
        "! clusters/prod/made.yaml:1: Kustomization/flux-system/made is not built: "
        "ExternalArtifact/flux-system/made is not this repository; give its files with "
        "--local-sources ExternalArtifact/flux-system/made=FOLDER",
        "! clusters/prod/one.yaml:1: Kustomization/flux-system/one: its source GitRepository/"
        "flux-system/by-hand is not in this repository, nor that of 1 more",
    ]


KUSTOMIZATION = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n"
GENERATOR = "apiVersion: source.extensions.fluxcd.io/v1beta1\nkind: ArtifactGenerator\n"
REPOSITORY = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\n"
DEFINITION = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
OF_NUMBER = f"{KUSTOMIZATION}metadata: {{name: 2026, namespace: flux-system}}\nspec: {{}}\n"


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (OF_NUMBER + "---\n" + kustomization("b", "./b"), "metadata.name must be text"),
        (f"{KUSTOMIZATION}metadata: {{name: a, namespace: [5]}}\n", "must be text"),
        (f"{REPOSITORY}metadata: {{name: a}}\nspec: [x]\n", "found a list"),
        (f"{REPOSITORY}metadata: {{name: a}}\n".replace("GitRepository", "[a]"), "missing kind"),
        (f"{GENERATOR}metadata: {{name: a}}\nspec: {{artifacts: [x]}}\n", " errors"),
        (f"{GENERATOR}metadata: {{name: a}}\nspec: {{artifacts: 5}}\n", " errors"),
        (f"{DEFINITION}metadata: {{name: a}}\nspec: {{versions: {{a: b}}}}\n", "unmarshal object"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: größe}\n", "illegal base64"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: [a]\n", "unmarshal array"),
    ],
)
def test_an_odd_manifest_does_not_hide_the_rest(
    call: Call, tmp_path: Path, manifest: str, said: str
) -> None:
    _, lines = told(call, tmp_path, two_clusters() | {"infra/odd.yaml": manifest})

    assert " Kustomizations rendered, " in lines[-1]
    assert said in "\n".join(lines)


def test_a_kustomization_that_nothing_builds_and_whose_name_is_no_text_is_told(
    call: Call, tmp_path: Path
) -> None:
    status, lines = told(call, tmp_path, {"unused.yaml": OF_NUMBER})

    assert status == 1
    assert lines[0] == "✗ unused.yaml:1: metadata.name must be text: quote it"


def test_a_folder_without_a_kustomization_is_an_error(call: Call, tmp_path: Path) -> None:
    folder = cloned(tmp_path, {"docs/readme.md": "nothing here"})
    ended = call("build", "--all", str(folder), "-o", "json")

    assert ended.status == 1
    assert json.loads(ended.out) == {"kustomizations": [], "flaws": []}
    assert f"there is no Kustomization below '{folder}'; give the folder" in ended.err
