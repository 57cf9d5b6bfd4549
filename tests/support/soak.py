"""`make soak`: laws and crashes tried again and again, for as many minutes as LOCKSTEP_SOAK says.

Time is shared out, not examples, so that a soak ends on time on any machine.  Of two processes one
tries the laws, each as long as the others; the other kills engines at random, as long on each API
server, and at each await, which ends by itself.
"""

import functools
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

SECONDS = 60 * float(os.environ.get("LOCKSTEP_SOAK") or 0)
"How long a soak may take; 0: this is none."
LAWS, CRASHES = 0.8, 0.3  # of all laws; of the kills at random on one API server
LEAKS = 0.1  # of each of the two that look for what is kept for ever
EFFORT = float(os.environ.get("LOCKSTEP_LAWS") or (2.5 if SECONDS else 1))
"How many times their usual number of examples laws are tried with: 0.25 in `make quick`."


def share_of_laws(items: Sequence[pytest.Item]) -> float:
    """Seconds for each law of a run; 0 if this is no soak."""
    laws = sum(is_law(item) for item in items)
    return SECONDS * LAWS / laws if laws else 0.0


def examples(usual: int) -> int:
    """How many examples a law gets that is usually tried with so many."""
    return max(1, round(usual * EFFORT))


def is_law(item: pytest.Item) -> bool:
    """Whether Hypothesis makes the examples of a test."""
    return isinstance(item, pytest.Function) and getattr(item.obj, "is_hypothesis_test", False)


def repeated(test: Callable[..., None], seconds: float) -> Callable[..., None]:
    """A law that is tried once and then until `seconds` are over, each time with new examples."""

    @functools.wraps(test)
    def rounds(*arguments: Any, **named: Any) -> None:
        end = time.monotonic() + seconds
        while True:
            test(*arguments, **named)
            if time.monotonic() >= end:
                return

    return rounds
