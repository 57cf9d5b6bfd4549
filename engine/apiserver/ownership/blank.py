"""What Go writes of an empty object of a built-in kind, and so nobody brings along.

Structs that are no pointers, and fields without `omitempty`, are written even if they are empty;
the real server compares a new object with such an empty one to see what its creator set.
"""

from functools import cache
from typing import Any

from engine.apiserver.decoding.protobuf import INLINE, PRESENT, is_special, message_name, table

_ZEROS: dict[str, Any] = {"s": "", "i": 0, "d": 0, "t": False}


def blank(definition: str) -> dict[str, Any]:
    """An empty object, without kind and version; definition: the OpenAPI name of its kind."""
    return _blank(message_name(definition))


@cache
def _blank(message: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, kind, keep in table()["messages"].get(message, {}).values():
        if keep & INLINE:
            found.update(_blank(kind))
        elif keep & PRESENT:
            is_struct = kind in table()["messages"] and not is_special(kind)
            found[name] = _blank(kind) if is_struct else _ZEROS.get(kind)
    return found
