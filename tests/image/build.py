"""Build the container image with Debian's own tools: no daemon, no registry, no root in it.

The base is made by debootstrap (trixie, with its Python 3.13) and kept in the cache of test tools;
the Dockerfile is built on it by buildah (`--isolation chroot`, storage driver vfs), and what comes
out is unpacked as a folder, kept there too under the digest of what went in.

`python -m tests.image.build` builds what is missing and prints the folder; `wheels` as its argument
only fills `dist/wheels`, which is all that `docker build .` needs.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.controlplane.build import locked, say, tools_folder

ROOT = Path(__file__).resolve().parents[2]
WHEELS = ROOT / "dist" / "wheels"
SUITE = "trixie"
PROGRAMS = {"buildah": "buildah", "debootstrap": "debootstrap", "bwrap": "bubblewrap"}
"""{program: Debian's package}."""
_PACKAGES = ("python3", "python3-venv", "ca-certificates")
_PYTHON = "3.13"


class ImageError(RuntimeError):
    """The image cannot be built here: why, and what to do."""


def why_not() -> str:
    """Why no image can be built on this machine, "" if one can."""
    if os.geteuid():
        return "debootstrap and buildah's chroot need root"
    if not Path("/etc/debian_version").is_file():
        return "the base is made by Debian's debootstrap, and this is no Debian"
    return ""


def built() -> Path:
    """The folder with the root file system of the image of this tree.  Raises ImageError."""
    reason = why_not()
    if reason:
        raise ImageError(reason)
    _install_programs()
    folder = tools_folder() / f"image-{_digest()}"
    tools_folder().mkdir(parents=True, exist_ok=True)
    with locked(tools_folder() / "image.lock"):
        if not folder.is_dir():
            base = _base()
            fill_wheels()
            for old in tools_folder().glob("image-*"):
                shutil.rmtree(old)
            _build(base, folder)
    return folder


def fill_wheels() -> None:
    """`dist/wheels`: the locked dependencies, Lockstep's own wheel and the lock.

    Raises ImageError.
    """
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    shutil.rmtree(WHEELS, ignore_errors=True)
    WHEELS.mkdir(parents=True)
    lock = ROOT / "requirements.lock"
    chosen = ["--only-binary=:all:", "--python-version", _PYTHON, "--require-hashes"]
    _run(*pip, "download", *chosen, "--dest", str(WHEELS), "--requirement", str(lock))
    own = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(WHEELS)]
    _run(*pip, "wheel", *own, str(ROOT))
    shutil.copy(lock, WHEELS)


def _digest() -> str:
    """Of all that the image is made of."""
    files = [ROOT / name for name in ("Dockerfile", "requirements.lock", "pyproject.toml")]
    for package in ("engine", "plugins"):
        files += sorted((ROOT / package).rglob("*.py"))
    parts = (f"{file.relative_to(ROOT)}\0{file.read_text()}" for file in files)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _install_programs() -> None:
    missing = [package for name, package in PROGRAMS.items() if shutil.which(name) is None]
    if missing:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        _run("apt-get", "update", "--quiet=2", env=quiet)
        options = ("--yes", "--quiet=2", "--no-install-recommends")
        _run("apt-get", "install", *options, *missing, env=quiet)


def _base() -> Path:
    """A tar of the root file system with Python, made once."""
    base = tools_folder() / f"base-{SUITE}.tar"
    if base.is_file():
        return base
    with _scratch() as folder:
        root = folder / "root"
        packages = f"--include={','.join(_PACKAGES)}"
        _run("debootstrap", "--variant=minbase", packages, SUITE, str(root))
        for rest in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
            shutil.rmtree(root / rest, ignore_errors=True)
        made = folder / "base.tar"
        _run("tar", "--create", "--file", str(made), "--directory", str(root), ".")
        shutil.move(made, base)
    return base


def _build(base: Path, folder: Path) -> None:
    with _scratch() as scratch:
        buildah = _buildah(scratch)
        name = _said(*buildah, "from", "scratch")
        _run(*buildah, "add", "--quiet", name, str(base), "/")
        _run(*buildah, "commit", "--quiet", name, "localhost/base")
        options = ("--isolation", "chroot", "--format", "docker", "--quiet")
        tags = ("--build-arg", "BASE=localhost/base", "--tag", "localhost/lockstep")
        _run(*buildah, "build", *options, *tags, str(ROOT))
        final = _said(*buildah, "from", "localhost/lockstep")
        mounted = _said(*buildah, "mount", final)
        whole = scratch / "whole"
        _run("cp", "--archive", mounted, str(whole))
        (whole / ".config.json").write_text(
            _said(*buildah, "inspect", "--type", "image", "localhost/lockstep")
        )
        shutil.move(whole, folder)


def _buildah(scratch: Path) -> Sequence[str]:
    """The program, with storage of its own that goes with `scratch`."""
    storage = ("--root", str(scratch / "storage"), "--runroot", str(scratch / "run"))
    return ("buildah", *storage, "--storage-driver", "vfs")


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder on the cache's disk, removed with all that buildah left in it."""
    with tempfile.TemporaryDirectory(dir=tools_folder(), prefix="image.") as name:
        yield Path(name)


def _run(*command: str, env: dict[str, str] | None = None) -> None:
    _said(*command, env=env)


def _said(*command: str, env: dict[str, str] | None = None) -> str:
    """What a command prints.  Raises ImageError with what it complains about."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if ended.returncode:
        words = (ended.stderr or ended.stdout).strip()
        raise ImageError(f"{' '.join(command[:3])} ... ended with {ended.returncode}:\n{words}")
    return ended.stdout.strip()


def main() -> None:
    """Build what is missing, and say where it is."""
    try:
        if sys.argv[1:] == ["wheels"]:
            fill_wheels()
            say(f"wheels: {WHEELS.relative_to(ROOT)}; now: docker build -t lockstep .")
        else:
            say(f"image: {built()}")
    except ImageError as error:
        sys.exit(f"no image: {error}")


if __name__ == "__main__":
    main()
