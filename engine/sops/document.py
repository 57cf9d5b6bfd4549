"""Encrypted files as a whole: what they say, what they hold, and the same ones sealed anew.

Source: getsops/sops `stores/metadata.go` (ExtractMetadata), `cmd/sops/common` (DecryptTree),
`cmd/sops/rotate.go`, `subcommand/updatekeys`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from engine.objects.yaml_error import undecodable
from engine.sops import dotenv, ini, json_text, yaml_edit, yaml_write
from engine.sops.crypt import Opened, opened, sealed
from engine.sops.error import SopsError
from engine.sops.format import MAX_BYTES, Format
from engine.sops.metadata import SOPS, MasterKey, Metadata
from engine.sops.metadata_read import metadata_from
from engine.sops.metadata_write import written
from engine.sops.tree import Branch, Comment, Leaf, Node
from engine.sops.yaml_read import Document, Reading


@dataclass(frozen=True, slots=True)
class Rekey:
    """What is needed to encrypt all values with another data key."""

    old: bytes
    new: bytes
    noise: Callable[[int], bytes]
    """So many random bytes, as `secrets.token_bytes` gives."""


@dataclass(frozen=True, slots=True)
class _File:
    """An encrypted file, read: its branches are without the `sops` part."""

    format: Format
    metadata: Metadata
    branches: list[Branch]
    text: str = ""
    """Of a YAML file, with its documents."""
    documents: Sequence[Document] = ()


def metadata_of(content: bytes, format: Format) -> Metadata | None:
    """What the file says of its encryption; None: it is not encrypted.

    Raises SopsError for more than 5 MiB, a broken `sops` part, or text that is not the format.
    """
    file = _read(content, format)
    return file.metadata if file else None


def decrypted(
    content: bytes,
    format: Format,
    data_key: bytes,
    *,
    verify_mac: bool,
    output: Format | None = None,
) -> bytes:
    """The file in plain text, written as `sops decrypt` would, without its `sops` part.

    output: the format to write where it is another one (Flux: by the name of the Secret's key).
    Raises SopsError if it is not encrypted, a value is not what was encrypted in its place, or -
    with verify_mac - anything was changed, moved, added or removed since it was encrypted.
    """
    file = _must_read(content, format)
    found = _opened(file, content, data_key, verify_mac=verify_mac)
    if file.format is Format.YAML and output in (None, Format.YAML):
        edits = [*yaml_edit.of_values(file.text, _encrypted(found), is_plain=True)]
        for document in file.documents:
            edits += yaml_edit.of_hollow(document.branch)
            edits += yaml_edit.without(file.text, document)
        return yaml_edit.edited(file.text, edits).encode(errors="surrogateescape")
    return _plain(file.branches, output or format)


def resealed(
    content: bytes,
    format: Format,
    groups: Sequence[Sequence[MasterKey]],
    *,
    now: datetime,
    threshold: int = 0,
    rekey: Rekey | None = None,
) -> bytes:
    """The same file with its data key sealed for other recipients, as `sops updatekeys` writes it.

    groups: what `Decryptor.seal` gave for each share of `split(data_key, ...)`, group by group.
    now: written as `created_at` of the keys that have none.
    threshold: how many groups are needed; 0: all of them.
    rekey: encrypt all values with another data key too, as `sops rotate` does; the shares must be
    of the new one.  Raises SopsError as `decrypted` does (the MAC is verified before a rekey).
    """
    file = _must_read(content, format)
    count = len(groups)
    moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = replace(
        file.metadata,
        groups=tuple(tuple(_dated(key, moment) for key in group) for group in groups),
        threshold=(threshold or count) if count > 1 else 0,
    )
    found: list[Opened] = []
    if rekey is not None:
        found = _opened(file, content, rekey.old, verify_mac=True)
        mac = sealed(found, metadata, rekey.new, moment, rekey.noise)
        metadata = replace(metadata, mac=mac, modified=moment)
    part = written(metadata)
    if file.format is Format.YAML:
        edits = [*yaml_edit.of_values(file.text, _encrypted(found), is_plain=False)]
        edits += yaml_edit.replaced(file.text, file.documents, part)
        return yaml_edit.edited(file.text, edits).encode(errors="surrogateescape")
    for branch in file.branches:
        branch.items.append((SOPS, part))
    return _written(file.branches, format)


def _dated(key: MasterKey, moment: str) -> MasterKey:
    """The key with its date, which sops demands of all kinds but age."""
    if key.kind == "age" or key.attributes.get("created_at"):
        return key
    return replace(key, attributes={**key.attributes, "created_at": moment})


def _must_read(content: bytes, format: Format) -> _File:
    file = _read(content, format)
    if file is None:
        raise SopsError("it is not encrypted: it has no `sops` part with a mac")
    return file


def _read(content: bytes, format: Format) -> _File | None:
    """The file, None if it is not encrypted.  Raises SopsError."""
    if SOPS.encode() not in content or b"ENC[" not in content:
        return None
    if format is Format.BINARY and not content.lstrip().startswith(b"{"):
        return None
    if len(content) > MAX_BYTES:
        raise SopsError(f"{len(content):,} bytes are more than the {MAX_BYTES:,} of a SOPS file")
    if format is Format.YAML:
        return _read_yaml(content)
    reads = {Format.DOTENV: dotenv.read, Format.INI: ini.read}
    branches = reads.get(format, json_text.read)(content)
    part = _taken(branches)
    return _File(format, metadata_from(part), branches) if part else None


def _read_yaml(content: bytes) -> _File | None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, problem = undecodable(content, error)
        raise SopsError(problem, line=line) from error
    documents = Reading(text).documents()
    branches = [document.branch for document in documents]
    part = _taken(branches)
    if part is None:
        return None
    return _File(Format.YAML, metadata_from(part), branches, text, documents)


def _taken(branches: Sequence[Branch]) -> Node | None:
    """The `sops` part of the first branch, taken out of all; None if it is none of a sops file."""
    parts = [node for key, node in branches[0].pairs() if key == SOPS] if branches else []
    if not parts or not isinstance(parts[0], Branch) or "mac" not in dict(parts[0].pairs()):
        return None
    if len(parts) > 1:
        raise SopsError("stands there twice", path=SOPS)
    for branch in branches:
        branch.items = [i for i in branch.items if not (isinstance(i, tuple) and i[0] == SOPS)]
    return parts[0]


def _opened(file: _File, content: bytes, data_key: bytes, *, verify_mac: bool) -> list[Opened]:
    try:
        return opened(file.branches, file.metadata, data_key, verify_mac=verify_mac)
    except SopsError as error:
        if error.line or not error.source:
            raise
        at = content.find(error.source.encode(errors="surrogateescape"))
        line = content.count(b"\n", 0, at) + 1 if at >= 0 else 0
        raise SopsError(error.problem, line=line, path=error.path) from error


def _encrypted(found: Iterable[Opened]) -> Iterator[Leaf | Comment]:
    """What was encrypted in the file; an empty text never is."""
    for each in found:
        if each.is_encrypted and not (isinstance(each.node, Leaf) and each.node.value == ""):
            yield each.node


def _plain(branches: list[Branch], format: Format) -> bytes:
    if format is not Format.BINARY:
        return _written(branches, format)
    data = [node for key, node in branches[0].pairs() if key == "data"]
    value = data[0].value if data and isinstance(data[0], Leaf) else None
    if not isinstance(value, str | bytes):
        raise SopsError("the file has no text under `data`, as one of format binary has")
    return value if isinstance(value, bytes) else value.encode(errors="surrogateescape")


def _written(branches: list[Branch], format: Format) -> bytes:
    writes = {Format.DOTENV: dotenv.write, Format.INI: ini.write, Format.YAML: yaml_write.write}
    return writes.get(format, json_text.write)(branches)
