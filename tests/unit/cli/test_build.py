from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from tests.support.builds import fan_out_files

Call: TypeAlias = Callable[..., Any]

CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {region: "${region:=nowhere}"}
"""
SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {password: hunter2}
"""
FLUX = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec:
  interval: 1m
  prune: true
  path: ./elsewhere
  sourceRef: {kind: GitRepository, name: flux-system}
  namePrefix: prod-
  postBuild:
    substitute: {region: eu-1}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A Git work tree: `apps` uses `base` beside it; `apps.yaml` is Flux's view of it."""
    files = {
        ".git/HEAD": "ref: refs/heads/main\n",
        "base/config.yaml": CONFIG,
        "base/secret.yaml": SECRET,
        "base/kustomization.yaml": "resources: [config.yaml, secret.yaml]\n",
        "apps/kustomization.yaml": "namespace: prod\nresources: [../base]\n",
        "apps.yaml": FLUX,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def objects(text: str) -> dict[str, Any]:
    return {each["kind"]: each for each in yaml.safe_load_all(text)}


def test_a_folder_is_built_with_what_it_uses_in_its_work_tree(call: Call, repository: Path) -> None:
    built = objects(call("build", str(repository / "apps")).out)

    assert built["ConfigMap"]["metadata"] == {"name": "settings", "namespace": "prod"}
    assert built["ConfigMap"]["data"] == {"region": "${region:=nowhere}"}


def test_secrets_are_masked_unless_asked_for(call: Call, repository: Path) -> None:
    masked = call("build", str(repository / "base")).out
    shown = call("build", str(repository / "base"), "--show-secrets").out

    assert "aHVudGVyMg" not in masked
    assert objects(masked)["Secret"]["data"] == {"password": "***"}
    assert objects(shown)["Secret"]["data"] == {"password": "aHVudGVyMg=="}


def test_a_flux_kustomization_adds_its_spec_and_labels(call: Call, repository: Path) -> None:
    file = repository / "apps.yaml"
    built = objects(call("build", str(repository / "apps"), "--kustomization-file", str(file)).out)

    assert built["ConfigMap"]["metadata"] == {
        "name": "prod-settings",
        "namespace": "prod",
        "labels": {
            "kustomize.toolkit.fluxcd.io/name": "apps",
            "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
        },
    }
    assert built["ConfigMap"]["data"] == {"region": "eu-1"}


def test_variables_stand_in_for_those_of_the_cluster(call: Call, repository: Path) -> None:
    file = repository / "other.yaml"
    reference = "substituteFrom: [{kind: ConfigMap, name: vars}]"
    file.write_text(FLUX.replace("substitute: {region: eu-1}", reference))
    arguments = ("build", str(repository / "apps"), "--kustomization-file", str(file))
    ended = call(*arguments, "--set", "region=us-2")

    assert objects(ended.out)["ConfigMap"]["data"] == {"region": "us-2"}
    assert ended.err == (
        "! ConfigMap 'vars' of postBuild.substituteFrom is not read; "
        "give its variables with --set\n"
    )


def test_an_undefined_variable_fails_unless_that_is_allowed(call: Call, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG.replace(":=nowhere", ""))
    arguments = ("build", str(tmp_path), "--set", "other=1")
    strict, lax = call(*arguments), call(*arguments, "--no-strict-substitutions")

    assert strict.status == 1
    assert "region" in strict.err
    assert objects(lax.out)["ConfigMap"]["data"] == {"region": None}


def test_nothing_outside_the_root_is_read(call: Call, repository: Path) -> None:
    apps = repository / "apps"
    ended = call("build", str(apps), "--root", str(apps))

    assert ended.status == 1
    assert ended.err.startswith("Error: kustomize build failed: ")
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "'apps' holds no *.yaml or *.yml that .sourceignore does not leave out"),
        (
            {"apps/a.md": "#"},
            "'apps' holds no *.yaml or *.yml that .sourceignore does not leave out",
        ),
        (
            {"apps/kustomization.yaml": "namespace: x\n"},
            "there are none in apps/kustomization.yaml",
        ),
        (
            {f"apps/{name}.yaml": "# nothing\n" for name in "abcde"},
            "there are none in apps/a.yaml, apps/b.yaml, apps/c.yaml and 2 more",
        ),
    ],
)
def test_a_folder_without_objects_says_what_was_found_in_it(
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    reason: str,
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "apps").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    ended = call("build", "apps")

    assert (ended.status, ended.out) == (0, "")
    assert ended.err == f"! no objects: {reason}\n"


def test_a_folder_that_is_ignored_is_not_said_to_be_missing(call: Call, repository: Path) -> None:
    (repository / ".sourceignore").write_text("apps\n")
    ended = call("build", str(repository / "apps"))

    assert ended.status == 1
    assert ended.err.startswith("Error: folder 'apps' is no part of the source: .sourceignore, or ")


def test_a_base_that_cannot_be_fetched_is_named_with_its_line_and_cause(
    call: Call, tmp_path: Path
) -> None:
    url = "http://127.0.0.1:9/org/repo//base?ref=v1"
    (tmp_path / "kustomization.yaml").write_text(f"resources: ['{url}']\n")
    ended = call("build", str(tmp_path))

    assert ended.status == 1
    assert f"kustomization.yaml:1: resource '{url}': cannot fetch" in ended.err
    assert "cannot reach '127.0.0.1:9': connection refused" in ended.err


@pytest.mark.parametrize(
    ("content", "arguments", "problem"),
    [
        (CONFIG, (), "holds no Kustomization of kustomize.toolkit.fluxcd.io"),
        (FLUX, ("--name", "infra"), "holds no Kustomization 'infra'; there is: apps"),
        (f"{FLUX}---\n{FLUX}", (), "several Kustomizations: apps, apps; choose one with --name"),
        (FLUX.replace("prune: true", "prune: 7"), (), "$.spec.prune"),
        ("a: [", (), "flux.yaml:2: while parsing"),
    ],
)
def test_a_file_without_the_kustomization_is_an_error_that_says_what_it_holds(
    call: Call, tmp_path: Path, content: str, arguments: tuple[str, ...], problem: str
) -> None:
    file = tmp_path / "flux.yaml"
    file.write_text(content)
    ended = call("build", str(tmp_path), "--kustomization-file", str(file), *arguments)

    assert ended.status == 1
    assert problem in ended.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--set", "region"), "--set 'region': write NAME=VALUE"),
        (("--root", "/usr"), "is not below the root"),
    ],
)
def test_a_wrong_call_is_refused(
    call: Call, tmp_path: Path, arguments: tuple[str, ...], problem: str
) -> None:
    ended = call("build", str(tmp_path), *arguments)

    assert ended.status == 2
    assert problem in ended.err


def test_a_build_that_takes_too_long_is_given_up(call: Call, tmp_path: Path) -> None:
    for name, content in fan_out_files(11).items():  # half a second on a quiet machine
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    ended = call("build", str(tmp_path / "app"), "--root", str(tmp_path), "--build-timeout", "50ms")

    assert ended.status == 1
    assert "the build took more than 50ms" in ended.err
