"""Git's wire protocol as values: bytes in, bytes out, no socket.

Speaks protocol version 2 and, with servers that do not know it, versions 0 and 1; always
stateless, always one round: wants, haves and `done` travel in one request.
Source: gitprotocol-v2(5), gitprotocol-pack(5), gitprotocol-http(5).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from engine.source.failures import GitError, RemoteError

AGENT = "agent=git/lockstep"
_LONGEST_PACKET = 65520  # gitprotocol-common(5)
_OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NO_OBJECT = ("0" * 40, "0" * 64)


class Mark(Enum):
    """A packet without content."""

    FLUSH = b"0000"
    DELIMITER = b"0001"
    END = b"0002"


@dataclass(frozen=True, slots=True)
class RemoteRef:
    """A ref of the remote; peeled: the commit behind an annotated tag, None if it is none."""

    object_id: str
    peeled: str | None = None

    @property
    def commit(self) -> str:
        """The commit that the ref leads to: 40 hex digits, 64 in a SHA-256 repository."""
        return self.peeled or self.object_id


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What a server says of itself; refs: all of them by full name, only before version 2."""

    version: int
    capabilities: frozenset[str]
    refs: Mapping[str, RemoteRef] = field(default_factory=dict)

    @property
    def object_format(self) -> str:
        """How the repository names its objects: `sha1` or `sha256`.  Raises GitError if unknown."""
        found = {
            each.partition("=")[2]
            for each in self.capabilities
            if each.startswith("object-format=")
        }
        if not found <= {"sha1", "sha256"} or len(found) > 1:
            raise GitError(f"the repository uses object ids that are not supported: {found}")
        return found.pop() if found else "sha1"


@dataclass(frozen=True, slots=True)
class Want:
    """One request for a pack.

    shallow: commits held without their parents.  haves: commits held with their whole tree.
    depth: 0 asks for the whole history.
    """

    commits: Sequence[str]
    haves: Sequence[str] = ()
    shallow: Sequence[str] = ()
    depth: int = 1


def packet(line: str) -> bytes:
    """`line` as a packet, length first."""
    content = line.encode()
    return b"%04x%s" % (len(content) + 4, content)


class Packets:
    """Cuts a stream of bytes into packets."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes | Mark]:
        """The packets that are complete with `data`.  Raises GitError if it is no Git stream."""
        self._rest += data
        start = 0
        try:
            while len(self._rest) - start >= 4:
                length = packet_length(bytes(self._rest[start : start + 4]))
                if length < 4:
                    start += 4
                    yield Mark(b"%04x" % length)
                    continue
                if len(self._rest) - start < length:
                    break
                content = bytes(self._rest[start + 4 : start + length])
                start += length
                yield content
        finally:
            del self._rest[:start]

    @property
    def is_complete(self) -> bool:
        """False while a packet has begun and not ended."""
        return not self._rest


def packet_length(digits: bytes) -> int:
    """Of a whole packet, from its first four bytes; below 4: a mark.  Raises GitError."""
    try:
        length = int(digits, 16)
    except ValueError:
        length = -1
    if length == 3 or not 0 <= length <= _LONGEST_PACKET:
        raise GitError(
            f"the server's answer is not Git's protocol (a packet starts with {digits!r}): "
            "the URL may lead to a web page or a proxy: open it with `git ls-remote`"
        )
    return length


def parse_advertisement(body: bytes) -> Advertisement:
    """What the answer to `info/refs` says.  Raises GitError if it is not such an answer."""
    lines = [line for line in _lines(body) if not line.startswith("# service=")]
    if lines and lines[0] == "version 2":
        return Advertisement(2, frozenset(lines[1:]))
    if lines and lines[0] == "version 1":
        del lines[0]
    if not lines:
        return Advertisement(0, frozenset())
    first, _, capabilities = lines[0].partition("\0")
    refs = _parse_refs([first, *lines[1:]])
    return Advertisement(0, frozenset(capabilities.split()), refs)


def _lines(body: bytes) -> list[str]:
    packets = Packets()
    lines = [
        item.decode("utf-8", "replace").rstrip("\n")
        for item in packets.feed(body)
        if isinstance(item, bytes)
    ]
    if not packets.is_complete:
        raise GitError("the server's answer was cut off in the middle of a packet")
    for line in lines:
        if line.startswith("ERR "):
            raise RemoteError(f"the server reports: {line[4:]}")
    return lines


def _parse_refs(lines: Iterable[str]) -> dict[str, RemoteRef]:
    """Refs of an advertisement before version 2: `<id> <name>`, tags followed by `<name>^{}`."""
    refs: dict[str, RemoteRef] = {}
    for line in lines:
        object_id, _, name = line.partition(" ")
        if object_id in {"shallow", *_NO_OBJECT}:
            continue
        _check_object_id(object_id, line)
        if name.endswith("^{}") and name[:-3] in refs:
            refs[name[:-3]] = RemoteRef(refs[name[:-3]].object_id, object_id)
        else:
            refs[name] = RemoteRef(object_id)
    return refs


def parse_ls_refs(body: bytes) -> dict[str, RemoteRef]:
    """The refs of an answer to `ls_refs`, by full name; refs without a commit are left out."""
    refs = {}
    for line in _lines(body):
        object_id, _, rest = line.partition(" ")
        if object_id == "unborn":
            continue
        _check_object_id(object_id, line)
        name, *attributes = rest.split(" ")
        peeled = next((text[7:] for text in attributes if text.startswith("peeled:")), None)
        if peeled is not None:
            _check_object_id(peeled, line)
        refs[name] = RemoteRef(object_id, peeled)
    return refs


def _check_object_id(text: str, line: str) -> None:
    if not _OBJECT_ID.fullmatch(text):
        raise GitError(f"the server lists a ref that cannot be read: {line[:200]!r}")


def ls_refs(prefixes: Sequence[str], object_format: str = "sha1") -> bytes:
    """The request for refs below any of `prefixes` (all if there is none), version 2."""
    arguments = ["peel", "symrefs", *(f"ref-prefix {prefix}" for prefix in prefixes)]
    return _command("ls-refs", arguments, object_format)


def _command(name: str, arguments: Iterable[str], object_format: str) -> bytes:
    head = packet(f"command={name}") + packet(AGENT) + packet(f"object-format={object_format}")
    body = b"".join(packet(argument) for argument in arguments)
    return head + Mark.DELIMITER.value + body + Mark.FLUSH.value


def fetch_request(server: Advertisement, want: Want) -> bytes:
    """The request for a pack with the commits wanted, in the server's version."""
    if server.version == 2:
        arguments = ["thin-pack", "ofs-delta", "no-progress"]
        arguments += [f"shallow {commit}" for commit in want.shallow]
        arguments += [f"deepen {want.depth}"] if want.depth else []
        arguments += [f"want {commit}" for commit in want.commits]
        arguments += [f"have {commit}" for commit in want.haves]
        return _command("fetch", [*arguments, "done"], server.object_format)
    if "side-band-64k" not in server.capabilities:
        raise GitError("the server does not offer side-band-64k: it is too old (Git before 1.5)")
    if want.depth and "shallow" not in server.capabilities:
        return fetch_request(server, Want(want.commits, want.haves, (), depth=0))
    return _old_fetch_request(server, want)


def _old_fetch_request(server: Advertisement, want: Want) -> bytes:
    wishes = ("side-band-64k", "thin-pack", "ofs-delta", "no-progress")
    offered = [wish for wish in wishes if wish in server.capabilities]
    if server.object_format != "sha1":
        offered.append(f"object-format={server.object_format}")
    asked = " ".join([*offered, AGENT])
    first, *others = want.commits
    lines = [packet(f"want {first} {asked}\n")]
    lines += [packet(f"want {commit}\n") for commit in others]
    lines += [packet(f"shallow {commit}\n") for commit in want.shallow]
    lines += [packet(f"deepen {want.depth}\n")] if want.depth else []
    lines += [Mark.FLUSH.value]
    lines += [packet(f"have {commit}\n") for commit in want.haves]
    return b"".join([*lines, packet("done\n")])


class PackStream:
    """Reads the answer to a fetch: the pack's bytes."""

    def __init__(self, version: int) -> None:
        """version: the server's, 2 or less."""
        self._version = version
        self._packets = Packets()
        self._is_in_pack = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pack's bytes in `data`.  Raises GitError with what the server reports."""
        for item in self._packets.feed(data):
            if isinstance(item, Mark):
                continue
            if not self._is_in_pack and self._starts_pack(item):
                self._is_in_pack = True
                if self._version == 2:
                    continue
            if self._is_in_pack:
                yield from self._content(item)

    def _starts_pack(self, item: bytes) -> bool:
        """True if the pack begins here; until then the lines are about shallow and haves."""
        if item.startswith(b"ERR "):
            raise RemoteError(f"the server reports: {_text(item[4:])}")
        if self._version == 2:
            return item.rstrip(b"\n") == b"packfile"
        return item[:1] in {b"\x01", b"\x02", b"\x03"}

    def _content(self, item: bytes) -> Iterator[bytes]:
        band, content = item[:1], item[1:]
        if band == b"\x01":
            yield content
        elif band == b"\x03":
            raise RemoteError(f"the server reports: {_text(content)}")

    def finish(self) -> None:
        """Raises GitError if the answer ended before or inside the pack."""
        if not self._is_in_pack:
            raise GitError("the server's answer holds no pack")
        if not self._packets.is_complete:
            raise GitError("the connection ended in the middle of the pack")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace").strip()[:500]
