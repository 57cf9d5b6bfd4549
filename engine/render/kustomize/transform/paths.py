"""Field paths of replacements and vars: `spec.containers.[name=web].image`, `args.0`, `*`.

Source: kyaml yaml/match.go (PathMatcher), yaml/fns.go (PathGetter), utils/pathsplitter.go.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.objects.regex import Expression, InvalidExpression, compiled
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.fields import split_path
from engine.render.kustomize.model.scalars import described, text_of

_INDEX = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True, slots=True)
class Found:
    """A field that a path leads to; set: puts another value there."""

    value: Any
    set: Callable[[Any], None]


def split_smart(path: str) -> list[str]:
    """The parts of a dotted path; dots inside of `[...]` do not count."""
    result: list[str] = []
    parts = iter(split_path(path, "."))
    for part in parts:
        if not part.startswith("[") or part.endswith("]"):
            result.append(part)
            continue
        bracketed = [part]
        for more in parts:
            bracketed.append(more)
            if more.endswith("]"):
                break
        joined = ".".join(bracketed)
        result.append(joined if "=" in joined else joined.strip("[]"))
    return result


def look_up(node: Any, path: list[str]) -> Any:
    """The value at a path without wildcards, None if there is none.  Raises KustomizeError."""
    for part in (stripped for part in path if (stripped := part.strip())):
        if node is None:
            return None
        node = _step(node, part)
    return node


def _step(node: Any, part: str) -> Any:
    if _INDEX.fullmatch(part) or part == "-":
        return _indexed(node, part)
    if part == "*":
        raise KustomizeError("a wildcard is not supported in a source's path")
    if _is_list_part(part):
        key, value = _key_value(part)
        if not isinstance(node, list):
            raise KustomizeError(f"a list was expected for {part!r}")
        matches = (item for item in node if _has(item, key, value))
        return next(matches, None)
    if not isinstance(node, dict):
        raise KustomizeError(f"a map was expected for {part!r}, got {described(node)}")
    return node.get(part)


def _indexed(node: Any, part: str) -> Any:
    if not isinstance(node, list):
        raise KustomizeError(f"a list was expected for index {part!r}, got {described(node)}")
    index = -1 if part == "-" else int(part)
    if part != "-" and index < 0:
        raise KustomizeError(f"array index {index} cannot be negative")
    return node[index] if -len(node) <= index < len(node) else None


def _has(item: Any, key: str, value: str) -> bool:
    if not key:
        return not isinstance(item, (dict, list)) and text_of(item) == value
    return isinstance(item, dict) and key in item and text_of(item[key]) == value


def find(node: Any, path: list[str], create: type | None) -> list[Found]:
    """Every field that the path matches.

    create: dict, list or str: what is missing is made, the last part as this form.
    Raises KustomizeError if the path does not fit what is there.
    """
    return _find(Found(node, _unsettable), path, create)


def _find(field: Found, path: list[str], create: type | None) -> list[Found]:
    if not path:
        return [field]
    part = path[0]
    if part.isdigit() or (_INDEX.fullmatch(part) and int(part) >= 0):
        return _find_index(field, path, create)
    if _is_list_part(part):
        return _find_elements(field, path, create)
    if part == "*":
        items = _elements(field.value, part)
        return [f for i in range(len(items)) for f in _find(_item(items, i), path[1:], create)]
    return _find_field(field, path, create)


def _find_field(field: Found, path: list[str], create: type | None) -> list[Found]:
    part, node = path[0], field.value
    if node is None:
        if create is None:
            return []
        node = {}
        field.set(node)
    if not isinstance(node, dict):
        raise KustomizeError(f"a map was expected for {part!r}, got {described(node)}")
    if part not in node:
        if create is None:
            return []
        node[part] = _form_of(path[1:], create)()
    return _find(_entry(node, part), path[1:], create)


def _find_index(field: Found, path: list[str], create: type | None) -> list[Found]:
    index = int(path[0])
    items = _elements(field.value, path[0])
    if index == len(items) and create is not None:
        items.append(_form_of(path[1:], create)())
    if index >= len(items):
        raise KustomizeError(f"index {index} specified but only {len(items)} elements found")
    return _find(_item(items, index), path[1:], create)


def _find_elements(field: Found, path: list[str], create: type | None) -> list[Found]:
    key, value = _key_value(path[0])
    items = _elements(field.value, path[0])
    try:
        pattern = compiled(value)
    except InvalidExpression as error:
        raise KustomizeError(str(error)) from error
    places = [i for i, item in enumerate(items) if _matches(item, key, pattern)]
    if not key:
        found = [_item(items, i) for i in places]
    else:
        found = [f for i in places for f in _find(_item(items, i), path[1:], create)]
    if found or create is None:
        return found
    items.append({key: value} if key else value)
    return _find(_item(items, len(items) - 1), path[1:] if key else [], create)


def _matches(item: Any, key: str, pattern: Expression) -> bool:
    if not key:
        return not isinstance(item, (dict, list)) and pattern.search(text_of(item)) is not None
    if not isinstance(item, dict) or key not in item:
        return False
    return pattern.search(text_of(item[key])) is not None


def _elements(node: Any, part: str) -> list[Any]:
    if node is None:
        return []
    if not isinstance(node, list):
        raise KustomizeError(f"a list was expected for {part!r}, got {described(node)}")
    return node


def _form_of(rest: list[str], last: type) -> type:
    if not rest:
        return last
    return list if _is_list_part(rest[0]) or rest[0].isdigit() else dict


def _is_list_part(part: str) -> bool:
    return part.startswith("[") and part.endswith("]")


def _key_value(part: str) -> tuple[str, str]:
    key, equals, value = part.removeprefix("[").removesuffix("]").partition("=")
    if not equals:
        raise KustomizeError(f"list path element {part!r} must contain fieldName=fieldValue")
    return key, value


def _entry(node: dict[str, Any], key: str) -> Found:
    return Found(node[key], lambda value: node.__setitem__(key, value))


def _item(items: list[Any], index: int) -> Found:
    return Found(items[index], lambda value: items.__setitem__(index, value))


def _unsettable(_: Any) -> None:
    raise KustomizeError("the whole object cannot be replaced")
