"""All values of a file decrypted, verified, and encrypted again.

Source: getsops/sops `sops.go` (Decrypt, Encrypt), `cmd/sops/common` (DecryptTree).
"""

import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from engine.sops.cipher import PREFIX, Cipher
from engine.sops.error import SopsError
from engine.sops.metadata import SOPS, Metadata
from engine.sops.metadata_read import seconds
from engine.sops.tree import Branch, Comment, Leaf, Value
from engine.sops.walk import Digest, Place, walk

_TAMPERED: Final = (
    "the MAC does not match: a value was changed, moved, added or removed after the file was "
    "encrypted: restore the file from Git's history, or, if you know the change, repair it with "
    "`sops --ignore-mac`; --no-sops-verify-mac accepts such files, as Flux does"
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A leaf or a comment whose value is in plain text now."""

    node: Leaf | Comment
    place: Place
    bound: str
    """What its encrypted form was bound to."""
    is_encrypted: bool
    """Whether it was encrypted in the file."""


def opened(
    branches: Iterable[Branch], metadata: Metadata, data_key: bytes, *, verify_mac: bool
) -> list[Opened]:
    """Every leaf and comment, in the order of the file; their values are decrypted in place.

    Raises SopsError.
    """
    cipher, digest = Cipher(data_key), Digest(metadata)
    found: list[Opened] = []

    def visit(node: Leaf | Comment, place: Place) -> None:
        if isinstance(node, Comment):
            found.append(_comment(node, place, cipher))
            return
        if place.is_encrypted:
            node.value, node.is_comment = _decrypted(node, place, cipher)
        digest.add(node, place)
        found.append(Opened(node, place, place.bound, place.is_encrypted))

    walk(branches, metadata.rule, visit)
    if verify_mac:
        _verify(metadata, cipher, digest.text())
    return found


def sealed(
    found: Sequence[Opened],
    metadata: Metadata,
    data_key: bytes,
    now: str,
    noise: Callable[[int], bytes],
) -> str:
    """The encrypted MAC, after every value that was encrypted is so again, in place.

    now: RFC 3339 in seconds, what the MAC is bound to.
    """
    cipher, digest = Cipher(data_key), Digest(metadata)
    for each in found:
        node = each.node
        if isinstance(node, Comment):
            if each.is_encrypted:
                node.text = cipher.encrypt(node.text, each.bound, noise, is_comment=True)
            continue
        digest.add(node, each.place)
        if each.is_encrypted and node.value is not None:
            remark, node.is_comment = node.is_comment, False
            node.value = cipher.encrypt(node.value, each.bound, noise, is_comment=remark)
    return cipher.encrypt(digest.text(), now, noise)


def _decrypted(leaf: Leaf, place: Place, cipher: Cipher) -> tuple[Value, bool]:
    if not isinstance(leaf.value, str):
        problem = "it is not encrypted although the file's rule says so: encrypt it with sops"
        raise SopsError(problem, line=leaf.line, path=str(place))
    try:
        return cipher.decrypt(leaf.value, place.bound)
    except SopsError as error:
        is_encrypted = leaf.value.startswith(PREFIX)
        raise SopsError(
            error.problem,
            line=leaf.line,
            path=str(place),
            source=leaf.value if is_encrypted else "",
        ) from error


def _comment(comment: Comment, place: Place, cipher: Cipher) -> Opened:
    """The comment, decrypted if it can be: old versions of sops left comments as they were."""
    if comment.text.startswith(PREFIX):
        for bound in dict.fromkeys((place.bound, *comment.outer)):
            try:
                value, _ = cipher.decrypt(comment.text, bound)
            except SopsError:
                continue
            comment.text = str(value)
            return Opened(comment, place, bound, is_encrypted=True)
    return Opened(comment, place, place.bound, is_encrypted=False)


def _verify(metadata: Metadata, cipher: Cipher, digest: str) -> None:
    """Raises SopsError unless the digest is the one that the file was encrypted with."""
    if not metadata.mac:
        raise SopsError(
            "it has no MAC, so nobody can say whether it was changed", path=f"{SOPS}.mac"
        )
    try:
        wanted, _ = cipher.decrypt(metadata.mac, seconds(metadata.modified))
    except SopsError as error:
        raise SopsError(_TAMPERED, path=f"{SOPS}.mac", source=metadata.mac) from error
    if not hmac.compare_digest(str(wanted).encode(), digest.encode()):
        raise SopsError(_TAMPERED, path=f"{SOPS}.mac", source=metadata.mac)
