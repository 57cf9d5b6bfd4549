"""Files of dotenv: lines of `NAME=value`, the `sops` part among them.

Source: getsops/sops `stores/dotenv/store.go`.
"""

from typing import Final

from engine.objects.scalars import float_text
from engine.sops.error import SopsError
from engine.sops.flat import flattened, unflattened
from engine.sops.metadata import SOPS
from engine.sops.tree import MAX_NODES, Branch, Comment, Items, Leaf, Moment, Node, Value

_PREFIX: Final = f"{SOPS}_"


def read(content: bytes) -> list[Branch]:
    """The one branch of the file, its `sops` part under one key.  Raises SopsError."""
    lines = content.decode(errors="surrogateescape").split("\n")
    if len(lines) > MAX_NODES:
        raise SopsError(f"more than {MAX_NODES:,} lines")
    items: list[tuple[str, Node] | Comment] = []
    flat: list[tuple[str, Leaf]] = []
    for number, line in enumerate(lines, 1):
        name, equals, value = line.partition("=")
        if line.startswith("#"):
            items.append(Comment(line[1:]))
        elif line and not equals:
            raise SopsError("the line is neither NAME=value nor a comment", line=number)
        elif name.startswith(_PREFIX):
            flat.append((name[len(_PREFIX) :], Leaf(value.replace("\\n", "\n"), number)))
        elif line:
            items.append((name, Leaf(value.replace("\\n", "\n"), number)))
    if flat:
        items.append((SOPS, unflattened(flat)))
    return [Branch(items)]


def write(branches: list[Branch]) -> bytes:
    """The text of the first branch.  Raises SopsError for a value that is no scalar."""
    lines = []
    for item in branches[0].items if branches else ():
        if isinstance(item, Comment):
            lines.append(f"#{item.text}\n")
            continue
        key, node = item
        if key == SOPS and isinstance(node, Branch):
            lines += [f"{_PREFIX}{name}={_text(leaf)}\n" for name, leaf in flattened(node)]
        elif isinstance(node, Branch | Items):
            raise SopsError("is a mapping or a list, and dotenv has neither", path=key)
        else:
            lines.append(f"{key}={_text(node)}\n")
    return "".join(lines).encode(errors="surrogateescape")


def _text(leaf: Leaf) -> str:
    return plain_text(leaf.value).replace("\n", "\\n")


def plain_text(value: Value) -> str:
    """The scalar as text where a format knows nothing else (sops' ValToString)."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = float_text(value).upper()
        return text if "." in text or "E" in text else f"{text}.0"
    if isinstance(value, Moment):
        return value.text
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    return str(value)
