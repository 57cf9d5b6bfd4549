import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

Call: TypeAlias = Callable[..., Any]

FILES = {
    ".git/HEAD": "ref: refs/heads/main\n",
    "apps/kustomization.yaml": """\
resources:
- ../base
namePrefix: prod-
images:
- name: nginx
  newTag: "1.2"
patches:
- path: patch.yaml
- target: {kind: Deployment}
  patch: |-
    - op: replace
      path: /spec/replicas
      value: 5
configMapGenerator:
- name: settings
  options: {disableNameSuffixHash: true}
  literals:
  - first=1
  - second=${region}
secretGenerator:
- name: login
  options: {disableNameSuffixHash: true}
  literals:
  - password=hunter2
""",
    "apps/patch.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
      - name: sidecar
        image: envoy
      - name: web
        env:
        - name: LEAK
          value: hunter2
        envFrom:
        - configMapRef: {name: settings}
""",
    "base/kustomization.yaml": "resources: [all.yaml]\n",
    "base/all.yaml": """\
kind: Namespace
apiVersion: v1
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  paused: false
  template:
    spec:
      containers:
      - name: web
        image: nginx
""",
    "apps.yaml": """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec:
  interval: 1m
  prune: true
  path: ./elsewhere
  sourceRef: {kind: GitRepository, name: flux-system}
  targetNamespace: shop
  commonMetadata:
    labels:
      team: blue
  images:
  - name: envoy
    newTag: v9
  patches:
  - patch: |
      - op: remove
        path: /spec/paused
    target: {kind: Deployment}
  postBuild:
    substitute:
      region: eu-1
    substituteFrom:
    - {kind: Secret, name: vars}
""",
}


@pytest.fixture
def explain(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`lockstep build apps --explain`."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: call("build", "apps", "--explain", *arguments)


FLUX = ("--kustomization-file", "apps.yaml")


def test_an_object_is_explained_field_by_field(explain: Call) -> None:
    assert (
        explain("Deployment/prod-web").out
        == """\
Deployment.apps/prod-web
  from   base/all.yaml:5, document 2
  layers apps/kustomization.yaml:2: resources[0] '../base'
         base/kustomization.yaml:1: resources[0] 'all.yaml'

.apiVersion: "apps/v1"  (base/all.yaml:5)
.kind: "Deployment"  (base/all.yaml:6)
.metadata.name: "prod-web"
    base/all.yaml:8: "web"
    apps/kustomization.yaml:3: namePrefix: "web" -> "prod-web"
.spec.paused: false  (base/all.yaml:11)
.spec.replicas: 5
    base/all.yaml:10: 1
    apps/kustomization.yaml:13: patches[1] (apps/kustomization.yaml:9): 1 -> 5
.spec.template.spec.containers[sidecar].image: "envoy"
    apps/patch.yaml:9: patches[0] (apps/kustomization.yaml:8): "envoy"
.spec.template.spec.containers[sidecar].name: "sidecar"
    apps/patch.yaml:8: patches[0] (apps/kustomization.yaml:8): "sidecar"
.spec.template.spec.containers[web].env[LEAK].name: "LEAK"
    apps/patch.yaml:12: patches[0] (apps/kustomization.yaml:8): "LEAK"
.spec.template.spec.containers[web].env[LEAK].value: "***"
    apps/patch.yaml:13: patches[0] (apps/kustomization.yaml:8): "***"
.spec.template.spec.containers[web].envFrom[0].configMapRef.name: "prod-settings"
    apps/patch.yaml:15: patches[0] (apps/kustomization.yaml:8): "settings"
    apps/kustomization.yaml:3: name of ConfigMap/prod-settings: "settings" -> "prod-settings"
.spec.template.spec.containers[web].image: "nginx:1.2"
    base/all.yaml:16: "nginx"
    apps/kustomization.yaml:5: images[0]: "nginx" -> "nginx:1.2"
.spec.template.spec.containers[web].name: "web"  (base/all.yaml:15)
"""
    )


@pytest.mark.parametrize(
    ("field", "lines"),
    [
        (
            ".metadata.namespace",
            [
                '.metadata.namespace: "shop"',
                '    apps.yaml:9: spec.targetNamespace: "shop"',
            ],
        ),
        (
            ".metadata.labels.team",
            [
                '.metadata.labels.team: "blue"',
                '    apps.yaml:12: spec.commonMetadata.labels: "blue"',
            ],
        ),
        (
            ".spec.template.spec.containers[sidecar].image",
            [
                '.spec.template.spec.containers[sidecar].image: "envoy:v9"',
                '    apps/patch.yaml:9: patches[0] (apps/kustomization.yaml:8): "envoy"',
                '    apps.yaml:14: spec.images[0]: "envoy" -> "envoy:v9"',
            ],
        ),
        (
            ".spec.paused",
            [
                ".spec.paused: removed",
                "    base/all.yaml:11: false",
                "    apps.yaml:18: spec.patches[0] (apps.yaml:17): false -> removed",
            ],
        ),
    ],
)
def test_what_the_spec_of_flux_sets_is_told_with_its_line(
    explain: Call, field: str, lines: list[str]
) -> None:
    told = explain(f"deployment.apps/shop/prod-web{field}", *FLUX).out

    assert told.partition("\n\n")[2].splitlines() == lines


def test_the_data_of_a_generator_and_its_variables_are_told(explain: Call) -> None:
    assert (
        explain("ConfigMap/prod-settings.data", *FLUX).out
        == """\
ConfigMap/shop/prod-settings
  from   apps/kustomization.yaml:15

.data.first: "1"
    apps/kustomization.yaml:18: configMapGenerator[0] (apps/kustomization.yaml:15): "1"
.data.second: "eu-1"
    apps/kustomization.yaml:19: configMapGenerator[0] (apps/kustomization.yaml:15): "${region}"
    apps.yaml:23: postBuild ${region}: "${region}" -> "eu-1"
"""
    )


def test_a_variable_that_may_be_a_secret_is_named_without_its_value(
    explain: Call, tmp_path: Path
) -> None:
    file = tmp_path / "apps.yaml"
    file.write_text(FILES["apps.yaml"].replace("region: eu-1", "other: x"))
    told = explain("ConfigMap/prod-settings.data.second", *FLUX, "--set", "region=zz").out

    assert told.splitlines()[-1] == '    postBuild ${region}: "${region}" -> "***"'
    assert "zz" not in told


def test_a_secret_is_explained_without_its_values(explain: Call) -> None:
    told = explain("Secret/prod-login", "--show-secrets").out

    assert '.data.password: "***"\n    apps/kustomization.yaml:24: secretGenerator[0]' in told
    assert "hunter2" not in told
    assert "aHVudGVyMg" not in told


def test_an_explanation_can_be_had_as_json(explain: Call) -> None:
    told = json.loads(explain("Deployment/prod-web.spec.replicas", "-o", "json").out)

    assert told["object"] == {
        "group": "apps",
        "kind": "Deployment",
        "namespace": "",
        "name": "prod-web",
    }
    assert (told["file"], told["line"], told["document"]) == ("base/all.yaml", 5, 2)
    assert told["layers"][0] == {
        "place": "apps/kustomization.yaml:2",
        "entry": "resources[0] '../base'",
    }
    assert told["fields"] == [
        {
            "path": ".spec.replicas",
            "value": 5,
            "setAt": "apps/kustomization.yaml:13",
            "manifest": {"place": "base/all.yaml:10", "value": 1},
            "edits": [
                {
                    "kind": "PatchTransformer",
                    "entry": "patches[1]",
                    "entryAt": "apps/kustomization.yaml:9",
                    "place": "apps/kustomization.yaml:13",
                    "old": 1,
                    "new": 5,
                }
            ],
        }
    ]


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (
            "Deployment/web",
            "the build has no object 'Deployment/web'; near it: Deployment/prod-web",
        ),
        ("Job/x", "the build has no object 'Job/x'"),
        (
            "Deployment/prod-web.spec.replica",
            "Deployment.apps/prod-web has no field '.spec.replica'; near it: .spec.replicas",
        ),
    ],
)
def test_what_is_not_there_is_an_error_that_names_what_is_near(
    explain: Call, target: str, problem: str
) -> None:
    ended = explain(target)

    assert ended.status == 1
    assert ended.err.startswith(f"Error: {problem}")


def test_an_ambiguous_name_lists_what_it_could_be(call: Call, tmp_path: Path) -> None:
    objects = (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a.b, namespace: {namespace}}}\n"
        for namespace in ("one", "two")
    )
    other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {b: c}\n"
    (tmp_path / "all.yaml").write_text("---\n".join([*objects, other]))
    ended = call("build", str(tmp_path), "--explain", "ConfigMap/a.b")
    exact = call("build", str(tmp_path), "--explain", "ConfigMap/two/a.b.metadata.namespace")

    assert ended.err == (
        "Error: 'ConfigMap/a.b' could be any of: ConfigMap/one/a.b, ConfigMap/two/a.b\n"
    )
    assert exact.out.splitlines()[-1] == '.metadata.namespace: "two"  (all.yaml:7)'


def test_the_form_is_for_explanations_only(call: Call, tmp_path: Path) -> None:
    ended = call("build", str(tmp_path), "--output", "json")

    assert ended.status == 2
    assert "--output is for --explain" in ended.err
