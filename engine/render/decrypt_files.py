"""Files that may be encrypted: whether one is, in which format, and where it says so."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping

from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.reading import read
from engine.sops import Format, Metadata, SopsError, is_marked, marked_format, metadata_of

NAME = b"sops"
"""What every encrypted file has in it, whatever its format."""

_SPELLINGS = (b"ENC[", b"\\", b"!")
"""One of which a document has that has a MAC: plainly, with escapes, or as base64 (`!!binary`)."""


def refusal(text: str) -> str:
    """What an error says first."""
    return f"cannot be decrypted: {text}"


def recognised(content: bytes, file: str, form: Format) -> tuple[Metadata, Format] | None:
    """What an encrypted file says of itself, and its format; None: it is not encrypted.

    Raises KustomizeError if it is broken, or too large.
    """
    if NAME not in content:
        return None
    marked = marked_format(content)
    if form is Format.BINARY and marked is not None and not _is_envelope(content):
        form = marked  # its name has no ending that says so
    forms = dict.fromkeys([form, *([marked] if marked else [])])
    for each in forms:
        try:
            metadata = metadata_of(content, each)
        except SopsError as error:
            if is_marked(content, each):
                raise KustomizeError(refusal(error.located(file))) from None
            continue  # some text in which the word occurs
        if metadata is not None:
            return metadata, each
    return None


def _is_envelope(content: bytes) -> bool:
    """Whether it is how BINARY is written at rest: JSON with the text under `data`."""
    try:
        return bool(json.loads(content).keys() == {"data", "sops"})
    except (ValueError, AttributeError, RecursionError):
        return False


def place_of(content: bytes, file: str) -> str:
    """`file:line` of where a file begins to speak of its encryption."""
    place = content.rfind(b"\n" + NAME)
    if place < 0:
        place = content.rfind(NAME)
    line = content.count(b"\n", 0, place + 1) + 1
    return f"{file}:{line}"


class Manifests:
    """The files of manifests that a build has read, by name; each may be there more than once."""

    def __init__(self) -> None:
        self._files: defaultdict[str, dict[bytes, _Documents]] = defaultdict(dict)

    def add(self, content: bytes, file: str) -> None:
        """A file was read."""
        if NAME in content and content not in self._files[file]:
            self._files[file][content] = _Documents(content)

    def under(self, mac: str, file: str) -> Iterator[bytes]:
        """Those documents of the file that have that MAC, each time that any has."""
        for documents in self._files[file].values():
            if found := documents.under(mac):
                yield found


def documents_under(content: bytes, mac: str) -> bytes:
    """Those documents of a file that have that MAC; nothing if none has."""
    return _Documents(content).under(mac)


class _Documents:
    """One file; it is read once, however many MACs it has."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._parts: list[bytes] = []
        self._by_mac: defaultdict[str, set[int]] | None = None  # {MAC: which documents have it}
        self._unreadable: set[int] = set()

    def under(self, mac: str) -> bytes:
        self._parts = self._parts or (b"\n" + self._content).split(b"\n---")
        literal = mac.encode(errors="surrogatepass")
        if all(literal in part for part in self._parts):
            return self._content
        if len(self._parts) == 1:
            return b""
        # Read, as a MAC that is written another way is the same one: with `\x45` for its E.
        if self._by_mac is None:
            self._by_mac = self._read()
        found = self._by_mac.get(mac)
        if not found:
            return b""
        # With what nobody can read: if it is not meant, the MAC is not that of the file.
        return b"\n---".join(self._parts[at] for at in sorted(found | self._unreadable))

    def _read(self) -> defaultdict[str, set[int]]:
        by_mac: defaultdict[str, set[int]] = defaultdict(set)
        for at, part in enumerate(self._parts):
            if not any(each in part for each in _SPELLINGS):
                continue
            # With `---`: what follows it on its line is no content to kustomize.
            macs = _macs_of(b"---" * bool(at) + part)
            if macs is None:
                self._unreadable.add(at)
            for mac in macs or ():
                by_mac[mac].add(at)
        return by_mac


def _macs_of(document: bytes) -> frozenset[str] | None:
    """Every text in a document that may be a MAC; None: it cannot be read.

    Whatever its key: that may be written in ways of its own.
    """
    try:
        return frozenset(text for each in read(document, "") for text in _texts_in(each.value))
    except KustomizeError:
        return None


def _texts_in(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)
    elif isinstance(value, str) and value.startswith("ENC["):
        yield str(value)
