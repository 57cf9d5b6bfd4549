"""Variables that are secret, and every text that substitution made of them.

A Secret's value is masked wherever it stands; `${pw^^}` and `${pw:0:8}` are other texts.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

LONGEST = 48 * 1024
"""Characters of a text that are masked: more than any message has.  A multiple of 3, as base64 of
the beginning must be the beginning of base64."""


@dataclass(slots=True)
class SecretVariables:
    """names: of variables.  made: the texts that stand where one of them did, each once."""

    names: Collection[str] = frozenset()
    made: dict[str, None] = field(default_factory=dict, repr=False)

    def note(self, text: str) -> None:
        """One was put in, as this text."""
        if text:
            self.made.setdefault(text[:LONGEST])


def reread(before: Any, after: Any, evaluated: Callable[[str], str | None]) -> Iterator[str]:
    """The values that a secret variable became because the text around it was read as YAML.

    `0x10` is a number then, `a # b` is `a`.  before, after: the object with its variables and with
    their values.  evaluated: what stands in place of a text, None if nothing of it is secret.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping) and len(before) == len(after):
        for one, other in zip(before.values(), after.values(), strict=True):
            yield from reread(one, other, evaluated)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for one, other in zip(before, after, strict=True):
            yield from reread(one, other, evaluated)
    elif isinstance(before, str):
        text = evaluated(before) if before != after else None
        if text is not None and text != after:
            yield from _leaves(after)
    elif before != after:
        yield from _leaves(after)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
        if isinstance(value, float) and value.is_integer():
            yield str(int(value))
