"""Replacement targets inside of JSON or YAML that is itself the text of a field.

Source: kustomize api/filters/replacement (setValueInStructuredData).
"""

import json
from collections.abc import Callable
from typing import Any

from engine.objects.manifests import dump
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.paths import Found, find, look_up
from engine.render.kustomize.reading import read_one
from engine.render.kustomize.scalars import text_of, unspelled


def put_inside(
    obj: dict[str, Any], path: list[str], write: Callable[[Found], None], create: type | None
) -> bool:
    """Run `write` on what `path` leads to inside of a text, and put the text back.

    False if the path does not go through a text that holds such a field: nothing was changed then.
    """
    for length in range(1, len(path)):
        try:
            scalar = look_up(obj, path[:length])
        except KustomizeError:
            continue
        if scalar is None or isinstance(scalar, (dict, list)):
            continue
        return _write_inside(obj, path[:length], path[length:], write, create)
    return False


def _write_inside(
    obj: dict[str, Any],
    above: list[str],
    inside: list[str],
    write: Callable[[Found], None],
    create: type | None,
) -> bool:
    holder = find(obj, above, None)
    text = text_of(holder[0].value) if holder else ""
    try:
        content = read_one(text.encode(), "text")
        fields = find(content, inside, create) if content is not None else []
        for field in fields:
            write(field)
    except KustomizeError:
        return False
    if not fields:
        return False
    holder[0].set(_serialized(unspelled(content), text))
    return True


def _serialized(content: Any, before: str) -> str:
    """In the form that the text had: JSON on one line, indented JSON, or YAML."""
    if before.strip()[0] not in "{[":
        return dump(content).strip()
    is_pretty = "\n" in before and "  " in before
    text = (
        json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
        if is_pretty
        else json.dumps(content, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    )
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
