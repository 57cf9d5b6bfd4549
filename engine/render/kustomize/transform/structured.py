"""Replacement targets inside of JSON or YAML that is itself the text of a field.

Source: kustomize api/filters/replacement (setValueInStructuredData).
"""

import json
from collections.abc import Callable
from typing import Any

import yaml

from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.reading import read_text
from engine.render.kustomize.model.scalars import Misfit, copied, text_of, unspelled
from engine.render.kustomize.transform.paths import Found, find, look_up


def put_inside(
    obj: dict[str, Any], path: list[str], write: Callable[[Found], None], create: type | None
) -> bool:
    """Run `write` on what `path` leads to inside of a text, and put the text back.

    False if the path does not go through a text that holds such a field: nothing was changed then.
    """
    for length in range(1, len(path)):
        try:
            scalar = look_up(obj, path[:length])
        except KustomizeError:
            continue
        if scalar is None or isinstance(scalar, (dict, list)):
            continue
        holder = find(obj, path[:length], None)
        text = _changed(text_of(scalar), path[length:], write, create)
        if text is not None and holder:
            holder[0].set(text)
        return text is not None
    return False


def _changed(
    text: str, path: list[str], write: Callable[[Found], None], create: type | None
) -> str | None:
    """The text after the change, None if it holds no such field."""
    try:
        before = read_text(text, "text")
        after = copied(before)
        fields = find(after, path, create) if after is not None else []
        for field in fields:
            write(field)
        if not fields:
            return None
        return _json(after, text) if text.strip()[0] in "{[" else _yaml(text, before, after)
    except Misfit:
        if text.strip()[0] in "{[":  # kustomize changes nothing then, and says nothing
            return None
        raise
    except ValueError:  # neither YAML nor a path that fits: not structured after all
        return None


def _json(content: Any, before: str) -> str:
    """On one line, or indented as before; what HTML minds is escaped, as Go does."""
    is_pretty = "\n" in before and "  " in before
    text = json.dumps(
        unspelled(content),
        indent=2 if is_pretty else None,
        separators=(",", ": " if is_pretty else ":"),
        sort_keys=True,
        ensure_ascii=False,
    )
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _yaml(text: str, before: Any, after: Any) -> str:
    """The YAML text with what has changed, in the order and style that it had."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if node is None:
        return text
    edits = _edits(node, before, after)
    if "#" in text and edits is not None:  # to write it anew would lose the comments
        for start, end, scalar in sorted(edits, reverse=True):
            text = text[:start] + scalar + text[end:]
        return text.strip()
    _sync(node, before, after)
    written = yaml.serialize(node, Dumper=yaml.SafeDumper, width=float("inf"), allow_unicode=True)
    return str(written).strip()


def _edits(node: yaml.Node, before: Any, after: Any) -> list[tuple[int, int, str]] | None:
    """(start, end, what to write) of each scalar that changed; None if anything else did."""
    if isinstance(before, dict) and isinstance(after, dict):
        children = [(value, key.value) for key, value in node.value]
        is_same = before.keys() == after.keys() == {key for _, key in children}
    elif isinstance(before, list) and isinstance(after, list):
        children = [(value, index) for index, value in enumerate(node.value)]
        is_same = len(before) == len(after) == len(children)
    elif type(before) is type(after) and before == after:
        return []
    else:
        return _edit(node, before, after)
    if not is_same:
        return None
    found = [_edits(child, before[key], after[key]) for child, key in children]
    return None if None in found else [edit for edits in found for edit in edits or ()]


def _edit(node: yaml.Node, before: Any, after: Any) -> list[tuple[int, int, str]] | None:
    start, end = node.start_mark.index, node.end_mark.index
    if not isinstance(node, yaml.ScalarNode) or isinstance(after, (dict, list)):
        return None
    if node.style in ("|", ">") or "\n" in text_of(after) or start == end:
        return None
    scalar = yaml.ScalarNode(node.tag, text_of(after), style=node.style)
    written = yaml.serialize(scalar, Dumper=yaml.SafeDumper, width=float("inf"), allow_unicode=True)
    return [(start, end, str(written).removesuffix("\n").removesuffix("\n..."))]


def _sync(node: yaml.Node, before: Any, after: Any) -> None:
    """Change the node from one value to another, and nothing that is the same in both."""
    if (
        isinstance(before, (dict, list))
        and isinstance(after, type(before))
        and _lost(before, after)
    ):
        _replace(node, after)
    elif isinstance(node, yaml.MappingNode) and isinstance(after, dict):
        known = {key.value: value for key, value in node.value}
        for key, value in after.items():
            if key in known and isinstance(before, dict):
                _sync(known[key], before.get(key), value)
            else:
                node.value.append((_node_of(key), _node_of(value)))
    elif isinstance(node, yaml.SequenceNode) and isinstance(after, list):
        old = before if isinstance(before, list) else []
        for child, one, other in zip(node.value, old, after, strict=False):
            _sync(child, one, other)
        node.value += [_node_of(item) for item in after[len(node.value) :]]
    elif before != after or type(before) is not type(after):
        _replace(node, after)


def _lost(before: Any, after: Any) -> bool:
    """Whether something of a map or list is gone: it was then replaced as a whole."""
    if isinstance(before, dict):
        return not before.keys() <= after.keys()
    return len(after) < len(before)


def _replace(node: yaml.Node, value: Any) -> None:
    if isinstance(node, yaml.ScalarNode) and not isinstance(value, (dict, list)):
        node.value = text_of(value)
        return
    new = _node_of(value)
    node.__class__, node.__dict__ = new.__class__, new.__dict__


def _node_of(value: Any) -> yaml.Node:
    representer = yaml.representer.SafeRepresenter(default_flow_style=False)
    return representer.represent_data(unspelled(value))
