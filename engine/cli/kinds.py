"""The kinds by the words that people type: `ks`, `source git`, `alert-providers`, `all`.

Also those that are served by others (images, artifact generators): commands show and change them.
Source: flux-behaviour section 11; flux2 cmd/flux: `flux get all` gives the order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

import click

from engine.api.meta import HELM_GROUP, KUSTOMIZE_GROUP, NOTIFICATION_GROUP, SOURCE_GROUP
from engine.cluster import Resource

IMAGE_GROUP = "image.toolkit.fluxcd.io"
GENERATOR_GROUP = "source.extensions.fluxcd.io"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of Flux as the command line knows it.

    words: what people call it, the singular first; with a family they follow its word (`source`).
    is_static: nothing reconciles it, it is ready at once.   is_made: somebody else makes it.
    """

    group: str
    version: str
    name: str
    plural: str
    words: tuple[str, ...]
    family: str = ""
    is_static: bool = False
    is_made: bool = False

    @property
    def api_version(self) -> str:
        """Group and version, as in `apiVersion:`."""
        return f"{self.group}/{self.version}"

    @property
    def resource(self) -> Resource:
        """Where its objects are served."""
        return Resource(self.group, self.version, self.name, self.plural, namespaced=True)

    @property
    def title(self) -> str:
        """What to type: `kustomization`, `source git`."""
        return f"{self.family} {self.words[0]}".strip()

    @property
    def is_own(self) -> bool:
        """Whether its definition comes with this engine."""
        return self.group not in (IMAGE_GROUP, GENERATOR_GROUP)


def _source(name: str, plural: str, *words: str, is_made: bool = False) -> Kind:
    return Kind(SOURCE_GROUP, "v1", name, plural, words, "source", is_made=is_made)


def _image(name: str, plural: str, *words: str) -> Kind:
    return Kind(IMAGE_GROUP, "v1", name, plural, words, "image")


_ALL = (
    _source("OCIRepository", "ocirepositories", "oci", "ocirepo"),
    _source("Bucket", "buckets", "bucket"),
    _source("GitRepository", "gitrepositories", "git", "gitrepo"),
    _source("HelmRepository", "helmrepositories", "helm", "helmrepo"),
    _source("HelmChart", "helmcharts", "chart", "hc"),
    _source("ExternalArtifact", "externalartifacts", "external", "ea", is_made=True),
    _image("ImageRepository", "imagerepositories", "repository", "imgrepo", "imagerepo"),
    _image("ImagePolicy", "imagepolicies", "policy", "imgpol", "imagepol"),
    _image("ImageUpdateAutomation", "imageupdateautomations", "update", "iua", "imgauto"),
    Kind(
        GENERATOR_GROUP,
        "v1beta1",
        "ArtifactGenerator",
        "artifactgenerators",
        ("generator", "generators", "ag"),
        "artifact",
        is_made=True,
    ),
    Kind(HELM_GROUP, "v2", "HelmRelease", "helmreleases", ("helmrelease", "hr")),
    Kind(KUSTOMIZE_GROUP, "v1", "Kustomization", "kustomizations", ("kustomization", "ks")),
    Kind(NOTIFICATION_GROUP, "v1", "Receiver", "receivers", ("receiver",)),
    Kind(
        NOTIFICATION_GROUP,
        "v1beta3",
        "Provider",
        "providers",
        ("alert-provider", "alert-providers"),
        is_static=True,
    ),
    Kind(NOTIFICATION_GROUP, "v1beta3", "Alert", "alerts", ("alert",), is_static=True),
)

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _ALL})
"""By name, in the order in which `get all` shows them."""

_FAMILIES: Mapping[str, str] = {
    "source": "source",
    "sources": "source",
    "image": "image",
    "images": "image",
    "artifact": "artifact",
    "artifacts": "artifact",
}

KNOWN = (
    "kustomization (ks), helmrelease (hr), source git|oci|bucket|helm|chart|external, "
    "receiver, alert, alert-provider, image repository|policy|update, artifact generator"
)
"""What messages call the words for one kind."""


def parse(words: Sequence[str]) -> tuple[tuple[Kind, ...], tuple[str, ...]]:
    """The kinds that the first words name, and the other words: names of objects.

    Several kinds only for `all`, `sources all` and `images all`.  Raises click.UsageError.
    """
    return _parsed(words, f"{KNOWN}, all")


def parse_one(words: Sequence[str]) -> tuple[Kind, tuple[str, ...]]:
    """The one kind that the first words name, and the other words.  Raises click.UsageError."""
    kinds, names = _parsed(words, KNOWN)
    if len(kinds) != 1:
        raise click.UsageError(f"one kind at a time: {KNOWN}")
    return kinds[0], names


def kind_called(name: str) -> Kind | None:
    """The kind of that name in any case of letters (`kustomization`), None if there is none."""
    return next((kind for kind in _ALL if kind.name.lower() == name.lower()), None)


def first_words() -> Iterator[str]:
    """What a command that takes a kind may begin with, for completion."""
    for kind in _ALL:
        if not kind.family:
            yield kind.words[0]
            yield kind.plural
    yield from _FAMILIES


def second_words(first: str) -> Iterator[str]:
    """What may follow `sources` and its like, nothing after other words."""
    family = _FAMILIES.get(first.lower(), "")
    yield from (kind.words[0] for kind in _ALL if family and kind.family == family)


def _parsed(words: Sequence[str], known: str) -> tuple[tuple[Kind, ...], tuple[str, ...]]:
    """known: the words that a message lists."""
    if not words:
        raise click.UsageError(f"which kind? one of: {known}")
    first, rest = words[0].lower(), tuple(words[1:])
    if first == "all":
        return tuple(kind for kind in _ALL if kind.family != "artifact"), rest
    if family := _FAMILIES.get(first):
        return _of_family(family, rest)
    return (_single(first, known),), rest


def _of_family(family: str, rest: tuple[str, ...]) -> tuple[tuple[Kind, ...], tuple[str, ...]]:
    members = tuple(kind for kind in _ALL if kind.family == family)
    names = ", ".join([kind.words[0] for kind in members] + ["all"] * (len(members) > 1))
    if not rest:
        raise click.UsageError(f"which kind of {family}? one of: {names}")
    word = rest[0].lower()
    if word == "all" and len(members) > 1:
        return members, rest[1:]
    for kind in members:
        if word in kind.words or word in (kind.name.lower(), kind.plural):
            return (kind,), rest[1:]
    raise click.UsageError(f"{word!r} is no kind of {family}; one of: {names}")


def _single(word: str, known: str) -> Kind:
    names = {name: kind for kind in _ALL for name in _names(kind)}
    if word in names:
        return names[word]
    near = get_close_matches(word, names, n=1, cutoff=0.75)
    if near:
        raise click.UsageError(f"{word!r} is no kind that is known here; there is {near[0]!r}")
    raise click.UsageError(f"{word!r} is no kind that is known here; one of: {known}")


def _names(kind: Kind) -> tuple[str, ...]:
    """What may be typed without the word of its family: short names go first then."""
    words = kind.words[1:] if kind.family else kind.words
    return (*words, kind.name.lower(), kind.plural)
