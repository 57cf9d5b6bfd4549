"""The serving side of Git's protocol: answers a client from a bare repository on disk.

Version 2 is spoken here, and sends a shallow client only what differs from the commits that it
has; clients that know only versions 0 and 1 (go-git 5) are served by dulwich's handler.
Source: gitprotocol-http(5), gitprotocol-v2(5).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import cast

from dulwich.errors import GitProtocolError, HangupException
from dulwich.objects import ObjectID
from dulwich.pack import write_pack_from_container
from dulwich.protocol import (
    CAPABILITY_OFS_DELTA,
    CAPABILITY_SIDE_BAND_64K,
    ReceivableProtocol,
)
from dulwich.repo import Repo
from dulwich.server import BackendRepo, DictBackend, UploadPackHandler

from engine.source.failures import GitError
from engine.source.git_protocol import AGENT, Mark, Packets, packet
from engine.source.git_reach import Reach, reach

_BAND_BYTES = 65515  # of content in one packet of the side band
_OLD_CAPABILITIES = "side-band-64k thin-pack ofs-delta shallow"


def advertise(repository: Path, version: int) -> bytes:
    """The answer to `info/refs?service=git-upload-pack`; version: what the client asked for."""
    head = packet("# service=git-upload-pack\n") + Mark.FLUSH.value
    if version == 2:
        lines = ("version 2", AGENT, "ls-refs", "fetch=shallow", "object-format=sha1")
        return head + b"".join(packet(f"{line}\n") for line in lines) + Mark.FLUSH.value
    refs = _old(repository, b"", advertise_refs=True)
    if refs == Mark.FLUSH.value:  # dulwich says nothing of an empty repository
        refs = packet(f"{'0' * 40} capabilities^{{}}\0{_OLD_CAPABILITIES}\n") + refs
    return head + refs


def answer(repository: Path, request: bytes, version: int) -> bytes:
    """The answer to a `git-upload-pack` request; what goes wrong is part of it.  Blocks."""
    try:
        if version == 2:
            return _new(repository, _parse(request))
        return _old(repository, request, advertise_refs=False)
    except (GitError, GitProtocolError, HangupException, KeyError, ValueError) as error:
        return packet(f"ERR {error}"[:1000])


class _Handler(UploadPackHandler):
    """Asks of clients only what it needs: it sends no thin packs, and go-git 5 takes none."""

    @classmethod
    def required_capabilities(cls) -> tuple[bytes, ...]:
        return CAPABILITY_SIDE_BAND_64K, CAPABILITY_OFS_DELTA


def _old(repository: Path, request: bytes, *, advertise_refs: bool) -> bytes:
    out = BytesIO()
    with Repo(str(repository)) as repo:
        handler = _Handler(
            DictBackend({b".": cast("BackendRepo", repo)}),
            ["."],
            ReceivableProtocol(BytesIO(request).read, out.write),
            stateless_rpc=True,
            advertise_refs=advertise_refs,
        )
        handler.handle()
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class _Command:
    name: str
    arguments: tuple[str, ...]

    def values(self, key: str) -> list[str]:
        """What follows the key in each argument that starts with it."""
        start = f"{key} "
        return [item.removeprefix(start) for item in self.arguments if item.startswith(start)]


def _parse(request: bytes) -> _Command:
    lines: list[str] = []
    arguments_at = None
    for item in Packets().feed(request):
        if item is Mark.DELIMITER:
            arguments_at = len(lines)
        elif isinstance(item, bytes):
            lines.append(item.decode("utf-8", "replace").rstrip("\n"))
    name = next((line[8:] for line in lines if line.startswith("command=")), "")
    return _Command(name, tuple(lines[arguments_at:]) if arguments_at is not None else ())


def _new(repository: Path, command: _Command) -> bytes:
    with Repo(str(repository)) as repo:
        if command.name == "ls-refs":
            return b"".join(map(packet, _refs(repo, command))) + Mark.FLUSH.value
        if command.name == "fetch":
            return b"".join(_fetch(repo, command))
    raise GitError(f"unknown command {command.name!r}")


def _refs(repo: Repo, command: _Command) -> Iterator[str]:
    prefixes = tuple(command.values("ref-prefix")) or ("",)
    symbolic = repo.refs.get_symrefs()
    for ref, object_id in sorted(repo.get_refs().items()):
        name = ref.decode("utf-8", "replace")
        if not name.startswith(prefixes):
            continue
        line = f"{object_id.decode()} {name}"
        if "symrefs" in command.arguments and ref in symbolic:
            line += f" symref-target:{symbolic[ref].decode()}"
        peeled = repo.get_peeled(ref)
        if "peel" in command.arguments and peeled != object_id:
            line += f" peeled:{peeled.decode()}"
        yield f"{line}\n"


def _fetch(repo: Repo, command: _Command) -> Iterator[bytes]:
    given = [(item, ObjectID(item.encode())) for item in command.values("have")]
    haves = [item for item, object_id in given if object_id in repo.object_store]
    is_done = "done" in command.arguments
    if not is_done:
        yield packet("acknowledgments\n")
        yield from (packet(f"ACK {item}\n") for item in haves)
        if not haves:
            yield packet("NAK\n") + Mark.FLUSH.value
            return
        yield packet("ready\n") + Mark.DELIMITER.value
    depth = int(next(iter(command.values("deepen")), "0"))
    shallow = frozenset(command.values("shallow"))
    found = reach(repo.object_store, command.values("want"), haves, depth, shallow)
    if depth or shallow:
        yield from _shallow_info(found, depth, shallow)
    yield packet("packfile\n")
    yield from _pack(repo, found)
    yield Mark.FLUSH.value


def _shallow_info(found: Reach, depth: int, shallow: frozenset[str]) -> Iterator[bytes]:
    if not depth:
        return
    yield packet("shallow-info\n")
    yield from (packet(f"shallow {item}\n") for item in sorted(found.boundary))
    inside = (shallow & found.commits) - found.boundary
    yield from (packet(f"unshallow {item}\n") for item in sorted(inside))
    yield Mark.DELIMITER.value


def _pack(repo: Repo, found: Reach) -> Iterator[bytes]:
    content = BytesIO()
    objects = [(ObjectID(item.encode()), None) for item in found.objects]
    # With reuse, dulwich looks at every object of every pack for each fetch.
    write_pack_from_container(
        content.write, repo.object_store, objects, repo.object_format, reuse_deltas=False
    )
    data = content.getvalue()
    for at in range(0, len(data), _BAND_BYTES):
        part = data[at : at + _BAND_BYTES]
        yield b"%04x\x01%s" % (len(part) + 5, part)
