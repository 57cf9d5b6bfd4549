"""What comes near something that is not there, for errors: a resource, or a field."""

from collections.abc import Iterable, Sequence
from typing import Any

from engine.render.kustomize.errors import nearest
from engine.render.kustomize.model.ids import Id
from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.model.scalars import text_of

_SHOWN = 6
"""How many names a message lists."""


def near_resource(wanted: Id, resources: Iterable[Resource]) -> str:
    """The resource that may have been meant, "" if none is like it.

    The same kind and name elsewhere, the nearest name of that kind, the same name of another kind.
    """
    known = [resource for resource in resources if resource.obj]
    of_kind = [resource for resource in known if resource.kind == wanted.gvk.kind]
    found = [resource for resource in of_kind if resource.name == wanted.name]
    if not found:
        name = nearest(wanted.name, (resource.name for resource in of_kind), "{}")
        found = [resource for resource in of_kind if name and resource.name == name]
    if not found:
        found = [resource for resource in known if resource.name == wanted.name]
    return f"; there is {found[0].id} ({found[0].position})" if found else ""


def near_field(node: Any, parts: Sequence[str], separator: str = ".") -> str:
    """How far the path leads, and what there is instead.  Never shows a value."""
    lead = separator if separator == "/" else ""
    for depth, part in enumerate(parts):
        following = _step(node, part)
        if following is None:
            path = lead + separator.join(parts[:depth])
            return f"; {f'`{path}`' if depth else 'the object'} {_holds(node, part)}"
        node = following[0]
    return ""


def _step(node: Any, part: str) -> tuple[Any] | None:
    """What is there, in a tuple; None if nothing is."""
    if isinstance(node, dict):
        return (node[part],) if part in node else None
    if not isinstance(node, list):
        return None
    if part.isdigit():
        return (node[int(part)],) if len(part) < _SHOWN and int(part) < len(node) else None
    key, equals, value = part.strip("[]").partition("=")
    items = (item for item in node if isinstance(item, dict) and text_of(item.get(key)) == value)
    item = next(items, None) if equals else None
    return None if item is None else (item,)


def _holds(node: Any, part: str) -> str:
    if isinstance(node, dict):
        return f"has {_some([nearest(part, node, '{}')] if nearest(part, node) else list(node))}"
    if not isinstance(node, list):
        return "is no map and no list"
    key, equals, _ = part.strip("[]").partition("=")
    if not equals:
        return f"has {len(node)} items, counted from 0"
    values = [text_of(item[key]) for item in node if isinstance(item, dict) and key in item]
    is_name = key in ("name", "key", "kind")
    return f"has {_some([f'[{key}={value}]' for value in values])}" if is_name else "has others"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:_SHOWN])
    return f"{shown} and more" if len(names) > _SHOWN else shown or "nothing"
