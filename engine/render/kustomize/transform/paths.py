"""Field paths of replacements and vars: `spec.containers.[name=web].image`, `args.0`, `*`.

Source: kyaml yaml/match.go (PathMatcher), yaml/fns.go (PathGetter), utils/pathsplitter.go.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType
from typing import Any

from engine.objects.regex import Expression, InvalidExpression, compiled
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.fields import fresh_key, split_path
from engine.render.kustomize.model.reading import read_text
from engine.render.kustomize.model.scalars import Untyped, described, resolve, text_of

_PARTS = 100
"""Steps of a path: objects are not deeper."""
_INDEX = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True, slots=True)
class Found:
    """A field that a path leads to; set: puts another value there."""

    value: Any
    set: Callable[[Any], None]


def split_smart(path: str) -> list[str]:
    """The parts of a dotted path; dots inside of `[...]` do not count.  Raises KustomizeError."""
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
    if len(result) > _PARTS:
        raise KustomizeError(f"a path has more than {_PARTS} parts")
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


def make(node: Any, path: list[str]) -> Found | None:
    """The scalar at a path, made if it is missing; None inside of nothing and behind a list's end.

    Unlike in `find`, an element is told by the very value.  Raises KustomizeError if the path does
    not fit what is there.
    """
    field = Found(node, _unsettable)
    parts = [stripped for part in path if (stripped := part.strip())]
    for i, part in enumerate(parts):
        following = _made(field.value, part, _form_of(parts[i + 1 :], Untyped))
        if following is None:
            return None
        field = following
    return field


def _made(node: Any, part: str, form: type) -> Found | None:
    """What one step of a path leads to; form: what is made where there is nothing."""
    if _INDEX.fullmatch(part) or part == "-":
        if _indexed(node, part) is None:
            return None
        return _item(node, len(node) - 1 if part == "-" else int(part))
    if part == "*":
        raise KustomizeError("a wildcard is not supported here")
    if not _is_list_part(part):
        if not isinstance(node, (dict, NoneType)):
            raise KustomizeError(f"a map was expected for {part!r}, got {described(node)}")
        if node is not None and part not in node:
            node[fresh_key(part)] = form()
        return None if node is None else _entry(node, part)
    key, value = _key_value(part)
    if not isinstance(node, list):
        raise KustomizeError(f"a list was expected for {part!r}, got {described(node)}")
    places = (i for i, item in enumerate(node) if _has(item, key, value))
    place = next(places, len(node))
    if place == len(node):
        node.append({fresh_key(key): resolve(value)} if key else Untyped(value))
    return _item(node, place)


def find(node: Any, path: list[str], create: type | None) -> list[Found]:
    """Every field that the path matches.

    create: dict, list or a scalar's type: what is missing is made, the last part as this form.
    What is made inside of a null, or of the text of a scalar, is lost, as it is in kustomize.
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
    if not isinstance(node, dict):
        raise KustomizeError(f"a map was expected for {part!r}, got {described(node)}")
    if part not in node:
        if create is None:
            return []
        node[fresh_key(part)] = _form_of(path[1:], create)()
    field = _entry(node, part)
    if len(path) > 1 and not isinstance(field.value, (dict, list, NoneType)):
        text = text_of(field.value)
        if not text.strip():
            raise KustomizeError(f"a map was expected at {part!r}, got an empty text")
        lost = _find(Found(read_text(text, part), _unsettable), path[1:], create)
        return [Found(Untyped(), _forget) for _ in lost]
    return _find(field, path[1:], create)


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
    items.append({fresh_key(key): resolve(value)} if key else Untyped(value))
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


def _forget(_: Any) -> None:
    """What is set inside of the text of a scalar has no effect."""


def _unsettable(_: Any) -> None:
    raise KustomizeError("the whole object cannot be replaced")
