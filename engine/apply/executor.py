"""Who applies, and how many requests at a time."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import anyio

from engine.cluster import ApiError, Client, LeaseLost, UnknownKind
from engine.cluster.live import Live
from engine.errors import Failure
from engine.objects.ref import Object, Ref
from engine.runtime import Clock

T = TypeVar("T")
R = TypeVar("R")

FindPlaces = Callable[[Mapping[Ref, Sequence[str]]], Awaitable[Mapping[Ref, Mapping[str, str]]]]
"""{object: paths of fields} -> {object: {path: `file:line`}}"""


async def no_places(_: Mapping[Ref, Sequence[str]]) -> Mapping[Ref, Mapping[str, str]]:
    """For who does not know where fields stand."""
    return {}


def unheard(_ref: Ref, _obj: Object) -> None:
    """For whom it is nobody's concern."""


FIRST_POLL, LONGEST_POLL = 0.05, 2.0  # seconds between two looks; Flux's are 2 s


@dataclass(frozen=True, slots=True)
class Executor:
    """What applying needs beside the plan.

    manager: field manager.  overridden: managers whose fields are taken over.  in_flight: requests
    at a time.  group_timeout: seconds for definitions and classes to be ready, and for an object
    that is replaced to be gone.  origins: `file:line` of desired objects, for messages.
    places: finds that of fields, given their paths; what it does not know is missing.
    live: what the watches show; told of each answer.  settle: told the value signature of each
    object that is as it should be.  migrates: whether each update rewrites in which API version
    the object was written, and not only one that the API server cannot read.
    told: hears of each object as a write has left it.
    """

    client: Client
    clock: Clock
    manager: str
    overridden: tuple[str, ...]
    in_flight: int
    group_timeout: float
    origins: Mapping[Ref, str]
    live: Live
    settle: Callable[[Ref, bytes], None]
    migrates: bool = False
    places: FindPlaces = no_places
    told: Callable[[Ref, Object], None] = unheard


async def each(
    items: Sequence[T], work: Callable[[T], Awaitable[R]], in_flight: int
) -> list[R | Exception]:
    """The results of `work` in the order of `items`, at most `in_flight` at a time.

    An error of the API server is a result: one refused object never stops another.
    Raises LeaseLost.
    """
    results: list[R | Exception] = [RuntimeError("not run")] * len(items)
    left = iter(enumerate(items))

    async def take_turns() -> None:
        for index, item in left:
            try:
                results[index] = await work(item)
            except (ApiError, UnknownKind, LeaseLost, Failure) as error:
                results[index] = error

    if len(items) == 1:  # as of most kinds: without a task of its own
        await take_turns()
    elif items:
        async with anyio.create_task_group() as tasks:
            for _ in range(min(len(items), in_flight)):
                tasks.start_soon(take_turns)
    lost = next((result for result in results if isinstance(result, LeaseLost)), None)
    if lost is not None:
        raise lost
    return results
