"""`dist/wheels`, all that `docker build .` needs: the locked dependencies and our own wheel."""

import shutil
import sys
from pathlib import Path

from tests.image.commands import kept, said

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "dist" / "wheels"
LOCK = ROOT / "requirements.lock"
PYTHON = "3.13"
_PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def fill(folder: Path) -> str:
    """Makes `dependencies/`, with the lock, and `lockstep-*.whl` in a folder; our version.

    Raises ImageError.
    """
    shutil.copytree(dependencies(), folder / "dependencies")
    options = ("--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
    said(*_PIP, "wheel", *options, str(ROOT))
    (own,) = folder.glob("lockstep-*.whl")
    return own.name.split("-")[1]


def dependencies() -> Path:
    """The folder with the wheels that the lock names, and the lock.  Raises ImageError."""
    return kept("wheels", f"{PYTHON}\0{LOCK.read_text()}", _download)


def _download(scratch: Path) -> Path:
    folder = scratch / "dependencies"
    chosen = ("--only-binary=:all:", "--python-version", PYTHON, "--require-hashes")
    said(*_PIP, "download", *chosen, "--dest", str(folder), "--requirement", str(LOCK))
    shutil.copy(LOCK, folder)
    return folder
