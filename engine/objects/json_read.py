"""JSON among manifests: read by JSON's own rules, since YAML knows fewer escapes.

Source: Kubernetes' YAMLOrJSONDecoder, which takes a text that starts with `{` for JSON.
"""

import json
import re
from typing import Any, Final, NoReturn

from engine.objects.scalars import as_json_number
from engine.objects.yaml_read import MAX_DEPTH

_START: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{")
_BETWEEN: Final = re.compile(r"(?:\s|^---[ \t]*(?:#.*)?$)*", re.MULTILINE)


def read_json(content: bytes) -> list[tuple[Any, int, str]] | None:
    """The JSON values of a text, one after another, each with its first line and its own text.

    None if the text is not JSON from start to end or breaks a rule (duplicate keys, depth): the
    YAML reader then decides, JSON being YAML but for some escapes, and it can name the line.
    """
    if not _START.match(content):
        return None
    values: list[tuple[Any, int, str]] = []
    try:
        text = content.decode("utf-8-sig")
        start = _after(_BETWEEN, text, 0)
        while start < len(text):
            obj, end = _DECODER.raw_decode(text, start)
            _check(obj, 1)
            source = text[start:end]
            values.append((_well_formed(obj, source), text.count("\n", 0, start) + 1, source))
            start = _after(_BETWEEN, text, end)
    except (ValueError, RecursionError):
        return None
    return values


def _after(pattern: re.Pattern[str], text: str, start: int) -> int:
    """Where what the pattern matches at `start` ends."""
    found = pattern.match(text, start)
    return found.end() if found else start


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    obj = dict(pairs)
    if len(obj) < len(pairs):
        raise ValueError("duplicate key")
    return obj


def _integer(text: str) -> int | float:
    value = int(text) if len(text) < 40 else float(text)  # int() refuses thousands of digits
    return value if -(2**63) <= value < 2**64 else _float(text)


def _float(text: str) -> int | float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("number out of range")
    return as_json_number(value)


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_no_constant,
)


def _check(value: Any, depth: int) -> None:
    """Raises ValueError for a value nested too deep."""
    if isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            raise ValueError("too deep")
        for inner in value.values() if isinstance(value, dict) else value:
            _check(inner, depth + 1)


_LONE_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def _well_formed(value: Any, source: str) -> Any:
    """The value with U+FFFD for half of a surrogate pair, as Go decodes it."""
    return _replaced(value) if _LONE_SURROGATE.search(source) else value


def _replaced(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_replaced(inner) for inner in value]
    if isinstance(value, dict):
        return {_replaced(key): _replaced(inner) for key, inner in value.items()}
    return value
