"""The body of a call as JSON."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from engine.hooks.hit import Refused

_MOST_VALUES: Final = 200_000
"""Empty lists of three bytes take forty times as much in memory; a push has one in 30 bytes."""
_BEFORE_VALUES: Final = (b",", b"[", b"{")


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object, `null` counting as an empty one.  Raises Refused if the body is none."""
    if sum(map(body.count, _BEFORE_VALUES)) > _MOST_VALUES:
        raise Refused(f"the body's JSON has more than {_MOST_VALUES} values")
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refused(f"the body of {len(body)} bytes is not JSON") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Refused("the body is JSON, but not an object")
    return found


def check_fields(found: Mapping[str, Any], wanted: Mapping[str, Any], path: str = "") -> None:
    """Raises Refused if a field has another type than wanted; it may be absent or null.

    wanted: {name: `str`, `[str]` for a list of texts, or a mapping like this one}.
    """
    for name, kind in wanted.items():
        value, where = found.get(name), f"{path}{name}"
        if value is None:
            continue
        if isinstance(kind, Mapping):
            if not isinstance(value, dict):
                raise Refused(f"the body's field {where} is not an object")
            check_fields(value, kind, f"{where}.")
        elif kind is str:
            if not isinstance(value, str):
                raise Refused(f"the body's field {where} is not a text")
        elif not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise Refused(f"the body's field {where} is not a list of texts")


def request_of(payload: bytes) -> dict[str, Any]:
    """What expressions see as `req`: every number is a double there, as Go decodes it.

    Raises Refused.
    """
    try:
        found: dict[str, Any] = _as_in_go(object_of(payload)) if payload else {}
    except (RecursionError, OverflowError):
        raise Refused("the body's JSON is nested too deep, or holds too big a number") from None
    return found


def _as_in_go(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_in_go(below) for name, below in value.items()}
    if isinstance(value, list):
        return [_as_in_go(below) for below in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value
