import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.controlplane.build import MODULES, BuildError, Module, built, program, tools_folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path


def test_the_cache_folder_follows_its_variables(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tools_folder() == cache / "tools"

    monkeypatch.delenv("LOCKSTEP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert tools_folder() == Path("/x/lockstep/tools")

    monkeypatch.delenv("XDG_CACHE_HOME")
    assert tools_folder() == Path.home() / ".cache/lockstep/tools"


def test_assets_win_for_the_programs_that_they_hold_by_convention(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(cache))
    (cache / "etcd").touch()

    assert program("etcd") == cache / "etcd"
    with pytest.raises(BuildError, match="'kube-apiserver' is not in it"):
        program("kube-apiserver")


def test_what_was_built_is_found_without_go(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    kwok = next(module for module in MODULES if module.name == "kwok")
    folder = tools_folder() / f"kwok-{kwok.digest}"
    folder.mkdir(parents=True)

    assert program("kwok") == folder / "kwok"


def test_a_missing_go_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(BuildError, match="Go is needed to build kwok"):
        program("kwok")


def test_a_failed_build_quotes_what_go_said_and_leaves_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = cache / "bin/go"
    go.parent.mkdir()
    go.write_text("#!/bin/sh\necho no such package >&2\nexit 3\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{go.parent}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(BuildError, match="ended with 3:\nno such package"):
        program("kwok")
    assert [path.suffix for path in tools_folder().iterdir()] == [".lock"]


def test_a_module_is_built_once_for_each_state_of_its_pins(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = cache / "bin/go"
    go.parent.mkdir()
    go.write_text(
        f"#!/bin/sh\necho built >>{cache}/log\n"
        'while [ "$1" != -o ]; do shift; done\nmkdir -p "${2%/*}"; touch "$2"; sleep 0.1\n'
    )
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{go.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("tests.controlplane.build.HERE", cache)
    (cache / "toy").mkdir()
    (cache / "toy/go.mod").write_text("module toy")
    (cache / "toy/go.sum").write_text("")
    toy = Module("toy", {"toy": "example.test/toy"})

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(built, [toy, toy])

    assert first == second
    assert (first / "toy").is_file()
    assert (cache / "log").read_text() == "built\n"
    (cache / "toy/go.sum").write_text("changed")
    assert built(toy) != first
    assert (cache / "log").read_text() == "built\nbuilt\n"


def test_the_kubernetes_programs_are_told_their_version() -> None:
    flags = next(module for module in MODULES if module.name == "kubernetes").flags[-1]

    assert "version.gitVersion=v1.36." in flags
    assert "version.gitMajor=1" in flags
    assert "version.gitMinor=36" in flags
