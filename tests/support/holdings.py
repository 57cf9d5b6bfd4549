"""What a process holds, by name: to tell what grows although nothing of it is left in the world.

Counted are tasks, descriptors, threads, child processes, the engine's own objects by class, and how
much is in each container that such an object has.
"""

import asyncio
import ctypes
import gc
import os
import re
import sys
import threading
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from prometheus_client import CollectorRegistry

from engine.objects.ref import Ref
from tests.support.engine_process import awaited

OURS = ("engine.", "plugins.")
_NUMBERS = re.compile(r"[0-9a-f]{6,}|[0-9]+")
_OURS = re.compile(r"/(engine|plugins)/")
_DEPTH = 3  # containers in containers


def holdings(*without: str) -> Counter[str]:
    """{what: how much of it}; without: packages whose classes are left out."""
    _collect()
    found: Counter[str] = Counter()
    found.update(f"task {name}" for name in _tasks())
    found.update(f"descriptor {name}" for name in _descriptors())
    found.update(f"thread {each.name.rstrip('0123456789')}" for each in threading.enumerate())
    found["child processes"] = len(_children())
    for obj in gc.get_objects():
        if type(obj) is CollectorRegistry:  # a weak proxy isinstance would ask what it stood for
            for metric in obj.collect():
                found[f"series {metric.name}"] += len(metric.samples)
    for obj in _objects(without):
        kind = type(obj).__qualname__
        found[f"object {kind}"] += 1
        for name, value in _attributes(obj):
            for path, size in _sizes(f"{kind}.{name}", value):
                found[path] += size
    found.update(_caches(without))
    return found


def exceeding(
    before: Mapping[str, int], after: Mapping[str, int], bounds: Mapping[str, int]
) -> dict[str, str]:
    """{what there is more of: from how many to how many}.

    bounds: {pattern of what may grow: to how many}.
    """
    return {
        name: f"{before.get(name, 0)} -> {count}"
        for name, count in sorted(after.items())
        if count > max(before.get(name, 0), _bound(name, bounds))
    }


def _bound(name: str, bounds: Mapping[str, int]) -> int:
    return max((most for each, most in bounds.items() if fnmatchcase(name, each)), default=0)


def resident_bytes() -> int:
    """The memory of this process, without what the allocator could give back."""
    _collect()
    ctypes.CDLL(None).malloc_trim(0)  # glibc's
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def holders(ref: Ref) -> list[str]:
    """The containers of the engine's objects in which something is kept under that name."""
    found = set()
    for obj in _objects():
        for name, value in _attributes(obj):
            if isinstance(value, dict | set | list | deque) and _has(value, ref):
                found.add(f"{type(obj).__qualname__}.{name}")
    return sorted(found)


def _has(container: Collection[object], ref: Ref) -> bool:
    return any(each == ref or (type(each) is tuple and ref in each) for each in container)


def _is_ours(kind: type, without: tuple[str, ...] = ()) -> bool:
    module = kind.__module__  # of some it is a descriptor
    return isinstance(module, str) and module.startswith(OURS) and not module.startswith(without)


def _objects(without: tuple[str, ...] = ()) -> Iterator[object]:
    """The engine's own, each once; also those that modules made, of which `gc.freeze` keeps quiet.

    Of these others only what is an attribute of one is found.
    """
    left = [obj for obj in gc.get_objects() if _is_ours(type(obj), without)]
    for name, module in list(sys.modules.items()):
        if name.startswith(OURS) and not name.startswith(without):
            left += [obj for obj in vars(module).values() if _is_ours(type(obj), without)]
    seen = set[int]()
    while left:
        obj = left.pop()
        if id(obj) not in seen:
            seen.add(id(obj))
            yield obj
            left += [each for _, each in _attributes(obj) if _is_ours(type(each), without)]


def _collect() -> None:
    for _ in range(3):  # what has a finalizer goes in the next one
        gc.collect()


def _tasks() -> Iterator[str]:
    """By where they began; without those of HTTP servers, whose owners count connections."""
    for task in asyncio.all_tasks():
        coroutine = task.get_coro()
        if "RequestHandler" in getattr(coroutine, "__qualname__", ""):
            continue
        frames = [frame for frame in awaited(coroutine) if _OURS.search(frame)]
        yield frames[0].rpartition(" ")[2] if frames else task.get_name().rstrip("0123456789")


def _descriptors() -> Iterator[str]:
    for link in Path("/proc/self/fd").iterdir():
        try:
            yield _NUMBERS.sub(
                "N", os.readlink(link).partition(":")[0].rpartition("/pytest-of-")[2]
            )
        except OSError:  # the one that lists them
            continue


def _children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def _attributes(obj: object) -> Iterator[tuple[str, object]]:
    yield from getattr(obj, "__dict__", {}).items()
    for kind in type(obj).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{kind.__name__.lstrip('_')}{name}"
            try:
                yield name, getattr(obj, name)
            except AttributeError:  # not set
                continue


def _sizes(name: str, value: object, depth: int = _DEPTH) -> Iterator[tuple[str, int]]:
    if not isinstance(value, dict | set | list | deque) or not depth:
        return
    yield name, len(value)
    inner = value.values() if isinstance(value, dict) else value
    for each in islice(inner, 10_000):
        yield from _sizes(f"{name}[]", each, depth - 1)


def _caches(without: tuple[str, ...]) -> Counter[str]:
    """Of modules: their containers, and functions that keep their answers."""
    found: Counter[str] = Counter()
    for name, module in list(sys.modules.items()):
        if not name.startswith(OURS) or name.startswith(without):
            continue
        for key, value in list(vars(module).items()):
            if hasattr(value, "cache_info") and getattr(value, "__module__", "") == name:
                found[f"cache {name}.{key}"] = value.cache_info().currsize
            for path, size in _sizes(f"global {name}.{key}", value):
                found[path] += size
    return found
