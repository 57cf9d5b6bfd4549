"""The wheel, with nothing but what the lock file names, run from another folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
QUIET = ["--quiet", "--disable-pip-version-check"]


def run(*command: str | Path) -> None:
    """Runs a command, and fails with what it says."""
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", *QUIET]
    run(*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    (found,) = folder.glob("lockstep-*.whl")
    return found


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a new environment in which the wheel is installed."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    run(sys.executable, "-m", "venv", folder)
    python, pip = folder / "bin" / "python", ["-m", "pip", "install", *QUIET]
    run(python, *pip, "--require-hashes", "-r", ROOT / "requirements.lock")
    run(python, *pip, "--no-deps", "--no-index", wheel)
    return folder / "bin"


Lockstep = Callable[..., str]


@pytest.fixture
def lockstep(programs: Path, tmp_path: Path) -> Lockstep:
    """`lockstep("version")`: what the installed program prints, from a folder of its own."""
    environment = {key: text for key, text in os.environ.items() if key != "PYTHONPATH"}

    def call(*arguments: str) -> str:
        ended = subprocess.run(
            [programs / "lockstep", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return call


def test_the_wheel_holds_engine_and_plugins_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        folders = {name.split("/")[0] for name in archive.namelist()}

    assert {name for name in folders if not name.endswith(".dist-info")} == {"engine", "plugins"}


def test_its_environment_is_complete(programs: Path) -> None:
    run(programs / "python", "-m", "pip", "check", "--disable-pip-version-check")


def test_it_tells_its_version(lockstep: Lockstep) -> None:
    assert lockstep("version", "--client").startswith("lockstep: v")


def test_it_builds_a_folder(lockstep: Lockstep, tmp_path: Path) -> None:
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n"
    (tmp_path / "config.yaml").write_text(manifest)

    assert lockstep("build", ".") == f"---\n{manifest}"


def test_it_finds_its_built_in_plugins(lockstep: Lockstep) -> None:
    assert "permissions" in lockstep("check", "--list")


def test_it_runs_the_demo(lockstep: Lockstep) -> None:
    shown = lockstep("demo")

    assert "nothing of reports is left" in shown
    assert "everything is Ready again" in shown
