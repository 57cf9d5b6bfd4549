"""A repository's encrypted files and manifests about secrets, found without any key."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.api.meta import KUSTOMIZE_GROUP
from engine.custody.files import content_of, files_of
from engine.custody.recipients import Recipient
from engine.objects.manifests import Document, ManifestError, parse
from engine.render.decrypt import has_opted_out
from engine.render.decrypt_files import NAME, place_of, recognised
from engine.render.kustomize import KustomizeError
from engine.sops import MAX_BYTES, Format, Metadata, format_of

MANIFESTS: Final = (".yaml", ".yml", ".json")
_WORDS: Final = (b"Secret", b"Kustomization", b"ecretGenerator", b"sealed-secrets")
"""What a manifest that matters here has in it."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted file; problem: why it cannot be one, then it has no metadata."""

    file: str
    line: int
    """Where it speaks of its encryption."""
    format: Format
    size: int
    """Bytes."""
    metadata: Metadata | None
    problem: str = ""
    has_opted_out: bool = False
    """Whether its objects ask the engine to leave them encrypted."""

    @property
    def place(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line}"

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """Everybody who has a share, in the order of the file."""
        keys = self.metadata.keys() if self.metadata is not None else ()
        return tuple(dict.fromkeys(Recipient.of_key(key) for key in keys))

    @property
    def groups(self) -> tuple[tuple[Recipient, ...], ...]:
        """The same, group by group."""
        groups = self.metadata.groups if self.metadata is not None else ()
        return tuple(tuple(Recipient.of_key(key) for key in group) for group in groups)


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found below `root`; paths of files are from there."""

    root: Path
    sealed: tuple[Sealed, ...]
    documents: tuple[Document, ...]
    """Of all manifests in which something about secrets stands; encrypted ones as they are."""
    encrypted: frozenset[str]
    """Files that are encrypted."""

    def below(self, path: str) -> "Survey":
        """The same without files that are neither `path` nor below it; "": all."""
        return Survey(
            self.root,
            tuple(each for each in self.sealed if is_below(each.file, path)),
            tuple(each for each in self.documents if is_below(each.file, path)),
            self.encrypted,
        )


def is_below(file: str, folder: str) -> bool:
    """Whether the file is that one, or in that folder at any depth; "": the root."""
    return not folder or file == folder or file.startswith(f"{folder}/")


def survey(root: Path) -> Survey:
    """Reads every file once.  Raises OSError if one cannot be read."""
    sealed: list[Sealed] = []
    documents: list[Document] = []
    for file, place in files_of(root):
        content = content_of(place)
        found = sealed_in(content, file) if NAME in content else None
        if found is not None:
            sealed.append(found)
        if file.endswith(MANIFESTS) and any(word in content for word in _WORDS):
            documents += _documents(content, file)
    encrypted = frozenset(each.file for each in sealed)
    return Survey(root, tuple(sealed), tuple(documents), encrypted)


def sealed_in(content: bytes, file: str) -> Sealed | None:
    """What a file says of its encryption; None: it is not encrypted."""
    form, size = format_of(file), len(content)
    place, _, line = place_of(content, file).rpartition(":")
    number = int(line) if place == file else 1
    try:
        found = recognised(content, file, form)
    except KustomizeError as error:
        if form is Format.BINARY and size <= MAX_BYTES:
            return None  # a text about encrypted files, as a README may be
        return Sealed(file, number, form, size, None, str(error))
    if found is None:
        return None
    metadata, form = found
    opted_out = form in (Format.YAML, Format.JSON) and all(
        isinstance(each.obj, Mapping) and has_opted_out(each.obj)
        for each in _documents(content, file)
    )
    return Sealed(file, number, form, size, metadata, "", opted_out)


def _documents(content: bytes, file: str) -> list[Document]:
    """Those of a file; none of what is no manifest, such as a chart's template."""
    try:
        return [each for each in parse(content, file) if isinstance(each.obj, Mapping)]
    except (ManifestError, RecursionError):
        return []


def is_flux_kustomization(obj: Mapping[str, Any]) -> bool:
    """Whether it is one of Flux's, not kustomize's own."""
    group = str(obj.get("apiVersion", "")).partition("/")[0]
    return obj.get("kind") == "Kustomization" and group == KUSTOMIZE_GROUP


def objects_in(documents: tuple[Document, ...]) -> Iterator[tuple[Document, Any, Any]]:
    """(document, path in it, object) of every object, those of Lists too."""
    for document in documents:
        yield document, (), document.obj
        items = document.obj.get("items")
        if str(document.obj.get("kind", "")).endswith("List") and isinstance(items, list):
            for number, item in enumerate(items):
                if isinstance(item, Mapping):
                    yield document, ("items", number), item
