"""OpenPGP: data keys that a private key of the decryption Secret opens; no gpg is run.

Keys stand in the Secret's values whose names end in `.asc`, any number in each, armored or not.
What is common is opened here, the rest by a process of its own (`pgp_child.py`).
Source: getsops/sops pgp/keysource.go; RFC 4880 sections 10 and 11.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import pysequoia
from pysequoia.packet import Packet, PacketPile, Tag

from engine.objects.armor import blocks_of
from engine.plugin import Context, Decryptor, KeyRing, KeyUnavailable, share_of
from engine.runtime.fairness import FairLimiter
from engine.sops.metadata import MasterKey
from plugins.clouds import limited
from plugins.decryptors.pgp_message import TooLarge, Unopened, opened
from plugins.decryptors.pgp_packets import MAX_PACKETS, packets_of, unarmored
from plugins.decryptors.pgp_session import Unknown

ENDING: Final = ".asc"
_BLOCKS: Final = (b"PGP PRIVATE KEY BLOCK", b"PGP PUBLIC KEY BLOCK")
_PRIMARY: Final = (Tag.SecretKey, Tag.PublicKey)
_SUBKEY: Final = (Tag.SecretSubkey, Tag.PublicSubkey)
_OF_KEYS: Final = frozenset((2, 5, 6, 7, 10, 12, 13, 14, 17, 21))
"""Tags of what a key consists of; none of these is unpacked."""
_MAX_CHARACTERS: Final = 16 * 1024
"""Of one sealed data key; what gpg writes has about a thousand."""
_CHILD: Final = Path(__file__).with_name("pgp_child.py")
_HERE: Final = FairLimiter(4)
"""Messages that threads open at a time: a hostile one takes seconds, and there are 40 threads."""


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
    def keys(self) -> tuple[Packet, ...]:
        """The primary key and all subkeys."""
        return (self.head[0], *(subkey[0] for subkey in self.subkeys))

    @property
    def fingerprints(self) -> frozenset[str]:
        """Of the primary key and all subkeys, in upper case."""
        return frozenset((key.fingerprint or "").upper() for key in self.keys)

    def ways(self) -> Iterator[list[Packet]]:
        """What may open a message: each subkey alone, as pysequoia else takes one of several."""
        for subkey in self.subkeys:
            yield [*self.head, *subkey]
        yield list(self.head)


async def open_key(key: MasterKey, ring: KeyRing, ctx: Context) -> bytes:
    """The data key.  Raises KeyUnavailable."""
    async with _HERE.held(*share_of(ctx)):
        found = await anyio.to_thread.run_sync(_opened, key, ring)
    if isinstance(found, bytes):
        return found
    return await _by_child(key, found, ctx)


def _opened(key: MasterKey, ring: KeyRing) -> "bytes | list[Certificate]":
    """The data key, or the keys one of which may open it in another way.  Raises KeyUnavailable."""
    certificates, problems = _read(ring)
    secret = [each for each in certificates if each.is_secret]
    name = _fingerprint(key.recipient)
    if not secret:
        why = "the decryption Secret has no OpenPGP private key"
        raise KeyUnavailable(_text(key, [why, *problems]))
    if len(key.encrypted) > _MAX_CHARACTERS:
        raise KeyUnavailable(_text(key, ["the sealed data key is no OpenPGP message"]))
    secret.sort(key=lambda each: name not in each.fingerprints)
    try:
        return opened(_message(key), [each for one in secret for each in one.keys])
    except (TooLarge, Unopened) as error:
        raise KeyUnavailable(_text(key, [str(error), _tried(secret), *problems])) from error
    except Unknown:
        return secret


def _message(key: MasterKey) -> bytes:
    """Raises Unopened."""
    try:
        return unarmored(key.encrypted.encode())
    except ValueError as error:
        raise Unopened("the message is damaged") from error


async def _by_child(key: MasterKey, secret: Sequence[Certificate], ctx: Context) -> bytes:
    """The data key, opened by a process of its own.  Raises KeyUnavailable."""
    ways = [way for each in secret for way in each.ways()]
    asked = {
        "keys": [[base64.b64encode(bytes(packet)).decode() for packet in way] for way in ways],
        "message": base64.b64encode(_message(key)).decode(),
    }
    try:
        return await limited.opened(_CHILD, json.dumps(asked).encode(), ctx)
    except limited.Unopened as error:
        reasons = error.reasons
    except limited.Overspent:
        reasons = [
            "opening it took more memory or time than a data key needs: it is none; encrypt the "
            "file anew with sops"
        ]
    raise KeyUnavailable(_text(key, [*reasons, _tried(secret)]))


def _tried(secret: Iterable[Certificate]) -> str:
    return f"tried the keys {', '.join(sorted(_primary(each) for each in secret))}"


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


def _first_line(error: Exception) -> str:
    """Why; the library's further lines are its own stack."""
    return str(error).partition("\n")[0]


def _read(ring: KeyRing) -> tuple[list[Certificate], list[str]]:
    """(the certificates, what is wrong with those that cannot be read)."""
    found: list[Certificate] = []
    problems: list[str] = []
    left = MAX_PACKETS  # each costs some 50 us, and nobody else has a turn meanwhile
    for name, value in sorted(ring.values.items()):
        if not name.endswith(ENDING):
            continue
        for block in [text for kind, text in blocks_of(value) if kind in _BLOCKS] or [value]:
            try:
                packets = list(_packets(block, left))
                left -= len(packets)
                found += _certificates(packets)
            except (RuntimeError, ValueError, OSError) as error:  # OSError: one is cut off
                why = _first_line(error)
                problems.append(f"'{name}' of the decryption Secret is no OpenPGP key: {why}")
    return found, problems


def _packets(block: bytes, most: int) -> Iterable[Packet]:
    """Of a key; pysequoia would unpack what is compressed.  Raises ValueError, RuntimeError."""
    content = unarmored(block)
    for number, (tag, _) in enumerate(packets_of(content)):
        if tag not in _OF_KEYS:
            raise ValueError(f"it has a packet of kind {tag}, which is no part of a key")
        if number >= most:
            raise ValueError(f"the Secret has more than {MAX_PACKETS} packets of keys in all")
    return PacketPile.from_bytes(content)


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
