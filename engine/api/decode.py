"""Objects to models, and models back to JSON.

Unknown fields are ignored, so that objects of a newer CRD still decode; values are checked as the
CRD's schema checks them, except for CEL rules.  Never: an exception of msgspec gets out.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from engine.api.duration import Duration
from engine.api.meta import Model
from engine.api.schema import schema_of_model
from engine.objects.ref import Object

ModelT = TypeVar("ModelT", bound=Model)

_SHOWN = 80  # characters of a value that a message quotes

# msgspec's messages: "<problem> - at `<path>`", "<problem> - at `key` in `<path>`".
_PROBLEM = re.compile(r"(?P<what>.*?)(?: - at (?P<key>`key` in )?`(?P<path>\$.*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>.*)`")
_GOT = re.compile(r"Expected (?P<expected>.*), got `(?P<got>\w+)`", re.DOTALL)
_STEP = re.compile(r"\.(?P<field>[^.\[\]]+)|\[(?P<index>\d+)\]|\[\.\.\.\]")

# {msgspec's name of a type: our phrase}
_PHRASES = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "object": "a mapping",
    "array": "a list",
    "datetime": "an RFC 3339 time",
}
_SCALARS = {str: "str", int: "int", float: "float", bool: "bool", type(None): "null"}


class Undecodable(ValueError):  # noqa: N818 - the word that a status shows
    """An object that is not what its kind demands."""

    def __init__(self, path: str, found: str, expected: str) -> None:
        """path: JSON path such as `$.spec.dependsOn[2].name`; the others are phrases."""
        super().__init__(f"{path}: found {found}, expected {expected}")
        self.path = path
        self.found = found
        self.expected = expected


def decode(model: type[ModelT], obj: Object) -> ModelT:
    """`obj` as `model`, with defaults filled in.

    Null at the top and in `metadata` counts as absent, as the API server has it.
    Raises Undecodable at the first value that does not fit.
    """
    if not isinstance(obj, Mapping):
        raise Undecodable("$", _quoted(obj), "a mapping")
    present = _without_nulls(obj)
    if isinstance(metadata := present.get("metadata"), Mapping):
        present["metadata"] = _without_nulls(metadata)
    try:
        return msgspec.convert(present, model, dec_hook=_read)
    except msgspec.ValidationError as error:
        raise _undecodable(str(error), present, model) from None


def encode(model: Model) -> dict[str, Any]:
    """JSON of a model: what equals its default is left out, durations are text."""
    encoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(model, enc_hook=_write))
    return encoded  # by way of text, because to_builtins leaves tuples


def _without_nulls(obj: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in obj.items() if value is not None}


def _read(wanted: type, value: object) -> object:
    """A duration from its text; msgspec adds the path to the error."""
    if not issubclass(wanted, Duration):
        raise NotImplementedError(f"no JSON form for {wanted!r}")
    try:
        return wanted.parse(value if isinstance(value, str) else "")
    except ValueError:
        expected = "a duration such as 90s or 10m"
        raise ValueError(
            f"Expected {expected}, matching {wanted.pattern}" if wanted.pattern else expected
        ) from None


def _write(value: object) -> str:
    if isinstance(value, Duration):
        return value.text
    raise NotImplementedError(f"no JSON form for {value!r}")


def _undecodable(message: str, obj: Object, model: type[Model]) -> Undecodable:
    """The same problem with the value quoted and the way to it spelled out."""
    problem = _PROBLEM.fullmatch(message)
    assert problem  # noqa: S101 - the pattern matches any text
    what, path = problem["what"], problem["path"] or "$"
    if missing := _MISSING.fullmatch(what):
        path, _ = _located(obj, path, lambda place: missing["field"] not in place)
        return Undecodable(f"{path}.{missing['field']}", "nothing", "a value")
    if problem["key"]:
        return Undecodable(path, "a key that is no text", "text as key")
    got = _GOT.fullmatch(what)
    type_name = got["got"] if got else "str"
    path, value = _located(obj, path, lambda place: _type_name(place) == type_name)
    choices = _schema_at(model, path).get("enum")
    expected = f"one of {', '.join(choices)}" if choices else _phrase(what)
    return Undecodable(path, _quoted(value), expected)


def _located(obj: Any, path: str, fits: Callable[[Any], bool]) -> tuple[str, Any]:
    """The path in full and the value there, where msgspec writes `[...]` for any key of a map.

    fits: whether a value may be the one that msgspec complained about.
    """
    places = list(_places(obj, list(_STEP.finditer(path)), "$"))
    return next((place for place in places if fits(place[1])), places[0])


def _places(value: Any, steps: Sequence[re.Match[str]], spelled: str) -> Iterator[tuple[str, Any]]:
    """All values that the steps may lead to, with the way there."""
    if not steps:
        yield spelled, value
        return
    first, *rest = steps
    if first["index"]:
        yield from _places(value[int(first["index"])], rest, spelled + first[0])
        return
    for key in [first["field"]] if first["field"] else value:
        if isinstance(value, Mapping) and key in value:
            yield from _places(value[key], rest, f"{spelled}.{key}")


def _schema_at(model: type[Model], path: str) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = schema_of_model(model)
    for step in _STEP.finditer(path):
        if step["index"]:
            schema = schema["items"]
        elif "properties" in schema:
            schema = schema["properties"][step["field"]]
        else:
            return {}  # inside a map: no choices there
    return schema


def _phrase(what: str) -> str:
    """What msgspec expected, in our words."""
    if what.startswith("Invalid RFC3339"):
        return _PHRASES["datetime"]
    got = _GOT.fullmatch(what)
    expected = (got["expected"] if got else what.removeprefix("Expected ")).replace(" | null", "")
    return re.sub(r"`(\w+)`", lambda name: _PHRASES.get(name[1], name[1]), expected)


def _type_name(value: Any) -> str:
    """The name that msgspec has for the type of a JSON value."""
    return _SCALARS.get(type(value), "object" if isinstance(value, Mapping) else "array")


def _quoted(value: Any) -> str:
    """A value as a message shows it: scalars as JSON, cut when long."""
    if type(value) not in _SCALARS:
        return _PHRASES[_type_name(value)]
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
