from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from tests.support.checkouts import checkout, kustomization, two_clusters

Call: TypeAlias = Callable[..., Any]


def built(text: str) -> list[str]:
    return [f"{each['kind']}/{each['metadata']['name']}" for each in yaml.safe_load_all(text)]


def test_no_cluster_is_asked_if_it_is_a_dry_run(call: Call, tmp_path: Path) -> None:
    folder = checkout(tmp_path, two_clusters())
    ended = call(
        "build",
        "kustomization",
        "infra",
        f"--path={folder / 'infra'}",
        f"--kustomization-file={folder / 'clusters/prod/infra.yaml'}",
        "--dry-run=true",
    )

    assert ended.status == 0, ended
    assert built(ended.out) == ["Namespace/apps"]
    labels = yaml.safe_load(ended.out)["metadata"]["labels"]
    assert labels["kustomize.toolkit.fluxcd.io/name"] == "infra"


def test_files_may_be_left_out(call: Call, tmp_path: Path) -> None:
    file = kustomization("all", "./")
    folder = checkout(tmp_path, two_clusters() | {"all.yaml": file, "infra/x.yaml": "broken: ["})
    words = ["build", "ks", "all", "--path", str(folder / "infra"), "--dry-run"]
    words += ["--kustomization-file", str(folder / "all.yaml")]
    broken, ended = call(*words), call(*words, "--ignore-paths", "/x.yaml,*.md")

    assert broken.status == 1
    assert built(ended.out) == ["Namespace/apps"]


def test_those_in_it_are_rendered_too_if_that_is_asked_for(call: Call, tmp_path: Path) -> None:
    folder = checkout(tmp_path, two_clusters())
    words = ["build", "ks", "flux-system", "--path", str(folder / "clusters/prod"), "--dry-run"]
    words += ["--kustomization-file", str(folder / "clusters/prod/flux-system/gotk-sync.yaml")]
    words += ["--recursive", "--local-sources", f"GitRepository/flux-system/flux-system={folder}"]
    ended = call(*words)

    assert ended.status == 0, ended
    assert built(ended.out)[-2:] == ["ConfigMap/web", "Namespace/apps"]
    assert "ConfigMap 'flux-system/vars' of postBuild.substituteFrom is not read" in ended.err


def test_a_dry_run_needs_a_file(call: Call, tmp_path: Path) -> None:
    ended = call("build", "kustomization", "a", "--path", str(tmp_path), "--dry-run")

    assert ended.status == 2
    assert "--dry-run needs --kustomization-file" in ended.err
