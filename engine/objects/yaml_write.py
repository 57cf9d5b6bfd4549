"""Write YAML the way Kubernetes' own tools do, so that they read the same value back.

The text is that of sigs.k8s.io/yaml's Marshal: block style, keys in natural order, sequences not
indented, lines folded at 80 columns.  Flux digests this text and substitutes variables in it.
Source: go-yaml v2, which follows libyaml's emitter.
"""

from collections.abc import Mapping, Sequence
from functools import cmp_to_key, lru_cache
from typing import Any, Final

from engine.objects.scalars import as_json_number, float_text
from engine.objects.yaml_strings import is_harmless, render

_SIMPLE_KEY_BYTES: Final = 128
_MAPS: Final = (dict, Mapping)  # a dict is told at once, a Mapping takes a registry


def dump(obj: Any) -> str:
    """The YAML text of a JSON value, with a newline at its end; aliases are written out.

    Raises TypeError for what JSON has no form of, keys that are not strings among it.
    """
    out: list[str] = []
    _write(obj, 0, "", out)
    return "".join(out)


def _write(value: Any, indent: int, lead: str, out: list[str]) -> None:
    """Append a value after `lead`, the text that its line starts with; indent: of its entries."""
    if isinstance(value, _MAPS) and value:
        _write_mapping(value, indent, lead, out)
    elif _is_list(value) and value:
        _write_sequence(value, indent, lead, out)
    else:
        out.append(f"{lead}{_leaf(value, len(lead), indent + 2 if not lead else indent)}\n")


def _write_mapping(obj: Mapping[str, Any], indent: int, lead: str, out: list[str]) -> None:
    margin = " " * indent
    for key in _natural_order(tuple(obj)):
        value = obj[key]
        name = _simple_key(key)
        if name is None:
            _write(key, indent + 2, f"{lead}? ", out)
            _write(value, indent + 2, f"{margin}: ", out)
        elif isinstance(value, str):
            text = value
            if not is_harmless(value):
                text = render(value, len(lead) + len(name) + 2, indent + 2)
            out.append(f"{lead}{name}: {text}\n")
        elif isinstance(value, _MAPS) and value:
            out.append(f"{lead}{name}:\n")
            _write_mapping(value, indent + 2, margin + "  ", out)
        elif _is_list(value) and value:
            out.append(f"{lead}{name}:\n")
            _write_sequence(value, indent, margin, out)
        else:
            column = len(lead) + len(name) + 2
            out.append(f"{lead}{name}: {_leaf(value, column, indent + 2)}\n")
        lead = margin


def _write_sequence(items: Sequence[Any], indent: int, lead: str, out: list[str]) -> None:
    margin = " " * indent
    for item in items:
        _write(item, indent + 2, f"{lead}- ", out)
        lead = margin


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _leaf(value: Any, column: int, indent: int) -> str:
    """The text of a scalar or of an empty container that starts in `column`, from 0.

    indent: of its further lines, if it needs more than one.
    """
    if isinstance(value, str):
        return render(value, column, indent)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, _MAPS):
        return "{}"
    if _is_list(value):
        return "[]"
    raise TypeError(f"{value!r} is not a JSON value")


def _number(value: int | float) -> str:
    """The number: an integer where 64 bits hold it, else the shortest float."""
    exact = as_json_number(value) if isinstance(value, float) else value
    if isinstance(exact, int) and -(2**63) <= exact < 2**64:
        return str(exact)
    number = float(exact)
    if not abs(number) < float("inf"):
        raise TypeError(f"{value!r} is not a JSON value")
    return float_text(number)


@lru_cache(maxsize=4096)  # a repository has few keys, used again and again
def _simple_key(key: str) -> str | None:
    """The text of a key; None if it is too long to stand before its colon."""
    if not isinstance(key, str):
        raise TypeError(f"key {key!r} is not a string")
    if len(key.encode(errors="surrogatepass")) > _SIMPLE_KEY_BYTES or "\n" in key:
        return None
    # Go writes a merge, which it then refuses to read, or reads as one.
    return '"<<"' if key == "<<" else render(key, None, 0)


@lru_cache(maxsize=4096)
def _natural_order(keys: tuple[str, ...]) -> tuple[str, ...]:
    """The keys as go-yaml sorts them: `a9` before `a10`, punctuation before letters."""
    if all(isinstance(key, str) and key.isascii() and key.isalpha() for key in keys):
        return tuple(sorted(keys))
    return tuple(sorted(keys, key=cmp_to_key(_compare)))


def _compare(left: str, right: str) -> int:
    """Negative if `left` comes first.  Source: go-yaml v2 keyList.Less."""
    at = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), None)
    if at is None:
        return len(left) - len(right)
    a, b = left[at], right[at]
    if a.isalpha() or b.isalpha():
        return ord(a) - ord(b) if a.isalpha() and b.isalpha() else -1 if b.isalpha() else 1
    ahead = _has_number_before(left, at) and "0" in (a, b)
    digits_a, digits_b = _digits(left, at), _digits(right, at)
    number_a, number_b = (int(f"{int(ahead)}{digits}") for digits in (digits_a, digits_b))
    return number_a - number_b or len(digits_a) - len(digits_b) or ord(a) - ord(b)


def _has_number_before(text: str, at: int) -> bool:
    """Whether the digits just before the position hold another than 0."""
    head = text[:at]
    return bool(head[len(head.rstrip("0123456789")) :].strip("0"))


def _digits(text: str, at: int) -> str:
    tail = text[at:]
    return tail[: len(tail) - len(tail.lstrip("0123456789"))]
