"""Kustomizations that wait for each other in a circle: none of them can ever become ready."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from engine.objects.ref import Ref

_MOST = 20_000
"""Dependencies that one search looks at, some 20 ms; 3,000 objects have hardly as many.  A tenant
may write hundreds that name each other, and each of their runs searches."""


def cycle_of(start: Ref, first: Iterable[Ref], waits_for: Callable[[Ref], Iterable[Ref]]) -> str:
    """A shortest way from `start` back to it, `ns/a -> ns/b -> ns/a`; "" if there is none.

    first: the dependencies of `start` to begin with.  waits_for: those of any other.
    """
    return " -> ".join(f"{ref.namespace}/{ref.name}" for ref in members_of(start, first, waits_for))


def members_of(
    start: Ref, first: Iterable[Ref], waits_for: Callable[[Ref], Iterable[Ref]]
) -> list[Ref]:
    """The same way as Refs, `start` at both ends; [] if there is none, or none is found soon."""
    looked = 0
    came_from = dict.fromkeys(sorted(first), start)
    if start in came_from:
        return [start, start]
    left = deque(came_from)
    while left:
        ref = left.popleft()
        further = sorted(waits_for(ref))
        if start in further:
            return _way(ref, start, came_from)
        looked += len(further)
        if looked > _MOST:
            return []
        for each in further:
            if each not in came_from:
                came_from[each] = ref
                left.append(each)
    return []


def _way(last: Ref, start: Ref, came_from: Mapping[Ref, Ref]) -> list[Ref]:
    """From start to start; last: before its end."""
    way, ref = [start], last
    while ref != start:
        way.append(ref)
        ref = came_from[ref]
    return [start, *reversed(way)]
