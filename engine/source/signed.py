"""What of a commit or tag is signed, and the signature: cut out of the raw object, byte by byte.

Nothing is decoded and written again: a signature counts for exactly the bytes that Git hashes.
Source: gitformat-signature(5); git commit.c (parse_signed_commit), gpg-interface.c.
"""

from dataclasses import dataclass, field
from enum import StrEnum

_HEADERS = {40: b"gpgsig", 64: b"gpgsig-sha256"}  # by the digits of an object's id
_BEGINS = (
    b"-----BEGIN PGP SIGNATURE-----",
    b"-----BEGIN PGP MESSAGE-----",
    b"-----BEGIN SSH SIGNATURE-----",
    b"-----BEGIN SIGNED MESSAGE-----",
)


class Form(StrEnum):
    """The kinds of signatures that Git knows."""

    OPENPGP = "openpgp"
    SSH = "ssh"
    X509 = "x509"
    UNKNOWN = "unknown"
    EMPTY = "empty"


class Unverified(Exception):  # noqa: N818 - not an error of the program: its text is shown
    """Why a signature proves nothing."""


@dataclass(frozen=True, slots=True)
class GitObject:
    """A commit or an annotated tag; name: of the tag, id: "" for a tag that is only a name."""

    id: str
    raw: bytes = field(repr=False)
    name: str = ""

    def __str__(self) -> str:
        """As messages name it."""
        return "@".join(part for part in (self.name, self.id) if part)


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed, and the signature with its armour; b"" if there is none."""

    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def form(self) -> Form:
        """Which kind of signature it is."""
        if self.signature.startswith(_BEGINS[0]):
            return Form.OPENPGP
        if self.signature.startswith(_BEGINS[2]):
            return Form.SSH
        if self.signature.startswith(_BEGINS[3]):
            return Form.X509
        return Form.UNKNOWN if self.signature else Form.EMPTY


def signed_commit(commit: GitObject) -> Signed:
    """The parts of a commit.  Raises Unverified if it carries more than one signature."""
    payload, found = _without_headers(commit.raw)
    own = found.get(_HEADERS[len(commit.id)], [])
    if len(own) > 1:
        raise Unverified(f"the commit carries {len(own)} signatures: which one counts is unclear")
    return Signed(payload, own[0].strip() if own else b"")


def signed_tag(tag: GitObject) -> Signed:
    """The parts of an annotated tag, whose signature stands at the end of its message."""
    payload, _ = _without_headers(tag.raw)
    at = _last_begin(payload)
    return Signed(payload[:at], payload[at:].strip())


def tag_field(tag: GitObject, key: str) -> str:
    """A header of an annotated tag, such as `tag`, its own name; "" if there is none."""
    head = tag.raw.partition(b"\n\n")[0]
    start = key.encode() + b" "
    lines = [line for line in head.split(b"\n") if line.startswith(start)]
    return lines[0].removeprefix(start).decode("utf-8", "replace") if len(lines) == 1 else ""


def _without_headers(raw: bytes) -> tuple[bytes, dict[bytes, list[bytes]]]:
    """The object less the headers that hold signatures, and these: {header: texts}."""
    head, gap, body = raw.partition(b"\n\n")
    kept: list[bytes] = []
    found: dict[bytes, list[bytes]] = {}
    current: list[bytes] | None = None  # texts of the signature whose lines are being read
    for line in head.split(b"\n"):
        if line.startswith(b" "):
            if current is None:
                kept.append(line)
            else:
                current[-1] += b"\n" + line[1:]
            continue
        key, _, value = line.partition(b" ")
        current = None
        if key in _HEADERS.values():
            current = found.setdefault(key, [])
            current.append(value)
        else:
            kept.append(line)
    return b"\n".join(kept) + gap + body, found


def _last_begin(text: bytes) -> int:
    """Where the last line stands that begins a signature; the end of the text if there is none."""
    at = len(text)
    start = 0
    while start < len(text):
        if text.startswith(_BEGINS, start):
            at = start
        end = text.find(b"\n", start)
        start = len(text) if end < 0 else end + 1
    return at
