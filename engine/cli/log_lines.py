"""Lines of a controller's log, as they come in pieces, and how people read them.

Source: flux-behaviour 9.4: the keys; flux2 cmd/flux/logs.go: how a line is shown.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

_LONGEST = 2**20  # bytes of a line; what is longer is no log line but a flood


@dataclass(frozen=True, slots=True)
class Line:
    """One line; "" where it does not say something."""

    at: str
    level: str
    kind: str
    name: str
    namespace: str
    message: str
    error: str

    @property
    def text(self) -> str:
        """`2026-11-23T09:41:39Z info Kustomization/apps.flux-system - done`."""
        about = f"{self.kind}/{self.name}.{self.namespace}" if self.name else self.kind
        return f"{self.at} {self.level} {about} - {self.message} {self.error}".rstrip()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines are shown; "": all."""

    level: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""

    def __call__(self, line: Line) -> bool:
        """Whether the line is one of them; kinds and names in any case of letters."""
        pairs = (
            (self.level, line.level),
            (self.kind, line.kind),
            (self.name, line.name),
            (self.namespace, line.namespace),
        )
        return all(not wanted or wanted.lower() == found.lower() for wanted, found in pairs)


def line_of(text: bytes) -> Line | None:
    """The line, None for what is no JSON object: a start-up text, a traceback."""
    if not text.startswith(b"{"):
        return None
    try:
        said: dict[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    kind = said.get("reconciler kind") or said.get("controllerKind")
    values = (said.get("level"), kind, said.get("name"), said.get("namespace"))
    rest = (said.get("msg"), said.get("error"))
    return Line(str(said.get("ts", "")), *(str(value or "") for value in (*values, *rest)))


async def lines_of(chunk: Callable[[], Awaitable[bytes]]) -> AsyncIterator[Line]:
    """The lines of a stream.   chunk: gives its next bytes, none at the end."""
    rest = b""
    while piece := await chunk():
        *whole, rest = (rest + piece).split(b"\n")
        for text in whole:
            if line := line_of(text):
                yield line
        if len(rest) > _LONGEST:
            rest = b""
    if line := line_of(rest):
        yield line
