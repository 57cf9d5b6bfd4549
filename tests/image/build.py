"""Build the container image with Debian's own tools: no daemon, no registry.

buildah (`--isolation chroot`; storage driver overlay, or vfs where the kernel has none for it) runs
the Dockerfile on a base made by debootstrap, without a network.  What only a new lock changes, its
stages `dependencies` and `runtime`, is kept in the cache of test tools; the rest is built each time
and thrown away.

`python -m tests.image.build` writes the image to `dist/lockstep-image.tar`; with `wheels` as its
argument it only fills `dist/wheels`, which is all that `docker build .` needs.
"""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.controlplane.build import say
from tests.image import wheels
from tests.image.base import base, check_machine
from tests.image.commands import OFFLINE, ImageError, kept, said, scratch

ROOT = Path(__file__).resolve().parents[2]
ARCHIVE = ROOT / "dist" / "lockstep-image.tar"
BASE, IMAGE = "localhost/base", "localhost/lockstep"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # as public images have it
STAGES = ("dependencies", "runtime")
"""The Dockerfile's, which do not depend on a version of Lockstep."""


@dataclass(frozen=True, slots=True)
class Image:
    """A built image; its root file system may be read only."""

    root: Path
    config: Mapping[str, Any]
    "As in the OCI image specification: Entrypoint, Cmd, Env, User, Volumes ...; and Healthcheck."


@dataclass(frozen=True, slots=True)
class Storage:
    """Where buildah keeps images, in a folder that can be moved."""

    folder: Path
    driver: str
    other: Path | None = None
    "The folder of another whose images may be used, too."

    @property
    def command(self) -> list[str]:
        """How buildah is called."""
        command = ["buildah", "--root", str(self.folder / "graph")]
        command += ["--runroot", str(self.folder / "run"), "--storage-driver", self.driver]
        if self.other is not None:
            command += ["--storage-opt", f"{self.driver}.imagestore={self.other / 'graph'}"]
        return command

    def buildah(self, *arguments: str) -> str:
        """What buildah prints; it has no network.  Raises ImageError."""
        self.folder.mkdir(exist_ok=True)
        here = {"TMPDIR": str(self.folder)}
        return said(*OFFLINE, *self.command, *arguments, environment=here)

    def build(self, context: Path, tag: str, *options: str) -> None:
        """The image of the Dockerfile or, with `--target`, of one of its stages."""
        fixed = ("--isolation", "chroot", "--format", "docker", "--pull-never", "--quiet")
        base = ("--build-arg", f"BASE={BASE}", "--file", str(ROOT / "Dockerfile"))
        self.buildah("build", *fixed, *base, "--tag", tag, *options, str(context))

    def unpack(self, tag: str, folder: Path) -> None:
        """Makes the folder, an image's root file system.  Raises ImageError."""
        script = 'cp --archive "$("$@" mount "$("$@" from --pull-never "$TAG")")" "$TARGET"'
        names = {"TAG": tag, "TARGET": str(folder)}
        said(*OFFLINE, "sh", "-euc", script, "sh", *self.command, environment=names)


@contextmanager
def image() -> Iterator[tuple[Image, Storage]]:
    """The image of this tree and where it is, until it is left.

    Raises UnavailableError on machines that cannot build it, ImageError if it cannot be built.
    """
    check_machine()
    with scratch() as folder:
        context = folder / "context"
        version = wheels.fill(context / "dist" / "wheels")
        driver = _driver(folder)
        stages = kept("stages", _key(driver), lambda at: _build_stages(at, driver, context))
        storage = Storage(folder / "storage", driver, stages)
        storage.build(context, IMAGE, *_known(*STAGES), "--build-arg", f"VERSION={version}")
        config = json.loads(storage.buildah("inspect", "--type", "image", IMAGE))
        storage.unpack(IMAGE, folder / "root")
        yield Image(folder / "root", config["Docker"]["config"]), storage


def _driver(folder: Path) -> str:
    """Of storages here: vfs works everywhere but copies the whole tree for each layer."""
    try:
        Storage(folder / "trial", "overlay").buildah("images")
    except ImageError:
        return "vfs"
    return "overlay"


def _build_stages(folder: Path, driver: str, context: Path) -> Path:
    storage = Storage(folder / "stages", driver)
    made = storage.buildah("from", "scratch")
    storage.buildah("add", "--quiet", made, str(base() / "root.tar"), "/")
    storage.buildah("config", "--env", f"PATH={_PATH}", made)
    storage.buildah("commit", "--quiet", "--rm", made, BASE)
    for number, stage in enumerate(STAGES):
        storage.build(context, _tag(stage), "--target", stage, *_known(*STAGES[:number]))
    return storage.folder


def _key(driver: str) -> str:
    """All that the stages are made of."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    return "\0".join((driver, base().name, dockerfile, wheels.LOCK.read_text()))


def _known(*stages: str) -> list[str]:
    """Options by which stages are taken from the images made of them."""
    return [f"--build-context={stage}=container-image://{_tag(stage)}" for stage in stages]


def _tag(stage: str) -> str:
    return f"localhost/{stage}"


def main() -> None:
    """Build, and say what is where."""
    try:
        if sys.argv[1:] == ["wheels"]:
            shutil.rmtree(wheels.FOLDER, ignore_errors=True)
            wheels.fill(wheels.FOLDER)
            say(f"wheels: {wheels.FOLDER.relative_to(ROOT)}; now: docker build -t lockstep .")
        else:
            _archive()
    except ImageError as error:
        sys.exit(f"no image: {error}")
    except KeyboardInterrupt:
        sys.exit("no image: interrupted; nothing is left of it")


def _archive() -> None:
    with image() as (_, storage):
        ARCHIVE.unlink(missing_ok=True)
        storage.buildah("push", "--quiet", IMAGE, f"docker-archive:{ARCHIVE}:{IMAGE}")
    size = ARCHIVE.stat().st_size / 2**20
    say(f"image: {ARCHIVE.relative_to(ROOT)}, {size:.0f} MiB; docker load takes it")


if __name__ == "__main__":
    main()
