"""Fields that an empty object of a built-in kind has already, so that nobody owns them as such.

Go writes structs that are no pointers, and fields without `omitempty`, even if they are empty; the
real server compares a new object with such an empty one to see what its creator set.
"""

from functools import cache
from typing import Any

from engine.apiserver.protobuf import INLINE, PRESENT, message_name, table
from engine.objects.ref import Object

Tree = dict[str, Any]
"""{field name: what is always there below it}."""


def disown_structs(fields: dict[str, Any], obj: Object, definition: str) -> None:
    """Take what an empty object has out of its creator's fieldsV1, in place."""
    _disown(fields, obj, _present(message_name(definition)))


def _disown(fields: dict[str, Any], value: Any, present: Tree) -> None:
    for name, below in present.items():
        owned = fields.get(f"f:{name}")
        if owned is None:
            continue
        child = value.get(name) if isinstance(value, dict) else None
        if not child and not owned:
            del fields[f"f:{name}"]
        owned.pop(".", None)
        _disown(owned, child, below)


@cache
def _present(message: str) -> Tree:
    found: Tree = {}
    for name, kind, keep in table()["messages"].get(message, {}).values():
        if keep & INLINE:
            found.update(_present(kind))
        elif keep & PRESENT:
            is_message = kind in table()["messages"]
            found[name] = _present(kind) if is_message else {}
    return found
