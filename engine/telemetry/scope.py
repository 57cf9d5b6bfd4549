"""What the current run is about, and what it must not tell: known to all that is said within it."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

_USER_OF_URL = re.compile(r"(?<=://)[^/\s]+@")


@dataclass(frozen=True, slots=True)
class Scope:
    """One run: the keys of its log lines, and what hides the secrets that it knows by now."""

    keys: Mapping[str, Any]
    mask: Callable[[str], str]


_CURRENT: ContextVar[Scope | None] = ContextVar("scope", default=None)


@contextmanager
def scoped(keys: Mapping[str, Any], mask: Callable[[str], str]) -> Iterator[None]:
    """All that is said inside, in tasks and threads too, has these keys and passes this mask."""
    before = _CURRENT.set(Scope(keys, mask))
    try:
        yield
    finally:
        _CURRENT.reset(before)


def current_keys() -> Mapping[str, Any]:
    """The keys of the current run, none outside of one."""
    scope = _CURRENT.get()
    return scope.keys if scope is not None else {}


def clean(text: str) -> str:
    """The text without the secrets of the current run and without the user part of URLs."""
    scope = _CURRENT.get()
    if scope is not None:
        text = scope.mask(text)
    return _USER_OF_URL.sub("***@", text) if "@" in text else text


def about(kind: str, group: str, namespace: str, name: str) -> dict[str, Any]:
    """The keys by which `flux logs` finds the lines of an object; outside a run, `extra=` them."""
    return {
        "keys": {
            "controller": kind.lower(),
            "controllerGroup": group,
            "controllerKind": kind,
            kind: {"name": name, "namespace": namespace},
            "name": name,
            "namespace": namespace,
        }
    }
