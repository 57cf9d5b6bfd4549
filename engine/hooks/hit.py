"""One call of a webhook: as it came, and as what it was found to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field


class Refused(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """The call is not genuine, or not what this Receiver acts on.

    The text is for the log: it quotes neither token nor body.
    """


@dataclass(frozen=True, slots=True)
class Hit:
    """A call.

    headers: the first value of each, by name in lower case.  token: what both sides know, never
    empty.
    """

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    token: bytes = field(repr=False)

    def header(self, name: str) -> str:
        """The value of a header, "" if there is none; name: in any case."""
        return self.headers.get(name.lower(), "")


@dataclass(frozen=True, slots=True)
class Genuine:
    """A call that was proven to be genuine.

    event: which kind of event it tells of, "" if it does not say; None: its type knows none, so
    that `spec.events` does not count.  payload: the JSON that expressions see as `req`.
    is_by_path: nothing but the path proves it, so that a path of an older token proves nothing.
    """

    event: str | None = None
    payload: bytes = field(default=b"", repr=False)
    is_by_path: bool = False
