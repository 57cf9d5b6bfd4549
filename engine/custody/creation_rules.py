"""`.sops.yaml`: for whom the files of a folder are meant to be encrypted.

The nearest one at or above a file counts, and in it the first rule that matches.
Source: getsops/sops config/config.go (creation_rules, key_groups with merge, comma lists).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from engine.custody.recipients import Recipient
from engine.objects.manifests import Document, ManifestError, parse
from engine.objects.regex import InvalidExpression, compiled

NAME: Final = ".sops.yaml"

_FLAT: Final = {
    "age": "age",
    "pgp": "pgp",
    "kms": "kms",
    "gcp_kms": "gcp_kms",
    "hckms": "hckms",
    "azure_keyvault": "azure_kv",
    "hc_vault_transit_uri": "hc_vault",
}
"""{field of a rule: kind}, in the order in which sops lists the keys of one group."""
_DEPTH: Final = 10  # of groups that are merged from groups


class InvalidRules(ValueError):  # noqa: N818 - says what is wrong, like a Failure
    """A `.sops.yaml` that sops would refuse, with file and line."""


@dataclass(frozen=True, slots=True)
class CreationRule:
    """For whom a file is to be encrypted."""

    place: str
    """`file:line`."""
    groups: tuple[tuple[Recipient, ...], ...]
    threshold: int = 0
    """How many groups are needed, 0: all of them."""
    contexts: Mapping[Recipient, Mapping[str, str]] = field(default_factory=dict)
    """Encryption contexts of AWS keys that have one."""


class CreationRules:
    """The rules of a whole tree; each file of rules is read once."""

    def __init__(self, root: Path) -> None:
        """root: no `.sops.yaml` above it counts."""
        self._root = root
        self._read = lru_cache(maxsize=None)(self._document)

    def of(self, file: str) -> tuple[CreationRule | None, str]:
        """(the rule of a file, the path of the `.sops.yaml` that was asked, "" if there is none).

        file: from the root.  Rule None: none matches, or it names nobody.  Raises InvalidRules.
        """
        parts = file.split("/")[:-1]
        for depth in range(len(parts), -1, -1):
            path = "/".join((*parts[:depth], NAME))
            document = self._read(path)
            if document is not None:
                folder = "/".join(parts[:depth])
                return _matching(document, file.removeprefix(f"{folder}/")), path
        return None, ""

    def _document(self, path: str) -> Document | None:
        """What the file holds; None if it is not there, or has no rules (as sops sees it)."""
        place = self._root / path
        try:
            documents = parse(place.read_bytes(), path, merge_overrides=True)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ManifestError as error:
            raise InvalidRules(str(error)) from error
        found = documents[0] if documents else None
        if found is None or not isinstance(found.obj, Mapping) or not found.obj.get(_RULES):
            return None
        return found


_RULES: Final = "creation_rules"


def _matching(document: Document, name: str) -> CreationRule | None:
    for number, rule in enumerate(document.obj[_RULES]):
        place = f"{document.file}:{document.line_of((_RULES, number))}"
        if not isinstance(rule, Mapping):
            raise InvalidRules(f"{place}: a creation rule must be a mapping")
        try:
            pattern = str(rule.get("path_regex") or "")
            if pattern and not compiled(pattern).search(name):
                continue
            return _rule(rule, place)
        except InvalidExpression as error:
            raise InvalidRules(f"{place}: path_regex: {error}") from error
    return None


def _rule(rule: Mapping[str, Any], place: str) -> CreationRule | None:
    contexts: dict[Recipient, Mapping[str, str]] = {}
    listed = rule.get("key_groups")
    if listed:
        groups = tuple(tuple(_group(each, place, contexts)) for each in _list(listed, place))
    else:
        groups = (tuple(_flat(rule, place)),)
    unique = tuple(tuple(dict.fromkeys(group)) for group in groups)
    if not any(unique):
        return None
    threshold = rule.get("shamir_threshold") or 0
    if not isinstance(threshold, int):
        raise InvalidRules(f"{place}: shamir_threshold must be a number")
    return CreationRule(place, unique, threshold if len(unique) > 1 else 0, contexts)


def _flat(rule: Mapping[str, Any], place: str) -> Iterator[Recipient]:
    for name, kind in _FLAT.items():
        value = rule.get(name) or []
        texts = value if isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts):
            raise InvalidRules(f"{place}: {name} must be a text or a list of texts")
        for text in texts:
            yield from (Recipient.of(kind, part) for part in text.split(",") if part.strip())


def _group(
    group: Any, place: str, contexts: dict[Recipient, Mapping[str, str]], depth: int = 0
) -> Iterator[Recipient]:
    """The recipients of a key group, of those that it merges first."""
    if not isinstance(group, Mapping) or depth > _DEPTH:
        raise InvalidRules(f"{place}: a key group must be a mapping, merged {_DEPTH} deep at most")
    for inner in _list(group.get("merge"), place):
        yield from _group(inner, place, contexts, depth + 1)
    for text in _list(group.get("age"), place):
        yield from (Recipient.of("age", part) for part in str(text).split(",") if part.strip())
    for text in _list(group.get("pgp"), place):
        yield Recipient.of("pgp", str(text))
    yield from _of_clouds(group, place, contexts)
    for text in _list(group.get("hc_vault"), place):
        yield Recipient.of("hc_vault", str(text))


def _of_clouds(
    group: Mapping[str, Any], place: str, contexts: dict[Recipient, Mapping[str, str]]
) -> Iterator[Recipient]:
    for entry in _entries(group, "kms", "arn", place):
        recipient = Recipient.of("kms", _with_role(entry))
        if isinstance(entry.get("context"), Mapping) and entry["context"]:
            contexts[recipient] = {str(k): str(v) for k, v in entry["context"].items()}
        yield recipient
    for entry in _entries(group, "gcp_kms", "resource_id", place):
        yield Recipient.of("gcp_kms", str(entry["resource_id"]))
    for entry in _entries(group, "hckms", "key_id", place):
        yield Recipient.of("hckms", str(entry["key_id"]))
    for entry in _entries(group, "azure_keyvault", "vaultUrl", place):
        vault, key = str(entry["vaultUrl"]).rstrip("/"), entry.get("key") or ""
        yield Recipient.of("azure_kv", f"{vault}/keys/{key}/{entry.get('version') or ''}")


def _with_role(entry: Mapping[str, Any]) -> str:
    role = entry.get("role")
    return f"{entry['arn']}+{role}" if role else str(entry["arn"])


def _entries(
    group: Mapping[str, Any], name: str, wanted: str, place: str
) -> Iterator[Mapping[str, Any]]:
    for entry in _list(group.get(name), place):
        if not isinstance(entry, Mapping) or not entry.get(wanted):
            raise InvalidRules(f"{place}: {name} of a key group must be a list of {wanted} ...")
        yield entry


def _list(value: Any, place: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidRules(f"{place}: key groups and their keys must be lists")
    return value
