"""Replace `$(NAME)` in fields by what the vars read.

Source: kustomize api/filters/refvar, api/internal/accumulator.
"""

import re
from collections.abc import Mapping
from typing import Any

from engine.render.kustomize.accumulator import Accumulator, variable_gvk
from engine.render.kustomize.config.kustomization import Var
from engine.render.kustomize.errors import KustomizeError, LocatedError, check_length
from engine.render.kustomize.model.fields import change_fields
from engine.render.kustomize.model.ids import Id
from engine.render.kustomize.model.keys import null_of
from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.model.scalars import SpelledInt, SpelledText, text_of
from engine.render.kustomize.transform.nearby import near_field, near_resource
from engine.render.kustomize.transform.paths import look_up, split_smart

_DECIMAL = re.compile("[-+]?[0-9]+")
_SLICE = re.compile(r"(.*)\[([0-9]+)\]")


def resolve_variables(gathered: Accumulator) -> None:
    """Replace all vars.  Raises LocatedError with those that read something that is not there."""
    values, problems = {}, []
    for name, variable in sorted(gathered.variables.items()):
        try:
            values[name] = _value(variable, gathered)
        except KustomizeError as error:
            problems.append(f"{gathered.places[name]()}: {error}")
    if problems:
        raise LocatedError(problems)
    if not values:
        return

    def change(value: Any) -> Any:
        return _changed(value, values)

    for resource in gathered.resources:
        change_fields(resource, gathered.config.var_reference, change)
    gathered.resources.touch()


def _value(variable: Var, gathered: Accumulator) -> Any:
    for resource in gathered.resources:
        if variable.name in resource.variables:
            return _read(variable, resource)
    objref = variable.objref
    wanted = Id(variable_gvk(variable), objref.name, objref.namespace, False)
    raise KustomizeError(
        f"var {variable.name!r} cannot be mapped to a field in the set of known resources: "
        f"no {wanted}{near_resource(wanted, gathered.resources)}"
    )


def _read(variable: Var, resource: Resource) -> Any:
    path = variable.fieldref.field_path or "metadata.name"
    try:
        value = _found(resource.obj, _split(path))
    except KustomizeError as error:
        raise KustomizeError(f"var {variable.name!r}: {resource.id}: {error}") from error
    if value is None:
        raise KustomizeError(
            f"field {path!r} specified in var {variable.name!r} not found in {resource.id} "
            f"({resource.position}){near_field(resource.obj, _split(path))}"
        )
    if not isinstance(value, SpelledInt):
        return value
    if not _DECIMAL.fullmatch(value.text):  # kustomize reads it with strconv.Atoi
        raise KustomizeError(
            f"field {path!r} specified in var {variable.name!r} is not a decimal number in "
            f"{resource.id} ({resource.position})"
        )
    return int(value.text)


def _found(obj: Any, path: list[str]) -> Any:
    """What stands there, a null as it is written; None if there is no such field."""
    value = look_up(obj, path)
    parent = look_up(obj, path[:-1]) if value is None and path else None
    if not isinstance(parent, dict):
        return value
    return next((null_of(key) for key in parent if key == path[-1]), None)


def _split(path: str) -> list[str]:
    """`a.b[0]` is `a`, `b`, `0`."""
    parts: list[str] = []
    for part in split_smart(path):
        match = _SLICE.fullmatch(part)
        parts += [name for name in match.groups() if name] if match else [part]
    return parts


def _changed(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {
            key: expand(item, values) if _is_text(item) else item for key, item in value.items()
        }
    if isinstance(value, list):
        if not all(_is_text(item) for item in value):
            raise KustomizeError("invalid value type, a list of strings was expected")
        return [expand(item, values) for item in value]
    return expand(value, values) if _is_text(value) else value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, SpelledText)


def expand(text: str, values: Mapping[str, Any]) -> Any:
    """The text with each `$(NAME)` replaced, `$$` being `$`.

    A text that is nothing but one reference becomes the value itself, whatever its type.
    """
    result, start, length = [], 0, 0
    while (dollar := text.find("$", start)) >= 0 and dollar + 1 < len(text):
        result.append(text[start:dollar])
        following = text[dollar + 1]
        end = text.find(")", dollar + 2) if following == "(" else -1
        if end >= 0:
            name = text[dollar + 2 : end]
            value = _mapped(name, values)
            if text == f"$({name})":
                return value
            result.append(_printed(value))
            length += len(result[-1])
            check_length(length)
            start = end + 1
        else:
            result.append("$" if following == "$" else "$" + following)
            start = dollar + 2
    return "".join(result) + text[start:]


def _mapped(name: str, values: Mapping[str, Any]) -> Any:
    value = values.get(name)
    is_usable = value is not None and not isinstance(value, (dict, list))
    return value if is_usable else f"$({name})"


def _printed(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else text_of(value)
