"""Nothing is left of what the image is built with, whatever ends it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.image.commands import ImageError, kept, said, scratch

ROOT = Path(__file__).parents[3]
BUILD = """
import sys
from tests.image.commands import ALONE, said, scratch

with scratch() as folder:
    script = 'mkdir "$0/m"; mount -t tmpfs none "$0/m"; touch "$0/m/x" "$1"; sleep 999 & wait'
    said(*ALONE, "sh", "-c", script, str(folder), sys.argv[1])
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="to mount something needs root")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of tools, empty."""
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path))
    return tmp_path / "tools"


@contextmanager
def building(ready: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the middle of a build: it has mounted something."""
    command = [sys.executable, "-c", BUILD, str(ready)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            while not ready.exists():
                assert process.poll() is None
                time.sleep(0.01)
            yield process
        finally:
            process.kill()


def scratches(cache: Path) -> list[Path]:
    return list(cache.glob("scratch.*/"))


def processes_of(folder: Path) -> list[int]:
    """Whose command names it."""
    found = []
    for process in Path("/proc").glob("[1-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            if os.fsencode(folder) in process.joinpath("cmdline").read_bytes():
                found.append(int(process.name))
    return found


@needs_root
def test_an_interrupted_build_leaves_no_process_no_mount_and_no_folder(
    cache: Path, tmp_path: Path
) -> None:
    with building(tmp_path / "ready") as process:
        (folder,) = scratches(cache)
        process.send_signal(signal.SIGINT)
        process.wait()

    assert processes_of(folder) == []
    assert str(folder) not in Path("/proc/mounts").read_text()
    assert scratches(cache) == []


@needs_root
def test_of_a_killed_build_only_a_folder_is_left_which_the_next_removes(
    cache: Path, tmp_path: Path
) -> None:
    with building(tmp_path / "ready") as process:
        (folder,) = scratches(cache)
        with scratch():
            assert folder.exists()  # in use
        process.kill()
        process.wait()
        while processes_of(folder):
            time.sleep(0.01)

    assert str(folder) not in Path("/proc/mounts").read_text()
    with scratch() as next_folder:
        assert scratches(cache) == [next_folder]


def test_a_command_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(ImageError, match=r"^sh -c .* ended with 3:\nno disk$"):
        said("sh", "-c", "echo no disk >&2; exit 3")


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(ImageError, match="'no-such-program' is not installed"):
        said("no-such-program")


def make(folder: Path) -> Path:
    made = folder / "made"
    made.mkdir()
    return made


def test_what_is_kept_is_made_once_and_the_oldest_goes(cache: Path) -> None:
    first, again = kept("thing", "1", make), kept("thing", "1", lambda _: Path("never"))
    os.utime(first, (0, 0))
    others = [kept("thing", key, make) for key in "234"]

    assert first == again
    assert sorted(cache.glob("thing-*")) == sorted(others)


def test_what_could_not_be_made_is_tried_again(cache: Path) -> None:
    def fail(_: Path) -> Path:
        raise ImageError("no")

    with pytest.raises(ImageError):
        kept("thing", "1", fail)

    assert kept("thing", "1", make).is_dir()
    assert scratches(cache) == []
