"""JSON files: read with duplicates, order and integers kept, written as sops writes them.

Source: getsops/sops `stores/json/store.go`; Go's encoding/json for texts and numbers.
"""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from engine.sops.error import SopsError
from engine.sops.tree import (
    MAX_DEPTH,
    MAX_NODES,
    Branch,
    Items,
    Leaf,
    Moment,
    Node,
    Value,
    literal,
    plain_float,
)

_LONE_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_HTML: Final = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def read(content: bytes) -> list[Branch]:
    """The one branch of a JSON file.  Raises SopsError."""
    text = content.decode(errors="replace")
    try:
        root = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise SopsError(f"not JSON: {error.msg}", line=error.lineno) from error
    except RecursionError as error:
        raise SopsError(f"nested more than {MAX_DEPTH} levels deep") from error
    except ValueError as error:
        raise SopsError(f"not JSON: {error}") from error
    if not isinstance(root, _Pairs):
        raise SopsError("the JSON is not an object, and sops encrypts nothing else", line=1)
    branch = _Reading(bool(_LONE_SURROGATE.search(text))).node(root, 1)
    assert isinstance(branch, Branch)  # noqa: S101 - of pairs comes a branch
    return [branch]


def write(branches: list[Branch]) -> bytes:
    """The text of the first branch, indented with tabs; comments are dropped."""
    return (_text(branches[0] if branches else Branch(), "\n") + "\n").encode()


class _Pairs(list[tuple[str, Any]]):
    """An object as it was read."""


class _Reading:
    """Turns what the decoder gave into nodes, within bounds."""

    def __init__(self, has_surrogates: bool) -> None:
        self._has_surrogates = has_surrogates
        self._count = 0

    def node(self, value: Any, depth: int) -> Node:
        self._count += 1
        if depth > MAX_DEPTH:
            raise SopsError(f"nested more than {MAX_DEPTH} levels deep")
        if self._count > MAX_NODES:
            raise SopsError(f"more than {MAX_NODES:,} values")
        if isinstance(value, _Pairs):
            return Branch([(self._well(key), self.node(inner, depth + 1)) for key, inner in value])
        if isinstance(value, list):
            return Items([self.node(inner, depth + 1) for inner in value])
        return Leaf(self._well(value) if isinstance(value, str) else value)

    def _well(self, text: str) -> str:
        """The text with U+FFFD for half of a surrogate pair, as Go reads it."""
        if not self._has_surrogates:
            return text
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _integer(text: str) -> int | float:
    value = int(text) if len(text) <= 20 else 2**63
    return value if -(2**63) <= value < 2**63 else _float(text)


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is out of range")
    return value


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no value")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Pairs,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_no_constant,
)


def _text(node: Node, margin: str) -> str:
    """The node's JSON; margin: the newline and the tabs before its closing bracket."""
    inner = margin + "\t"
    if isinstance(node, Leaf):
        return _scalar(node.value)
    if isinstance(node, Branch):
        pairs = (f"{_quoted(key)}: {_text(value, inner)}" for key, value in node.pairs())
        body, opening, closing = f",{inner}".join(pairs), "{", "}"
    else:
        body, opening, closing = f",{inner}".join(_text(n, inner) for n in node.nodes()), "[", "]"
    return f"{opening}{inner}{body}{margin}{closing}" if body else opening + closing


def _scalar(value: Value) -> str:
    if value is None or isinstance(value, int):
        return literal(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, bytes):
        return _quoted(base64.b64encode(value).decode())
    return _quoted(value.text if isinstance(value, Moment) else value)


def _number(value: float) -> str:
    """The float as Go's encoding/json writes it.  Raises SopsError for what JSON has no form of."""
    if value != value or value in (float("inf"), float("-inf")):
        raise SopsError("a value is a float that JSON has no form of (NaN or infinite)")
    if value and not 1e-6 <= abs(value) < 1e21:
        return re.sub(r"e-0(?=[0-9]\Z)", "e-", repr(value).replace(".0e", "e"))
    return plain_float(value)


def _quoted(text: str) -> str:
    """The text in quotes, as Go escapes it: `<`, `>` and `&` too; no UTF-8: U+FFFD."""
    return json.dumps(_well_formed(text), ensure_ascii=False).translate(_HTML)


def compact(node: Node) -> str:
    """The node's JSON on one line."""
    return json.dumps(as_value(node), ensure_ascii=False)


def node_of(value: Any) -> Node:
    """The node of dicts, lists and JSON values."""
    if isinstance(value, Mapping):
        return Branch([(str(key), node_of(inner)) for key, inner in value.items()])
    if isinstance(value, list | tuple):
        return Items([node_of(inner) for inner in value])
    return Leaf(value)


def as_value(node: Node) -> Any:
    """The node as dicts, lists and JSON values; of a key that comes twice the last one counts."""
    if isinstance(node, Branch):
        return {key: as_value(inner) for key, inner in node.pairs()}
    if isinstance(node, Items):
        return [as_value(inner) for inner in node.nodes()]
    value = node.value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Moment):
        return value.text
    return _well_formed(value) if isinstance(value, str) else value


def _well_formed(text: str) -> str:
    """The text with U+FFFD for what is no UTF-8."""
    if text.isascii():
        return text
    return text.encode(errors="surrogateescape").decode(errors="replace")
