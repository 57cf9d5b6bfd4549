"""The `sops` part of a file as sops writes it: keys sorted, nothing that is not set.

Source: getsops/sops `stores/stores.go` (metadataFromInternal), whose struct tags say what is
left out when it is empty.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from engine.sops.metadata import KINDS, MasterKey, Metadata
from engine.sops.tree import Branch, Items, Leaf, Node

_ALWAYS: Final = {"kms": ("aws_profile", "created_at")} | dict.fromkeys(
    ("gcp_kms", "hckms", "azure_kv", "hc_vault", "pgp"), ("created_at",)
)
"""{kind: fields that stand there even if they are empty}."""

_ALWAYS_IN_A_GROUP: Final = ("hc_vault", "age")


def written(metadata: Metadata) -> Branch:
    """The node for the key `sops`."""
    fields: dict[str, Node] = {
        "lastmodified": Leaf(metadata.modified),
        "mac": Leaf(metadata.mac),
        "version": Leaf(metadata.version),
        metadata.rule.kind: Leaf(metadata.rule.pattern),
    }
    if metadata.threshold:
        fields["shamir_threshold"] = Leaf(metadata.threshold)
    if metadata.mac_only_encrypted:
        fields["mac_only_encrypted"] = Leaf(True)
    if len(metadata.groups) == 1:
        fields |= _group(metadata.groups[0], ())
    else:
        groups = (_sorted(_group(group, _ALWAYS_IN_A_GROUP)) for group in metadata.groups)
        fields["key_groups"] = Items(list(groups))
    return _sorted(fields)


def _group(keys: Iterable[MasterKey], always: tuple[str, ...]) -> dict[str, Node]:
    """{kind: its keys}; the kinds of `always` even without one."""
    by_kind: dict[str, Items] = {kind: Items() for kind in always}
    for key in keys:
        by_kind.setdefault(key.kind, Items()).items.append(_key(key))
    return dict(by_kind)


def _key(key: MasterKey) -> Branch:
    fields: dict[str, Node] = {"enc": Leaf(key.encrypted)}
    fields |= {name: Leaf("") for name in _ALWAYS.get(key.kind, ())}
    fields |= {name: Leaf(text) for name, text in key.attributes.items() if text}
    if len(KINDS[key.kind]) == 1:
        fields[KINDS[key.kind][0]] = Leaf(key.recipient)
    if key.context:
        fields["context"] = _sorted({name: Leaf(text) for name, text in key.context.items()})
    return _sorted(fields)


def _sorted(fields: Mapping[str, Node]) -> Branch:
    return Branch([(name, fields[name]) for name in sorted(fields)])
