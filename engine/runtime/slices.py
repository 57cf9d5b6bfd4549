"""Long work in pieces, between which others have their turn."""

from collections.abc import AsyncIterator, Generator, Iterable
from itertools import islice
from typing import TypeVar

import anyio.lowlevel

T = TypeVar("T")

SLICE = 500  # items; at some 20 µs each they hold the event loop for 10 ms


async def slices(items: Iterable[T]) -> AsyncIterator[list[T]]:
    """The items, some at a time; what is behind them must not change meanwhile."""
    rest = iter(items)
    part = list(islice(rest, SLICE))
    while part:
        yield part
        part = list(islice(rest, SLICE))
        if part:
            await anyio.lowlevel.checkpoint()


async def stepwise(steps: Generator[None, None, T]) -> T:
    """What the generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        await anyio.lowlevel.checkpoint()


async def turn() -> None:
    """Others have their turn."""
    await anyio.lowlevel.checkpoint()
