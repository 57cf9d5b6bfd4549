"""The base of the image, made by debootstrap: there is no image registry here."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.image.commands import ALONE, OFFLINE, ImageError, UnavailableError, kept, said

SUITE = "trixie"
_PROGRAMS = {"buildah": "buildah", "debootstrap": "debootstrap", "bwrap": "bubblewrap"}
"""{program: Debian's package}."""
_PACKAGES = "python3,python3-venv,ca-certificates"
_REMOVED = (
    "var/cache/apt",
    "var/cache/debconf",
    "var/lib/apt/lists",
    "var/log",
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
    "etc/hostname",
    "etc/resolv.conf",  # of the machine that made it
)
_PATIENCE = "300"  # seconds for apt-get, whose index alone may take a minute


def why_not() -> str:
    """Why no image can be built on this machine, "" if one can be or it has to be tried."""
    if os.geteuid():
        return "debootstrap and buildah's chroot need root"
    if not Path("/etc/debian_version").is_file():
        return "the base is made by Debian's debootstrap, and this is no Debian"
    return ""


def check_machine() -> None:
    """Installs what is missing of Debian's programs.  Raises UnavailableError."""
    if why_not():
        raise UnavailableError(why_not())
    try:
        said(*OFFLINE, "true")
    except ImageError as error:
        raise UnavailableError(f"no namespaces may be made here: {error}") from error
    missing = [package for name, package in _PROGRAMS.items() if shutil.which(name) is None]
    try:
        if missing:
            _install(missing)
    except ImageError as error:
        raise UnavailableError(f"{', '.join(missing)} cannot be installed: {error}") from error


def _install(packages: Sequence[str]) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    options = ("--yes", "--quiet=2", "--no-install-recommends")
    said("timeout", _PATIENCE, "apt-get", "update", "--quiet=2", environment=quiet)
    said("timeout", _PATIENCE, "apt-get", "install", *options, *packages, environment=quiet)


def base() -> Path:
    """A folder with `root.tar`: Debian with its Python 3.13.  Raises UnavailableError."""
    try:
        return kept("base", "\0".join((SUITE, _PACKAGES, *_REMOVED)), _bootstrap)
    except ImageError as error:
        raise UnavailableError(f"the base cannot be made: {error}") from error


def _bootstrap(scratch: Path) -> Path:
    root, made = scratch / "root", scratch / "base"
    variant = ("--variant=minbase", f"--include={_PACKAGES}")
    said(*ALONE, "debootstrap", *variant, SUITE, str(root))
    for name in _REMOVED:
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    made.mkdir()
    said("tar", "--create", "--file", str(made / "root.tar"), "--directory", str(root), ".")
    return made
