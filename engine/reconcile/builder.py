"""What a builder process does: renders what it is asked to, one build after the other.

`python -m engine.reconcile.builder_program MEMORY_BYTES CACHE_BYTES IDLE_SECONDS`.  In, on stdin:
jobs, as `job_of` makes them.  Out, on stdout: to each its result or an Exception, as `answer_in`
reads them.  It ends with its stdin whatever it is doing, so none outlives its engine, however that
ends; and when no job came for so long, to give its memory back.
"""

import faulthandler
import gc
import io
import os
import pickle
import resource
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from queue import Empty, SimpleQueue
from struct import Struct
from typing import Any, BinaryIO

from engine.errors import Failure
from engine.render import Lacking, Memory, Remotes, Rendered, Request, render
from engine.render.decrypt_cache import Decrypt, DecryptedFiles
from engine.render.explanation import Explainer, Places, Wanted, explain, places_of
from engine.source.store import Store
from engine.source.tree import Tree

HEADER = Struct("!Q")
"""Before each pickle: how many bytes it has."""
_KEPT = 2 * 2**20  # bytes of small files of each store: kustomizations and bases
_GARBAGE = 20_000  # objects between two looks for cycles: a build makes many, and hardly a cycle
_STORES = 8  # open at once; each has file handles, and some thousand parsed folders


@dataclass(frozen=True, slots=True)
class Job:
    """A build; wanted: fields of which only the places are asked for, None: the build itself."""

    tree: Tree
    request: Request
    remotes: Remotes | None = None
    wanted: Wanted | None = None

    def done(self, memory: Memory, decrypt: Decrypt) -> "Rendered | Places":
        """A Rendered, or the places.  Raises what `render` raises."""
        if self.wanted is None:
            return render(self.tree, self.request, self.remotes, memory=memory, decrypt=decrypt)
        explainer = Explainer(parse=memory.parse, decrypt=decrypt)
        return places_of(explain(self.tree, self.request, self.remotes, explainer), self.wanted)


class _Pickler(pickle.Pickler):
    """A store goes as the path of its folder, so that builds of one repository share one."""

    def persistent_id(self, obj: Any) -> str | None:
        """The path of a store, None for all else."""
        return str(obj.folder) if isinstance(obj, Store) else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, store_of: Callable[[Path], Store]) -> None:
        super().__init__(file)
        self._store_of = store_of

    def persistent_load(self, pid: Any) -> Store:
        return self._store_of(Path(pid))


def job_of(job: Job) -> bytes:
    """What a builder is sent."""
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(job)
    return _framed(buffer.getvalue())


def answer_in(content: bytes) -> Rendered | Places:
    """What a builder sent, without its header.  Raises what the build raised, or MemoryError."""
    answer = pickle.loads(content)  # noqa: S301 - from our own child
    if isinstance(answer, Exception):
        raise answer
    found: Rendered | Places = answer
    return found


def _framed(content: bytes) -> bytes:
    return HEADER.pack(len(content)) + content


def serve(memory_bytes: int, cache_bytes: int, idle: float) -> None:
    """Builds until stdin ends; memory_bytes: of this process, 0: no bound.

    idle: seconds without a job after which it ends, 0: it waits for ever.
    """
    faulthandler.enable()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a stray print must not look like an answer
    jobs: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    store_of = lru_cache(_STORES)(partial(Store, kept_bytes=_KEPT if cache_bytes else 0))
    do = partial(Job.done, memory=Memory.of(cache_bytes), decrypt=DecryptedFiles(cache_bytes // 4))
    if memory_bytes:
        _bound(memory_bytes)
    gc.freeze()  # modules and tables, which stay
    gc.set_threshold(_GARBAGE)
    while True:
        try:
            job = jobs.get(timeout=idle or None)
        except Empty:
            os._exit(0)  # the other thread waits for stdin
        answer = _answer(job, store_of, do)
        with suppress(BrokenPipeError):  # the engine is gone; `_listen` notices as well
            answers.write(_framed(answer))
            answers.flush()


def _listen(jobs: "SimpleQueue[bytes]") -> None:
    """Takes jobs in while one is built, to notice at once that the engine is gone."""
    try:
        while header := sys.stdin.buffer.read(HEADER.size):
            jobs.put(sys.stdin.buffer.read(*HEADER.unpack(header)))
    finally:
        os._exit(0)


def _bound(memory_bytes: int) -> None:
    # Not RLIMIT_AS: packs are mapped into memory, and any of their size must be readable.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _answer(
    job: bytes, store_of: Callable[[Path], Store], do: Callable[[Job], Rendered | Places]
) -> bytes:
    answer: Rendered | Places | Exception
    try:
        answer = do(_Unpickler(io.BytesIO(job), store_of).load())
    except (Failure, Lacking) as failure:
        answer = failure
    except MemoryError:
        answer = MemoryError()
    except Exception as bug:
        answer = _portable(bug)
    return pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)


def _portable(bug: Exception) -> Exception:
    """The error, or its text if it cannot be sent; its traceback as a note."""
    note = "".join(traceback.format_exception(bug))
    try:
        sent: Exception = pickle.loads(pickle.dumps(bug))  # noqa: S301 - made right here
    except Exception:
        sent = RuntimeError(f"{type(bug).__name__}: {bug}")
    sent.add_note(f"In a builder process:\n{note}")
    return sent
