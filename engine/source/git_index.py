"""Index a pack in a process of its own, with bounded memory, which can be ended at any time.

For packs whose objects are so many or so large that they would hold up all other work.
Protocol: the pack comes on standard input; one line of JSON goes to standard output, {} or
{"kind": "corrupt" | "disk" | "memory", "problem": text}.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from engine.source.failures import ArchiveOperationFailed, CorruptPackError, GitError, of_disk
from engine.source.store_folder import opened

_LOOK = 0.1  # seconds between two looks at whether it is still wanted
_TIDYING = 5.0  # seconds to remove what is half written


def index_apart(
    pack: BinaryIO,
    objects: Path,
    object_format: str,
    memory_bytes: int,
    check_cancelled: Callable[[], None],
) -> None:
    """Make the objects of a pack part of the repository whose folder `objects` is.

    Blocks; check_cancelled: called now and then, may raise.  Raises GitError.
    """
    pack.flush()
    pack.seek(0)
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    arguments = (str(objects), object_format, str(memory_bytes))
    process = subprocess.Popen(  # noqa: S603 - our own program; folder and numbers are ours
        [sys.executable, "-P", "-m", "engine.source.git_index", *arguments],
        stdin=pack,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,  # Ctrl-C goes to a whole group: what is in flight goes on
    )
    with process:
        try:
            while process.poll() is None:
                try:
                    process.wait(_LOOK)
                except subprocess.TimeoutExpired:
                    check_cancelled()
            _check(process.communicate()[0], process.returncode, memory_bytes)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let it tidy up and go, if it is still there."""
    process.terminate()
    try:
        process.wait(_TIDYING)
    except subprocess.TimeoutExpired:
        process.kill()


def _check(answer: bytes, status: int, memory_bytes: int) -> None:
    """Raises GitError for what the process says went wrong."""
    try:
        said = json.loads(answer)
    except ValueError:
        raise CorruptPackError(
            f"the pack cannot be indexed: the process that was to do it ended with {status}"
        ) from None
    kind, problem = said.get("kind"), said.get("problem", "")
    if kind == "disk":
        raise GitError(problem, ArchiveOperationFailed)
    if kind == "memory":
        raise GitError(
            f"the pack takes more than {memory_bytes} bytes of memory to index: it holds objects "
            "that are too large, or too many"
        )
    if kind:
        raise CorruptPackError(problem)


def main() -> None:
    """Index the pack on standard input; see the head of this file."""
    objects, object_format, memory_bytes = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    resource.setrlimit(resource.RLIMIT_DATA, (int(memory_bytes), int(memory_bytes)))
    sys.stdout.write(json.dumps(_outcome(Path(objects), object_format)))


def _outcome(objects: Path, object_format: str) -> dict[str, str]:
    store = opened(objects, object_format)
    try:
        file, commit, abort = store.add_pack()
        try:
            shutil.copyfileobj(sys.stdin.buffer, file)
            commit()
        except BaseException:
            abort()
            raise
    except Exception as error:  # dulwich raises bare errors of many kinds on hostile input
        return _told(error)
    finally:
        with suppress(BufferError):  # something of a pack is still held by what went wrong
            store.close()
    return {}


def _told(error: Exception) -> dict[str, str]:
    chain: list[BaseException] = [error]
    while chain[-1].__context__ is not None:
        chain.append(chain[-1].__context__)
    if any(isinstance(each, MemoryError) for each in chain):  # what tidies up fails then, too
        return {"kind": "memory"}
    if isinstance(error, OSError):
        return {"kind": "disk", "problem": of_disk("the pack cannot be stored", error)}
    return {"kind": "corrupt", "problem": f"{type(error).__name__}: {str(error)[:200]}"}


if __name__ == "__main__":
    main()
