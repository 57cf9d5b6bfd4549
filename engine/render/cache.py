"""Parsed files, kept by content: a base that many Kustomizations use is read twice, then no more.

What only one of them uses, and that is most, is not kept: it would fill the memory for nothing.
In: `Reach.parse` of any number of builds, one at a time.  None of them changes a document
(tests/property/test_render_purity.py).
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from engine.objects.patch import size_of
from engine.render.kustomize.model.reading import Document, read

_MET = 10_000  # files of which it is known that they were read once; 100 bytes each
_GROWTH = 10  # bytes in memory for each byte of YAML; measured on Deployments: 9.1
_NODE_BYTES = 150  # of one value in memory, measured on the same: 147


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is kept, and counts since the start."""

    files: int
    held_bytes: int
    used: int  #: times that a file was not parsed again
    parsed: int


class ParsedFiles:
    """Reads files of manifests, and remembers those that are read again and again."""

    def __init__(self, max_bytes: int) -> None:
        """max_bytes: of memory, about; 0 keeps nothing."""
        self._max_bytes = max_bytes
        # {(file, digest of its content): (documents, bytes)}; positions name the file
        self._files: OrderedDict[tuple[str, bytes], tuple[Sequence[Document], int]] = OrderedDict()
        self._met: dict[int, None] = {}  # hashes of keys, the newest last
        self._bytes = self._used = self._parsed = 0

    def __call__(self, content: bytes, file: str) -> Sequence[Document]:
        """The documents of a file; never to be changed.  Raises MalformedYaml."""
        key = (file, hashlib.sha256(content).digest())
        known = self._files.get(key)
        if known is not None:
            self._used += 1
            self._files.move_to_end(key)
            return known[0]
        documents = read(content, file)
        self._parsed += 1
        if self._is_met_again(hash(key)):
            self._keep(key, documents, _bytes_of(content, documents))
        return documents

    def _is_met_again(self, key: int) -> bool:
        """Whether that file was read before, as far as is remembered."""
        if key in self._met:
            del self._met[key]
            return True
        self._met[key] = None
        if len(self._met) > _MET:
            del self._met[next(iter(self._met))]
        return False

    def _keep(self, key: tuple[str, bytes], documents: Sequence[Document], size: int) -> None:
        self._files[key] = documents, size
        self._bytes += size
        while self._bytes > self._max_bytes:
            _, (_, gone) = self._files.popitem(last=False)
            self._bytes -= gone

    def statistics(self) -> Statistics:
        """Counts at this moment."""
        return Statistics(len(self._files), self._bytes, self._used, self._parsed)

    def __repr__(self) -> str:
        """Counts, for logs and debuggers."""
        return f"<ParsedFiles {self.statistics()}>"


def _bytes_of(content: bytes, documents: Sequence[Document]) -> int:
    """About what the documents take in memory."""
    size = len(content) * _GROWTH
    if b"*" not in content:
        return size
    # Aliases may make much of little.
    return max(size, _NODE_BYTES * sum(size_of(document.value) for document in documents))
