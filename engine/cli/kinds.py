"""The kinds by the words that people type: `ks`, `source git`, `sources all`, `all`."""

from collections.abc import Mapping, Sequence

import click

from engine.api import KINDS, Kind
from engine.api.meta import HELM_GROUP, KUSTOMIZE_GROUP, SOURCE_GROUP

_GROUPS = (SOURCE_GROUP, KUSTOMIZE_GROUP, HELM_GROUP)
_SOURCES: Mapping[str, str] = {
    "git": "GitRepository",
    "oci": "OCIRepository",
    "bucket": "Bucket",
    "helm": "HelmRepository",
    "chart": "HelmChart",
    "external": "ExternalArtifact",
}

KNOWN = "kustomization (ks), helmrelease (hr), source git|oci|bucket|helm|chart|external"
"""What messages call the words for one kind."""


def parse(words: Sequence[str]) -> tuple[tuple[Kind, ...], tuple[str, ...]]:
    """The kinds that the first words name, and the other words: names of objects.

    Several kinds only for `all` and `sources all`.  Raises click.UsageError.
    """
    return _parsed(words, f"{KNOWN}, all")


def parse_one(words: Sequence[str]) -> tuple[Kind, tuple[str, ...]]:
    """The one kind that the first words name, and the other words.  Raises click.UsageError."""
    kinds, names = _parsed(words, KNOWN)
    if len(kinds) != 1:
        raise click.UsageError(f"one kind at a time: {KNOWN}")
    return kinds[0], names


def _parsed(words: Sequence[str], known: str) -> tuple[tuple[Kind, ...], tuple[str, ...]]:
    """known: the words that a message lists."""
    if not words:
        raise click.UsageError(f"which kind? one of: {known}")
    first, rest = words[0].lower(), tuple(words[1:])
    if first == "all":
        return tuple(kind for kind in KINDS.values() if kind.group in _GROUPS), rest
    if first in ("source", "sources"):
        if not rest:
            raise click.UsageError(f"which kind of source? one of: {', '.join(_SOURCES)}, all")
        return _sources(rest[0].lower()), rest[1:]
    return (_single(first, known),), rest


def _sources(word: str) -> tuple[Kind, ...]:
    if word == "all":
        return tuple(kind for kind in KINDS.values() if kind.group == SOURCE_GROUP)
    if word not in _SOURCES:
        names = ", ".join(_SOURCES)
        raise click.UsageError(f"{word!r} is no kind of source; one of: {names}, all")
    return (KINDS[SOURCE_GROUP, _SOURCES[word]],)


def _single(word: str, known: str) -> Kind:
    for kind in KINDS.values():
        if kind.group in _GROUPS and word in (kind.name.lower(), kind.plural, *kind.short_names):
            return kind
    raise click.UsageError(f"{word!r} is no kind that is known here; one of: {known}")
