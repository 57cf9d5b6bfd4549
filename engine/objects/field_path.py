"""The elements of field paths, in the notation of managedFields' fieldsV1.

`f:name` a field, `k:{"name":"a"}` the list item with these keys, `v:"a"` the item of a set, `i:0`
an item by number.  Elements are kept in canonical text (keys sorted, 1.0 written 1), so that equal
means same text.
Source: sigs.k8s.io/structured-merge-diff v6, fieldpath; numbers and strings as Go prints them.
"""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str, ...]

_ESCAPES = str.maketrans(
    {chr(i): f"\\u{i:04x}" for i in (*range(32), *b"<>&", 0x2028, 0x2029)}
    | {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
)


def field_element(name: str) -> str:
    """The element of a field of an object or map."""
    return f"f:{name}"


def value_element(value: Any) -> str:
    """The element of a set's item."""
    return f"v:{value_text(value)}"


def key_element(keys: Iterable[tuple[str, Any]]) -> str:
    """The element of a list's item with these keys, given in any order."""
    pairs = (f"{value_text(name)}:{value_text(value)}" for name, value in sorted(keys))
    return f"k:{{{','.join(pairs)}}}"


def key_names(element: str) -> tuple[str, ...]:
    """The names of the keys that an element is made of; none unless it is a `k:`."""
    return tuple(json.loads(element[2:])) if element[:2] == "k:" else ()


def value_text(value: Any) -> str:
    """`value` as the API server writes it into an element: Go's JSON, HTML characters escaped."""
    if isinstance(value, str):
        return f'"{value.translate(_ESCAPES)}"'
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | float):
        return _number_text(value)
    if isinstance(value, Mapping):
        pairs = (f"{value_text(k)}:{value_text(v)}" for k, v in sorted(value.items()))
        return f"{{{','.join(pairs)}}}"
    return f"[{','.join(map(value_text, value))}]"


def _number_text(value: int | float) -> str:
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e21):
        return str(int(value))
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(repr(value)), "f")
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa}e{exponent[:1]}{exponent[1:].lstrip('0')}"


@lru_cache(maxsize=16384)
def canonical(element: str) -> str | None:
    """The canonical text of an element; None for a kind of element that nobody knows (ignored).

    Raises ValueError if the element is malformed.
    """
    kind, colon, content = element[:1], element[1:2], element[2:]
    if colon != ":":
        raise ValueError(f"field path element {element!r} does not begin with a letter and ':'")
    if kind == "f":
        return element
    if kind == "i":
        return f"i:{int(content)}"
    if kind not in "kv":
        return None
    try:
        value = json.loads(content)
    except ValueError as error:
        raise ValueError(f"field path element {element!r} holds no JSON: {error}") from error
    if kind == "v":
        return value_element(value)
    if not isinstance(value, dict):
        # A malformed text, not a wrong type of argument: hence no TypeError.
        raise ValueError(f"field path element {element!r} holds no JSON object")  # noqa: TRY004
    return key_element(value.items())


@lru_cache(maxsize=16384)
def order(element: str) -> tuple[Any, ...]:
    """What sorts the elements of one level: fields, keys, values, numbers; each by content."""
    kind, content = element[0], element[2:]
    if kind == "f":
        return (0, content)
    if kind == "k":
        return (1, tuple((name, _rank(value)) for name, value in json.loads(content).items()))
    if kind == "v":
        return (2, _rank(json.loads(content)))
    return (3, int(content))


def _rank(value: Any) -> tuple[int, Any]:
    """A total order over JSON values: numbers, strings, booleans, lists, maps, null."""
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, int | float):
        return (0, value)
    if isinstance(value, str):
        return (1, value)
    if isinstance(value, list):
        return (3, tuple(map(_rank, value)))
    if isinstance(value, dict):
        return (4, tuple((name, _rank(value[name])) for name in sorted(value)))
    return (5, 0)


def path_text(path: Path) -> str:
    """The path as the API server prints it: `.spec.containers[name="a"].image`."""
    return "".join(map(_element_text, path))


@lru_cache(maxsize=16384)
def _element_text(element: str) -> str:
    kind, content = element[0], element[2:]
    if kind == "f":
        return f".{content}"
    if kind == "k":
        pairs = json.loads(content).items()
        return f"[{','.join(f'{name}={_shown(value)}' for name, value in pairs)}]"
    if kind == "v":
        return f"[={_shown(json.loads(content))}]"
    return f"[{content}]"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return "".join(f"{name}={_shown(value[name])}" for name in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value, ensure_ascii=False)
    if 1e-4 <= abs(value) < 1e6 or not value:
        return _number_text(value)
    # Go prints numbers of a million and more as 1e+06.
    _, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    mantissa = "".join(map(str, digits))
    point = f".{mantissa[1:]}" if len(mantissa) > 1 else ""
    power = len(mantissa) - 1 + int(exponent)
    return f"{'-' if value < 0 else ''}{mantissa[0]}{point}e{power:+03d}"
