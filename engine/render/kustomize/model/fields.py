r"""Field specifications: which field of which kinds a transformer works on.

A path is `a/b/c`; lists on the way are walked through, `x[]` says that x is one, `\/` is a slash
inside of a key.  Source: kustomize api/types/fieldspec.go, api/filters/fieldspec.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.ids import ANY, Gvk
from engine.render.kustomize.model.keys import Key
from engine.render.kustomize.model.remembered import by_identity
from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.model.scalars import Shared, described, is_text, placed
from engine.render.kustomize.model.shared import Replacements

Change = Callable[[Any], Any]
"""From the value of a field to its new value; both are owned by the build."""


class FieldSpec(NamedTuple):
    """A field of the kinds that `gvk` selects; create: make it if it is missing."""

    path: str
    gvk: Gvk = ANY
    create: bool = False


def split_path(path: str, delimiter: str = "/") -> list[str]:
    """The parts of a path; a delimiter after a backslash does not count."""
    parts = path.split(delimiter)
    if len(parts) > 1 and parts[0] == "":
        del parts[0]
    joined = parts[:1]
    for part in parts[1:]:
        if joined[-1].endswith("\\"):
            joined[-1] = joined[-1][:-1] + delimiter + part
        else:
            joined.append(part)
    return joined


def merge_specs(
    specs: tuple[FieldSpec, ...], more: tuple[FieldSpec, ...], what: str = "field specs"
) -> tuple[FieldSpec, ...]:
    """Both, those of `more` that are there already left out.

    Raises KustomizeError if one is there with the opposite `create`.
    """
    return _merged(specs, more, what) if specs else _merged_alone(more, what)


@by_identity
def _merged_alone(more: tuple[FieldSpec, ...], what: str) -> tuple[FieldSpec, ...]:
    return _merged((), more, what)


def _merged(
    specs: tuple[FieldSpec, ...], more: tuple[FieldSpec, ...], what: str
) -> tuple[FieldSpec, ...]:
    merged = list(specs)
    by_path: dict[str, list[FieldSpec]] = {}
    for spec in merged:
        by_path.setdefault(spec.path, []).append(spec)
    for spec in more:
        known = by_path.setdefault(spec.path, [])
        same = next((other for other in known if other.gvk.is_selected_by(spec.gvk)), None)
        if same is None:
            known.append(spec)
            merged.append(spec)
        elif same.create != spec.create:
            raise KustomizeError(f"conflicting {what}: {spec.path!r} both with and without create")
    return tuple(merged)


def change_fields(
    resource: Resource, specs: tuple[FieldSpec, ...], change: Change, new: type | None = None
) -> None:
    """Change in place every field of the resource that a specification names.

    new: dict, list or str, what a field that must be created starts as; None: nothing is created.
    Raises KustomizeError if the path goes through a scalar.
    """
    for spec in selected(specs, resource.gvk):
        change_field(resource, spec.path, change, new if spec.create else None)


def change_field(resource: Resource, path: str, change: Change, new: type | None = None) -> None:
    """Change in place the field of that path, or several where lists are on the way.

    new: as in `change_fields`.  Raises KustomizeError if the path goes through a scalar.
    """
    try:
        _walk(resource.obj, _steps(path), change, new)
    except KustomizeError as error:
        raise KustomizeError(
            f"considering field {path!r} of object {resource.id} ({resource.position}): {error}"
        ) from error


@by_identity
def selected(specs: tuple[FieldSpec, ...], gvk: Gvk) -> tuple[FieldSpec, ...]:
    """Those that are about the kind."""
    return tuple(spec for spec in specs if gvk.is_selected_by(spec.gvk))


class _Step(NamedTuple):
    """A part of a path: the key, whether a list is to be there, and what follows."""

    name: str
    is_list: bool
    rest: "_Step | None"


@lru_cache(maxsize=1000)
def _steps(path: str) -> _Step | None:
    steps: _Step | None = None
    for part in reversed(split_path(path)):
        name = part.removesuffix("[]")
        steps = _Step(name, name != part, steps)
    return steps


def _walk(node: Any, step: _Step | None, change: Change, new: type | None) -> Any:
    if step is None:
        return change(node)
    if isinstance(node, dict):
        _walk_map(node, step, change, new)
    elif isinstance(node, list):
        node[:] = [_walk(item, step, change, new) for item in node]
    elif node is not None:
        part = f"{step.name}[]" if step.is_list else step.name
        raise KustomizeError(f"expected a list or a map above {part!r}, got {described(node)}")
    return node


def _walk_map(node: dict[str, Any], step: _Step, change: Change, new: type | None) -> None:
    name, is_list, rest = step
    if not name:
        raise KustomizeError("cannot set or create an empty field name")
    if name.isdecimal():
        raise KustomizeError(f"{name!r} is the place of an element, and this is a map, not a list")
    old = node.get(name)
    if old is None:
        form = list if is_list else new if rest is None or new is None else dict
        if name not in node and (form is None or is_list):
            return
        old = node[name] = None if form is None else form()
    value = _walk(old, rest, change, new)
    if value is not old:
        node[name] = value


def put_entry(key: str, value: str, replaced: Replacements) -> Change:
    """A change that sets one key of a map.

    value: the places where there was none share it.  replaced: told what there was.
    """
    shared = Shared(value)

    def change(node: Any) -> Any:
        if node is None:
            node = {}
        if not isinstance(node, dict):
            raise KustomizeError(f"a map was expected to set {key!r} in, got {described(node)}")
        node[fresh_key(key)] = replaced.put(node[key], value) if key in node else shared
        return node

    return change


def fresh_key(key: str) -> str:
    """The key as kustomize adds it to a map: unquoted, so that it must read as text."""
    return Key.of(key, is_bare=not is_text(key))


def put_scalar(value: Any) -> Change:
    """A change that sets a scalar."""

    def change(node: Any) -> Any:
        if isinstance(node, (dict, list)):
            raise KustomizeError(
                f"a scalar was expected to be replaced by {value!r}, got {described(node)}"
            )
        return placed(node, value)

    return change
