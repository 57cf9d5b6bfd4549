"""The `sops` part where a format has no nesting: `age__list_0__map_enc`, as in dotenv and INI.

Source: getsops/sops `stores/flatten.go`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from engine.sops.error import SopsError
from engine.sops.metadata import SOPS
from engine.sops.tree import Branch, Items, Leaf, Node

_STEP: Final = re.compile(r"__(map|list)_")
_MAX_PARTS: Final = 10
"""Steps of one name; sops itself writes up to five."""


def flattened(node: Node, name: str = "") -> Iterator[tuple[str, Leaf]]:
    """(flat name, leaf) of everything in the node, in its order."""
    if isinstance(node, Leaf):
        yield name, node
    elif isinstance(node, Branch):
        for key, inner in node.pairs():
            yield from flattened(inner, f"{name}__map_{key}" if name else key)
    else:
        for at, inner in enumerate(node.nodes()):
            yield from flattened(inner, f"{name}__list_{at}")


@dataclass(slots=True)
class _Knot:
    """What some flat names have in common."""

    leaf: Leaf | None = None
    inner: "dict[str | int, _Knot]" = field(default_factory=dict)


def unflattened(pairs: Iterable[tuple[str, Leaf]]) -> Branch:
    """The node that the pairs are of.  Raises SopsError, naming the field that does not fit."""
    root = _Knot()
    for name, leaf in pairs:
        steps = _steps(name)
        knot = root
        for step in steps:
            knot = knot.inner.setdefault(step, _Knot())
        if knot.leaf is not None:
            raise SopsError("stands there twice", path=f"{SOPS}_{name[:100]}", line=leaf.line)
        knot.leaf = leaf
    node = _node(root, SOPS)
    return node if isinstance(node, Branch) else Branch()


def _steps(name: str) -> list[str | int]:
    """The keys and positions that a flat name is made of."""
    first, *rest = _STEP.split(name)
    if len(rest) > 2 * _MAX_PARTS:
        raise SopsError("has too many parts", path=f"{SOPS}_{name[:100]}")
    steps: list[str | int] = [first]
    for kind, text in zip(rest[::2], rest[1::2], strict=True):
        steps.append(_position(text, name) if kind == "list" else text)
    return steps


def _position(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise SopsError("counts with something that is no number", path=f"{SOPS}_{name[:100]}")
    return int(text)


def _node(knot: _Knot, path: str) -> Node:
    if knot.leaf is not None:
        if knot.inner:
            raise SopsError("is a value and has fields of its own", path=path[:100])
        return knot.leaf
    positions = [step for step in knot.inner if isinstance(step, int)]
    if not positions:
        return Branch(
            [(str(k), _node(knot.inner[k], f"{path}.{k}")) for k in sorted(knot.inner, key=str)]
        )
    if len(positions) < len(knot.inner) or max(positions) + 1 != len(positions):
        raise SopsError("is a list with gaps, or a list and a mapping", path=path[:100])
    return Items([_node(knot.inner[at], f"{path}[{at}]") for at in sorted(positions)])
