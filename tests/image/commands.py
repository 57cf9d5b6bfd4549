"""Programs that leave nothing behind, whatever ends them: no process, no mount, no folder."""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

from tests.controlplane.build import locked, tools_folder

MORTAL = Path(__file__).parents[1] / "support" / "mortal.py"
ALONE = ("unshare", "--mount", "--pid", "--kill-child", "--mount-proc")
"""Mounts and processes of what it runs end with it."""
OFFLINE = (*ALONE, "--net")
_KEPT = 3  # of a kind in the cache: other working copies want theirs


class ImageError(RuntimeError):
    """The image cannot be built: why, and what to do."""


class UnavailableError(ImageError):
    """It cannot be built on this machine, whatever the tree says."""


def said(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """What a command prints.  Raises ImageError with what it complains about.

    However this is left, all that holds the command's output has ended: so it is enough to begin
    the command with `ALONE`.
    """
    program = shutil.which(command[0])
    if program is None:
        raise ImageError(f"{command[0]!r} is not installed")
    mortal = [sys.executable, str(MORTAL), str(os.getpid()), program, *command[1:]]
    with Popen(
        mortal,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
        start_new_session=True,  # a Ctrl-C is for us
    ) as process:
        try:
            output, complaint = process.communicate()
        except BaseException:
            process.kill()
            process.communicate()
            raise
    if process.returncode:
        words = "\n".join((complaint.strip() or output.strip()).splitlines()[-30:])
        raise ImageError(f"{' '.join(command)} ended with {process.returncode}:\n{words}")
    return output.strip()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the cache's disk; also removes those of processes that were killed."""
    with ExitStack() as stack:
        with locked(_made(tools_folder()) / "scratch.lock"):
            for left in tools_folder().glob("scratch.*/"):
                with suppress(BlockingIOError), _held(left):
                    shutil.rmtree(left)
            folder = Path(tempfile.mkdtemp(dir=tools_folder(), prefix="scratch."))
            stack.callback(shutil.rmtree, folder)
            stack.enter_context(_held(folder))
        yield folder


def kept(kind: str, key: str, make: Callable[[Path], Path]) -> Path:
    """A folder in the cache; if it is not there yet, the one that `make` makes in a scratch.

    So it is whole or absent; of two processes that ask at once one makes it, and of each kind the
    last few are kept.
    """
    path = _made(tools_folder()) / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    with locked(tools_folder() / f"{kind}.lock"):
        if path.exists():
            os.utime(path)
            return path
        with scratch() as folder:
            make(folder).rename(path)
        made = sorted(tools_folder().glob(f"{kind}-*"), key=lambda each: each.stat().st_mtime)
        for old in made[:-_KEPT]:
            shutil.rmtree(old)
    return path


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Marks a folder as in use.  Raises BlockingIOError if another process does."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
