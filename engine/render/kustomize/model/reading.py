"""Read YAML resources the way kustomize does.

Differs from `engine.objects.manifests` (Kubernetes' own reader) on purpose: kustomize splits the
stream at `---` lines by itself, takes one document from each part, has YAML 1.2 types and resolves
anchors and merges while it reads (`document.py`).  Source: kyaml kio/byteio_reader.go.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from engine.objects.yaml_error import ManifestError, explained, undecodable
from engine.objects.yaml_read import Reader
from engine.render.kustomize.model.document import NODES, DocumentReader, MalformedYaml

_SEPARATOR = re.compile(r"\n---.*\n")


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document; line: 1-based line of its first content.

    repeated: what is wrong with a key of its annotations that is there twice, "" if none is.
    """

    value: Any
    file: str
    line: int
    repeated: str = ""


Parse: TypeAlias = Callable[[bytes, str], Sequence[Document]]
"""`read`, or what remembers; the documents are never changed.  Raises MalformedYaml."""


def read(content: bytes, file: str, *, strict: bool = True) -> list[Document]:
    """The documents that are not empty, in order.  Raises MalformedYaml.

    strict: a key that is there twice is an error, but the last of an object's annotations counts;
    else the first of them counts, as in a patch.
    """
    documents = []
    parts = _parts(_decoded(content, file), file)
    if len(parts) > NODES:
        raise MalformedYaml(f"{file}: more than {NODES} documents")
    for text, first_line in parts:
        reader = DocumentReader(text, file, first_line, strict=strict)
        value = reader.document()
        if value is not None:
            documents.append(Document(value, file, reader.first_content, reader.settled(value)))
    return documents


def read_one(content: bytes, file: str, *, strict: bool = False) -> Any:
    """The first document, None if there is none.

    For kustomizations, JSON patches and other configuration, which kustomize reads with
    sigs.k8s.io/yaml: `yes` is true there.  strict: a key that is there twice, or that `<<` brings
    too, is an error; else the last one wins.  Raises MalformedYaml.
    """
    documents = Reader(content, file, last_wins=not strict).documents()
    try:
        return next((value for value, *_ in documents), None)
    except ManifestError as error:
        line, problem = _reason(error, _decoded(content, file))
        raise MalformedYaml(f"{file}:{line}: malformed YAML: {problem}") from error


def _reason(error: ManifestError, text: str) -> tuple[int, str]:
    """The line and what is wrong there, explained where only the parser has said it."""
    cause = error.__cause__
    if isinstance(cause, yaml.YAMLError):
        return explained(cause, text)
    return error.line, error.problem


def read_text(text: str, file: str) -> Any:
    """The document that a text holds, read as resources are; the first of duplicate keys wins.

    Raises MalformedYaml.
    """
    return DocumentReader(text, file, 1, strict=False).document()


def _decoded(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line, problem = undecodable(content, error)
        raise MalformedYaml(f"{file}:{line}: {problem}") from error


def _parts(text: str, file: str) -> list[tuple[str, int]]:
    """(text, line of its first character) between separators."""
    parts, start, line = [], 0, 1
    for match in _SEPARATOR.finditer(text):
        junk = match.group()[4:].strip()
        if junk and not junk.startswith("#"):
            where = line + text.count("\n", start, match.start()) + 1
            raise MalformedYaml(f"{file}:{where}: invalid document separator {'---' + junk!r}")
        parts.append((text[start : match.start()] + "\n", line))
        line += text.count("\n", start, match.end())
        start = match.end()
    return [*parts, (text[start:], line)]
