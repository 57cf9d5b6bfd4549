"""YAML as sops writes it: block style, four spaces, nothing folded.

Source: getsops/sops `stores/yaml/store.go` on go.yaml.in/yaml v3.
"""

from engine.sops.tree import Branch, Comment, Items, Leaf, Node, Span, is_comment
from engine.sops.yaml_scalars import written

_INDENT = 4


def write(branches: list[Branch]) -> bytes:
    """The text of all documents."""
    return "---\n".join(text(branch, 0) for branch in branches).encode()


def text(node: Branch | Items, column: int) -> str:
    """The node's lines, each with its margin and a newline; `{}` or `[]` if it is empty."""
    has_items = not all(map(is_comment, node.items))
    lead = "" if has_items else ("{}\n" if isinstance(node, Branch) else "[]\n")
    return lead + _body(node, column, " " * column)


def _body(node: Branch | Items, column: int, lead: str) -> str:
    """The items; lead: what the first line starts with instead of its margin."""
    out: list[str] = []
    for item in node.items:
        if isinstance(item, Comment):
            out.append(f"{lead}#{item.text}\n")
        elif isinstance(item, Leaf) and item.is_comment:
            out.append(f"{lead}#{item.value!s}\n")
        elif isinstance(item, tuple):
            key, value = item
            name = written(key, Span(0, 0, is_flow="\n" in key))
            out.append(f"{lead}{name}:{_value(value, column)}")
        else:
            out.append(f"{lead}- {_item(item, column)}")
        lead = " " * column
    return "".join(out)


def indented(column: int, *, in_sequence: bool = False) -> int:
    """The column of what stands inside of something in the column, as go-yaml reckons it."""
    return column + 2 if in_sequence else _INDENT * ((column + _INDENT) // _INDENT)


def _value(node: Node, column: int) -> str:
    """What follows a key and its colon, with the newline."""
    inner = indented(column)
    if isinstance(node, Leaf):
        return f" {written(node.value, Span(0, 0, inner, column))}\n"
    return f" {text(node, inner)}" if not node.items else f"\n{text(node, inner)}"


def _item(node: Node, column: int) -> str:
    """What follows a dash, with the newline."""
    inner = indented(column, in_sequence=True)
    if isinstance(node, Leaf):
        return f"{written(node.value, Span(0, 0, inner, column))}\n"
    if not node.items:
        return text(node, inner)
    if is_comment(node.items[0]):  # a comment cannot stand behind a dash
        return f"\n{text(node, inner)}".removeprefix(" ")
    return _body(node, inner, "")
