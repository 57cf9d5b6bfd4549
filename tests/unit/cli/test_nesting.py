from pathlib import Path
from typing import Any

import pytest

from engine.api import decode
from engine.api.kustomize import Kustomization
from engine.cli.nesting import inner_builds
from engine.cli.places import Place
from engine.cli.problems import Problem
from engine.cli.rendering import How, made, reading_nothing
from engine.objects.manifests import dump
from engine.source.tree import MemoryTree
from tests.support.checkouts import write
from tests.support.scripted_api import ScriptedApi
from tests.unit.cli.conftest import Lockstep

REMOTE = {"secretRef": {"name": "kubeconfig"}}


def kustomization(name: str, kind: str = "GitRepository", **spec: Any) -> dict[str, Any]:
    wanted = {
        "interval": "1m",
        "prune": True,
        "path": f"./{name}",
        "sourceRef": {"kind": kind, "name": "fleet"},
        **spec,
    }
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "flux"},
        "spec": wanted,
    }


async def inside(
    outer: dict[str, Any], folder: Path | None, *inner: dict[str, Any], is_lenient: bool = True
) -> list[str]:
    """The names of what is built of a Kustomization that makes these; Git's files are a folder."""
    files = {f"{each['metadata']['name']}.yaml": dump(each).encode() for each in inner}
    place = Place(MemoryTree(files), ".")
    first = await made(decode(Kustomization, outer), place, reading_nothing, How())
    sources = (f"GitRepository/flux/fleet={folder}",) if folder is not None else ()
    how = {"local_sources": sources, "ignore_paths": ()}
    builds = inner_builds(first, how, is_lenient=is_lenient)
    return [each.ks.metadata.name async for each in builds]


async def test_what_one_of_another_cluster_makes_is_not_looked_at_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, {"far/x.yaml": dump(kustomization("x")), "x/a.yaml": "", "near/a.yaml": ""})
    far, near = kustomization("far", kubeConfig=REMOTE), kustomization("near")

    assert await inside(kustomization("outer"), tmp_path, far, near) == ["far", "near"]
    assert await inside(kustomization("outer", kubeConfig=REMOTE), tmp_path, near) == []
    told = capsys.readouterr().err
    assert "the Kustomizations in flux/far are left out: they are for its cluster" in told
    assert "the Kustomizations in flux/outer are left out: they are for its cluster" in told


@pytest.mark.parametrize(
    "inner", [kustomization("far", kubeConfig=REMOTE), kustomization("image", "OCIRepository")]
)
async def test_one_without_a_folder_does_not_hide_the_others(
    inner: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, {"near/a.yaml": "", "far/a.yaml": ""})
    source = {"kind": inner["spec"]["sourceRef"]["kind"], "name": "elsewhere"}
    inner = {**inner, "spec": {**inner["spec"], "sourceRef": source}}
    near = kustomization("near")

    assert await inside(kustomization("outer"), tmp_path, inner, near) == ["near"]
    assert "is left out: Kustomization flux/" in capsys.readouterr().err
    with pytest.raises(Problem, match="--local-sources"):
        await inside(kustomization("outer"), tmp_path, inner, near, is_lenient=False)


async def test_the_folder_of_a_repository_is_asked_for() -> None:
    with pytest.raises(Problem, match="--local-sources GitRepository/flux/fleet=FOLDER"):
        await inside(kustomization("outer"), None, kustomization("near"))


async def test_an_undefined_variable_is_refused_unless_told_otherwise(
    api: ScriptedApi, lockstep: Lockstep, tmp_path: Path
) -> None:
    file = kustomization("app", postBuild={"substitute": {"known": "1"}})
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    broken = {**config, "data": {"x": "${undefined}"}}
    write(tmp_path, {"app.yaml": dump(file), "app/a.yaml": dump(broken)})
    words = ["diff", "ks", "app", "-n", "flux", "--path", str(tmp_path / "app")]
    words += ["--kustomization-file", str(tmp_path / "app.yaml"), "--ignore-not-found"]

    strict = await lockstep(*words)
    lax = [await lockstep(*words, f"--{flag}") for flag in LAX]

    assert "variable not set" in strict.err, strict
    assert all("variable not set" not in each.err for each in lax), lax


LAX = ("strict-substitute=false", "no-strict-substitute")
