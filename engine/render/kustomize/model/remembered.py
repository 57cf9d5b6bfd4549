"""Remember what a function made of a value that never changes, without looking into the value.

Field specifications are tuples of hundreds: comparing them, or hashing them, takes longer than most
builds need them for.
"""

from collections.abc import Callable, Hashable
from functools import wraps
from typing import TypeVar

_MOST = 1_000  # pairs of value and key; then all are forgotten

V = TypeVar("V")
K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


def by_identity(make: Callable[[V, K], R]) -> Callable[[V, K], R]:
    """The function, which is asked once for the same value and an equal key.

    The value, and what is made of it, must not be changed by anybody.
    """
    known: dict[tuple[int, K], tuple[V, R]] = {}  # the value is held, so that its id stays its own

    @wraps(make)
    def remembered(value: V, key: K) -> R:
        found = known.get((id(value), key))
        if found is None:
            if len(known) >= _MOST:
                known.clear()
            found = known[id(value), key] = value, make(value, key)
        return found[1]

    return remembered
