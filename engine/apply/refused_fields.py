"""Which fields of an object the API server has refused, as it names them in errors.

It names them in three ways: as causes (`spec.containers[0].image`), in the text of an error of
strict decoding (`unknown field "spec.x"`), and of apply (`.spec.containers[name="web"].x: ...`).
Source: apimachinery field.Path, json/strict; structured-merge-diff fieldpath.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from engine.cluster import ApiError
from engine.objects.ref import Object

MOST = 3
"""Fields of one object whose places are told; the object's own place leads to the others."""
_STRICT = re.compile(r'(?:unknown|duplicate) field "([^"]+)"')
_APPLIED = re.compile(r"(?m)(?:\): |^\s+)(\.[\w$][^\n]*?): ")
_STEP = re.compile(r'\.?([^.\[\]]+)|\[((?:[^\]"]|"(?:[^"\\]|\\.)*")*)\]')


def refused_fields(error: Exception, obj: Object) -> tuple[str, ...]:
    """The paths, as a `Difference` has them (`.spec.containers[web].image`), each once, few."""
    if not isinstance(error, ApiError):
        return ()
    named = [cause.field for cause in error.causes]
    texts = (error.message, *(cause.message for cause in error.causes))
    for text in texts:
        named += _STRICT.findall(text) + _APPLIED.findall(text)
    paths = (_path(name, obj) for name in named if name and "<" not in name)
    return tuple(dict.fromkeys(filter(None, paths)))[:MOST]


def _path(field: str, obj: Object) -> str:
    """The path of a field that the API server names."""
    value: Any = obj
    steps: list[str] = []
    for name, key in _STEP.findall(field):
        if name:
            steps.append(f".{name}")
            value = value.get(name) if isinstance(value, Mapping) else None
        elif isinstance(value, Mapping):
            steps.append(f".{key}")
            value = value.get(key)
        else:
            step, value = _item(value if isinstance(value, list) else [], key)
            steps.append(step)
    return "".join(steps)


def _item(items: list[Any], key: str) -> tuple[str, Any]:
    """(what an item is called, the item); key: its number, or `name="web"` and the like."""
    place = int(key) if key.isdecimal() else _found(items, key)
    item = items[place] if place < len(items) else None
    is_named = all(isinstance(each, Mapping) and "name" in each for each in items)
    if item is not None and is_named:
        return f"[{item['name']}]", item
    return f"[{place}]", item


def _found(items: list[Any], keys: str) -> int:
    """The place of the item with these keys; behind all if there is none."""
    pairs = (pair.partition("=") for pair in keys.split(","))
    wanted = {name: _value(text) for name, _, text in pairs}
    for place, item in enumerate(items):
        if wanted == (
            {name: item.get(name) for name in wanted} if isinstance(item, Mapping) else item
        ):
            return place
    return len(items)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
