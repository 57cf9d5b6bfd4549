"""OpenPGP messages made by hand, packet by packet: such as no library writes."""

import zlib
from itertools import pairwise

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from pysequoia import Cert
from pysequoia.packet import PacketPile, Tag

from plugins.decryptors.pgp_packets import Bytes

SESSION = bytes(range(32))
"""The session key of these messages."""


def packet(tag: int, body: bytes) -> bytes:
    return bytes((0xC0 | tag, 255)) + len(body).to_bytes(4) + body


def literal(content: bytes) -> bytes:
    return packet(11, b"b\0\0\0\0\0" + content)


def compressed(stream: bytes) -> bytes:
    return packet(8, b"\1" + stream)


def deflated(content: bytes) -> bytes:
    way = zlib.compressobj(9, zlib.DEFLATED, -15)
    return way.compress(content) + way.flush()


def session_packet(public: Cert, algorithm: int) -> bytes:
    """SESSION sealed for the RSA subkey for encryption, as gpg does."""
    packets = list(PacketPile.from_bytes(bytes(public)))
    subkey = next(
        each
        for each, binding in pairwise(packets)
        if each.tag == Tag.PublicSubkey and "encryption" in str(binding.key_flags)
    )
    fields = Bytes(subkey.body[6:])
    n, e = fields.integer(), fields.integer()
    known = bytes((algorithm,)) + SESSION + (sum(SESSION) % 65536).to_bytes(2)
    number = RSAPublicNumbers(e, n).public_key().encrypt(known, PKCS1v15())
    integer = int.from_bytes(number).bit_length().to_bytes(2) + number.lstrip(b"\0")
    return packet(1, b"\3" + bytes.fromhex((subkey.fingerprint or "")[-16:]) + b"\1" + integer)
