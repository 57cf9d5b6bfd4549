"""OpenPGP: data keys that a private key of the decryption Secret opens; no gpg is run.

Keys stand in the Secret's values whose names end in `.asc`, any number in each, armored or not.
Source: getsops/sops pgp/keysource.go; RFC 4880 sections 10 and 11.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import anyio.to_thread
import pysequoia
from pysequoia.packet import Packet, PacketPile, Tag

from engine.plugin import Context, Decryptor, KeyRing, KeyUnavailable
from engine.sops.metadata import MasterKey
from plugins.decryptors import pgp_expired

ENDING: Final = ".asc"
_BLOCK: Final = re.compile(
    rb"-----BEGIN PGP (?:PRIVATE|PUBLIC) KEY BLOCK-----.*?-----END PGP [A-Z]+ KEY BLOCK-----",
    re.DOTALL,
)
_PRIMARY: Final = (Tag.SecretKey, Tag.PublicKey)
_SUBKEY: Final = (Tag.SecretSubkey, Tag.PublicSubkey)
_MAX_CHARACTERS: Final = 16 * 1024
"""Of one sealed data key; what gpg writes has about a thousand.  Zeros may become a thousand times
as many, in memory and while nobody else has a turn."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A key with its subkeys, as packets."""

    head: tuple[Packet, ...]
    """The primary key, its names and their signatures."""
    subkeys: tuple[tuple[Packet, ...], ...]
    """Each subkey with its signatures."""

    @property
    def is_secret(self) -> bool:
        """Whether it can decrypt."""
        return self.head[0].tag == Tag.SecretKey

    @property
    def fingerprints(self) -> frozenset[str]:
        """Of the primary key and all subkeys, in upper case."""
        keys = (self.head[0], *(subkey[0] for subkey in self.subkeys))
        return frozenset((key.fingerprint or "").upper() for key in keys)

    def ways(self) -> Iterator[Callable[[bytes], bytes]]:
        """What may open a message: each subkey alone, as pysequoia else takes one of several."""
        for subkey in self.subkeys:
            yield partial(_decrypted, [*self.head, *subkey])
        yield partial(_decrypted, list(self.head))
        for subkey in self.subkeys:
            yield partial(pgp_expired.decrypted, subkey=subkey[0])


async def open_key(key: MasterKey, ring: KeyRing, ctx: Context) -> bytes:
    """The data key.  Raises KeyUnavailable."""
    del ctx
    return await anyio.to_thread.run_sync(_opened, key, ring)


def _opened(key: MasterKey, ring: KeyRing) -> bytes:
    certificates, problems = _read(ring)
    secret = [each for each in certificates if each.is_secret]
    name = _fingerprint(key.recipient)
    if not secret:
        why = "the decryption Secret has no OpenPGP private key"
        raise KeyUnavailable(_text(key, [why, *problems]))
    if len(key.encrypted) > _MAX_CHARACTERS:
        raise KeyUnavailable(_text(key, ["the sealed data key is no OpenPGP message"]))
    secret.sort(key=lambda each: name not in each.fingerprints)
    reasons: dict[str, None] = {}
    for certificate in secret:
        for open_message in certificate.ways():
            try:
                return open_message(key.encrypted.encode())
            except RuntimeError as error:
                if name in certificate.fingerprints:
                    reasons[_first_line(error)] = None
    tried = ", ".join(sorted(_primary(each) for each in secret))
    raise KeyUnavailable(_text(key, [*reasons, f"tried the keys {tried}", *problems]))


def _decrypted(packets: list[Packet], message: bytes) -> bytes:
    """The message's content.  Raises RuntimeError."""
    content = pysequoia.decrypt(message, pysequoia.Tsk.from_packets(packets).decryptor()).bytes
    if not content:
        raise RuntimeError("the message is empty")
    return content


async def seal_key(data_key: bytes, recipient: str, ring: KeyRing, ctx: Context) -> MasterKey:
    """The data key sealed for the fingerprint of a key, public or private, that the ring has.

    Raises KeyUnavailable.
    """
    del ctx
    name = _fingerprint(recipient)
    certificate = next((each for each in _read(ring)[0] if name in each.fingerprints), None)
    if certificate is None:
        raise KeyUnavailable(
            f"OpenPGP key '{recipient}' is not there: give its public key (gpg --armor --export)"
        )
    packets = [*certificate.head, *(packet for each in certificate.subkeys for packet in each)]
    try:
        cert = pysequoia.Cert.from_packets(packets)
        sealed = pysequoia.encrypt(data_key, recipients=[cert])
    except RuntimeError as error:
        why = f"nothing can be sealed for it: {_first_line(error)}"
        raise KeyUnavailable(f"OpenPGP key '{recipient}': {why}") from error
    return MasterKey("pgp", name, sealed.decode())


def held(ring: KeyRing) -> frozenset[str]:
    """The fingerprints of the ring's private keys, of their subkeys too."""
    return frozenset[str]().union(*(c.fingerprints for c in _read(ring)[0] if c.is_secret))


def _text(key: MasterKey, parts: Iterable[str]) -> str:
    return f"OpenPGP key '{key.recipient}': {'; '.join(parts)}"


def _fingerprint(text: str) -> str:
    return text.replace(" ", "").upper()


def _primary(certificate: Certificate) -> str:
    return (certificate.head[0].fingerprint or "").upper()


def _first_line(error: RuntimeError) -> str:
    """Why; the library's further lines are its own stack."""
    return str(error).partition("\n")[0]


def _read(ring: KeyRing) -> tuple[list[Certificate], list[str]]:
    """(the certificates, what is wrong with those that cannot be read)."""
    found: list[Certificate] = []
    problems: list[str] = []
    for name, value in sorted(ring.values.items()):
        if not name.endswith(ENDING):
            continue
        for block in _BLOCK.findall(value) or [value]:
            try:
                found += _certificates(PacketPile.from_bytes(block))
            except RuntimeError as error:
                why = _first_line(error)
                problems.append(f"'{name}' of the decryption Secret is no OpenPGP key: {why}")
    return found, problems


def _certificates(packets: Iterable[Packet]) -> Iterator[Certificate]:
    head: list[Packet] = []
    subkeys: list[list[Packet]] = []
    for packet in packets:
        if packet.tag in _PRIMARY:
            if head:
                yield Certificate(tuple(head), tuple(map(tuple, subkeys)))
            head, subkeys = [packet], []
        elif packet.tag in _SUBKEY and head:
            subkeys.append([packet])
        elif head:
            (subkeys[-1] if subkeys else head).append(packet)
    if head:
        yield Certificate(tuple(head), tuple(map(tuple, subkeys)))


def ends(ring: KeyRing) -> dict[str, float]:
    """When keys end that do, by fingerprint.

    A subkey ends with its primary key at the latest; nothing can be sealed for a primary key whose
    subkeys for encryption have all ended.
    """
    found: dict[str, float] = {}
    for certificate in _read(ring)[0]:
        whole = _end(certificate.head)
        for subkey in certificate.subkeys:
            _note(found, subkey[0], _end(subkey), whole)
        encrypting = [_end(each) for each in certificate.subkeys if _encrypts(each)]
        lasting = [each for each in encrypting if each is not None]
        is_over = bool(lasting) and len(lasting) == len(encrypting)
        _note(found, certificate.head[0], max(lasting) if is_over else None, whole)
    return found


def _note(found: dict[str, float], key: Packet, *ends: float | None) -> None:
    """The first of the ends, if there is one."""
    known = [end for end in ends if end is not None]
    if known:
        found[(key.fingerprint or "").upper()] = min(known)


def _encrypts(subkey: tuple[Packet, ...]) -> bool:
    return any("encryption" in str(each.key_flags) for each in subkey if each.tag == Tag.Signature)


def _end(packets: tuple[Packet, ...]) -> float | None:
    """What the newest signature says of the first packet's key; None: it does not end."""
    signed = [each for each in packets if each.tag == Tag.Signature and each.signature_created]
    created = packets[0].key_created
    if not signed or created is None:
        return None
    newest = max(signed, key=lambda each: each.signature_created or created)
    lasting = newest.key_validity_period
    return (created + lasting).timestamp() if lasting else None


DECRYPTOR = Decryptor(open=open_key, seal=seal_key, held=held, ends=ends)
