"""Do a thing once for all who ask for it."""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

import anyio

from engine.source.failures import GitError

T = TypeVar("T")


@dataclass(slots=True)
class _Asked:
    """One thing that is asked for; began: when the last answer was begun, in steps."""

    users: int = 0
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    began: int = -1
    answer: Any = None


class Shared:
    """Does a thing once for all who ask for it before it is begun.

    Whoever asks while it is being done waits for the next time: what is under way may have looked
    before the change that he has heard of.
    """

    def __init__(self) -> None:
        self._asked: dict[Hashable, _Asked] = {}
        self._steps = count()

    def __len__(self) -> int:
        return len(self._asked)

    async def result(self, key: Hashable, do: Callable[[], Awaitable[T]]) -> T:
        """What `do` gives, begun after this was called.  Raises the GitError that it raises."""
        came, asked = next(self._steps), self._asked.setdefault(key, _Asked())
        asked.users += 1
        try:
            async with asked.lock:
                if asked.began < came:
                    began = next(self._steps)
                    try:
                        asked.answer = await do()
                    except GitError as error:
                        asked.answer = error
                    asked.began = began
                answer: T | GitError = asked.answer
        finally:
            asked.users -= 1
            if not asked.users:
                del self._asked[key]
        if isinstance(answer, GitError):
            raise type(answer)(answer.problem, answer.failure)
        return answer
