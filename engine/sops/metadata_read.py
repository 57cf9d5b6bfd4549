"""The `sops` part of a file, read as leniently as sops reads it, within bounds.

Source: getsops/sops `stores/stores.go` (ToInternal) and `stores/metadata.go`; mapstructure's weak
typing (numbers and booleans may be written as text, as dotenv and INI have to).
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from engine.sops.error import SopsError
from engine.sops.metadata import (
    DEFAULT_RULE,
    KINDS,
    RULES,
    SOPS,
    MasterKey,
    Metadata,
    Rule,
)
from engine.sops.shamir import MAX_SHARES
from engine.sops.tree import Branch, Items, Leaf, Moment, Node

MAX_KEYS: Final = 1_000
"""Keys of one file; each is tried, so their number bounds the work for a hostile file."""

_NAME_BYTES: Final = 2_048
_RFC_3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,][0-9]+)?"
    r"(?:Z|([-+][0-9]{2}:[0-9]{2}))\Z"
)
_TRUE: Final = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE: Final = frozenset(("0", "f", "F", "FALSE", "false", "False", ""))


def metadata_from(node: Node) -> Metadata:
    """The metadata of the `sops` node of a file.  Raises SopsError, naming the field."""
    part = _plain(node)
    if not isinstance(part, dict):
        raise SopsError("is not a mapping", path=SOPS)
    modified = _text(part, "lastmodified")
    seconds(modified)
    return Metadata(
        groups=_groups(part),
        threshold=_threshold(part),
        mac=_text(part, "mac"),
        modified=modified,
        rule=_rule(part),
        mac_only_encrypted=_flag(part, "mac_only_encrypted"),
        version=_text(part, "version"),
    )


def seconds(modified: str) -> str:
    """The time without fractions, what the MAC is bound to.  Raises SopsError."""
    found = _RFC_3339.match(modified)
    if not found:
        raise SopsError("is not a time in RFC 3339", path=f"{SOPS}.lastmodified")
    moment, zone = found.groups()
    try:
        datetime.fromisoformat(moment)
    except ValueError as error:
        raise SopsError("is not a time that exists", path=f"{SOPS}.lastmodified") from error
    return moment + ("Z" if zone in (None, "+00:00", "-00:00") else zone)


def _plain(node: Node) -> Any:
    """The node as dicts, lists and texts."""
    if isinstance(node, Branch):
        return {key: _plain(inner) for key, inner in node.pairs()}
    if isinstance(node, Items):
        return [_plain(inner) for inner in node.nodes()]
    return _weak(node)


def _weak(leaf: Leaf) -> str | None:
    """The scalar as text, None for null."""
    value = leaf.value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Moment):
        return value.text
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return None if value is None else str(value)


def _groups(part: Mapping[str, Any]) -> tuple[tuple[MasterKey, ...], ...]:
    """The key groups; one that stands directly under `sops` wins, as in sops."""
    count = 0
    single = _group(part, SOPS)
    if single:
        groups: tuple[tuple[MasterKey, ...], ...] = (single,)
    else:
        listed = _list(part, "key_groups", SOPS)
        if len(listed) > MAX_SHARES:
            raise SopsError(f"has more than {MAX_SHARES} groups", path=f"{SOPS}.key_groups")
        groups = tuple(
            _group(_mapping(group, f"{SOPS}.key_groups[{at}]"), f"{SOPS}.key_groups[{at}]")
            for at, group in enumerate(listed)
        )
    count = sum(map(len, groups))
    if not count:
        raise SopsError("names no key that could decrypt the file", path=SOPS)
    if count > MAX_KEYS:
        raise SopsError(f"names {count:,} keys, more than {MAX_KEYS:,}", path=SOPS)
    return groups


def _group(part: Mapping[str, Any], path: str) -> tuple[MasterKey, ...]:
    return tuple(
        _key(kind, _mapping(entry, f"{path}.{kind}[{at}]"), f"{path}.{kind}[{at}]")
        for kind in KINDS
        for at, entry in enumerate(_list(part, kind, path))
    )


def _key(kind: str, entry: Mapping[str, Any], path: str) -> MasterKey:
    attributes = {
        name: value
        for name, value in entry.items()
        if name not in ("enc", "context") and isinstance(value, str)
    }
    named = [attributes.get(name, "") for name in KINDS[kind]]
    if not named[0]:
        raise SopsError("does not say whose key it is", path=f"{path}.{KINDS[kind][0]}")
    if sum(map(len, named)) > _NAME_BYTES:
        raise SopsError("has a name of more than 2,048 characters", path=path)
    if len(KINDS[kind]) == 1:
        del attributes[KINDS[kind][0]]
    context = _mapping(entry.get("context") or {}, f"{path}.context")
    return MasterKey(
        kind,
        _recipient(kind, named),
        _text(entry, "enc", path),
        attributes,
        {name: _text(context, name, f"{path}.context") for name in context},
    )


def _recipient(kind: str, named: list[str]) -> str:
    if kind == "azure_kv":
        return "{}/keys/{}/{}".format(*named)
    if kind == "hc_vault":
        return "{}/v1/{}/keys/{}".format(*named)
    return named[0]


def _rule(part: Mapping[str, Any]) -> Rule:
    rules = [Rule(kind, text) for kind in RULES if (text := _text(part, kind))]
    if len(rules) > 1:
        names = ", ".join(rule.kind for rule in rules)
        raise SopsError(f"has more than one rule of what is encrypted: {names}", path=SOPS)
    return rules[0] if rules else DEFAULT_RULE


def _threshold(part: Mapping[str, Any]) -> int:
    text = _text(part, "shamir_threshold") or "0"
    if not text.isascii() or not text.isdigit() or len(text) > 3 or int(text) > MAX_SHARES:
        raise SopsError(f"is not a number from 0 to {MAX_SHARES}", path=f"{SOPS}.shamir_threshold")
    return int(text)


def _flag(part: Mapping[str, Any], name: str) -> bool:
    text = _text(part, name)
    if text not in _TRUE | _FALSE:
        raise SopsError("is neither true nor false", path=f"{SOPS}.{name}")
    return text in _TRUE


def _text(part: Mapping[str, Any], name: str, path: str = SOPS) -> str:
    """The field's text, empty if it is missing or null."""
    value = part.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise SopsError("is not a text", path=f"{path}.{name}")
    return value


def _list(part: Mapping[str, Any], name: str, path: str) -> list[Any]:
    """The field's items; weakly typed: a mapping stands for a list of one."""
    value = part.get(name)
    if not value:
        return []
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise SopsError("is not a list", path=f"{path}.{name}")
    return value


def _mapping(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SopsError("is not a mapping", path=path)
    return value
