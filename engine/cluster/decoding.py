"""JSON as API servers send it, also where somebody has nested an object without measure.

The API server stores objects of 10,000 levels wherever a schema says "anything"; orjson reads
1,024.  Whoever puts one into a list or a watch must not hide all others of its kind: what is nested
deeper than any manifest may be is left out of it, and a text says so.

Never: of the answer to a GET or to a write, as what is written back must be whole.
Source: Kubernetes' JSON decoder (maxDepth); CVE-2024-27454.
"""

import re
from typing import Any, Final

import orjson

MAX_DEPTH: Final = 200
"""Levels that are kept; a manifest has 100 at most, so that with or without the rest it differs."""
TOO_DEEP: Final = f"take out of it what has more than {MAX_DEPTH} levels, or delete it"
_DEEPEST: Final = 10_000  # what an API server reads; more is no answer of one
# Possessive, and a text without an end is one token: else a hostile body takes time squared.
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_MOST_TOKENS: Final = 2_000_000  # less than a second of work
_LEFT_OUT: Final = f'"nested deeper than {MAX_DEPTH} levels: left out"'.encode()
_OPEN: Final = frozenset(b"[{")
_CLOSED: Final = frozenset(b"]}")


def decoded(body: bytes) -> Any:
    """What the JSON says, but for what is nested too deep.  Raises orjson.JSONDecodeError."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        cut = shallow(body)
        if cut is None:
            raise
    found = orjson.loads(cut)
    if isinstance(found, dict):
        for obj in (found, found.get("object"), *_list(found.get("items"))):
            _forget_cut_owners(obj)
    return found


def shallow(body: bytes) -> bytes | None:
    """The JSON without what is nested too deep; None if nothing is, or if that cannot be told."""
    parts: list[bytes] = []
    depth = kept_to = 0
    for count, token in enumerate(_TOKEN.finditer(body)):
        if count > _MOST_TOKENS:
            return None
        kind = body[token.start()]
        if kind in _OPEN:
            depth += 1
            if depth == MAX_DEPTH + 1:
                parts += body[kept_to : token.start()], _LEFT_OUT
            elif depth > _DEEPEST:
                return None
        elif kind in _CLOSED:
            if depth == MAX_DEPTH + 1:
                kept_to = token.end()
            depth -= 1
    return b"".join((*parts, body[kept_to:])) if parts and not depth else None


def _forget_cut_owners(obj: Any) -> None:
    """Who wrote which field is not known any more: as of objects that come without."""
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    if isinstance(metadata, dict) and _LEFT_OUT in orjson.dumps(metadata.get("managedFields")):
        del metadata["managedFields"]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
