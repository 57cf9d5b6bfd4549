"""Check OpenPGP signatures, with Sequoia and no keyring on disk.

Stricter than Sequoia, as Flux is: a key that has expired or was revoked by now proves nothing any
more, whenever the signature was made.
Source: fluxcd/pkg git/signature/gpg_signature.go, ProtonMail go-crypto openpgp/read.go.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from pysequoia import Cert, Sig, verify
from pysequoia.packet import PacketPile, SignatureType, Tag

from engine.objects.armor import blocks_of
from engine.source.signed import Signed, Unverified

_BLOCKS = (b"PGP PUBLIC KEY BLOCK", b"PGP PRIVATE KEY BLOCK")
_KEYS = (Tag.PublicKey, Tag.PublicSubkey, Tag.SecretKey, Tag.SecretSubkey)


def verified_openpgp(signed: Signed, rings: Sequence[bytes], now: float) -> str:
    """The id of the primary key that signed, 16 digits.  Raises Unverified.

    rings: public keys, with or without armour.  now: seconds since 1970.
    """
    certificates, problems = _certificates(rings)
    if problems and not certificates:
        raise Unverified(f"unable to read armored key ring: {problems[0]}")
    failed = "unable to verify payload with any of the given key rings: no matching key"
    try:
        signature = Sig.from_bytes(signed.signature)
        found = verify(signed.payload, lambda _: certificates, signature=signature).valid_sigs
    except Exception as error:  # pysequoia raises bare errors for whatever it was given
        raise Unverified(f"{failed} ({_hint(signed, certificates)})") from error
    instant = datetime.fromtimestamp(now, UTC)
    for each in found:
        certificate = next(one for one in certificates if one.fingerprint == each.certificate)
        problem = _problem(certificate, each.signing_key, instant)
        if signature.expiration is not None and signature.expiration <= instant:
            problem = f"the signature expired at {signature.expiration:%Y-%m-%dT%H:%M:%SZ}"
        if not problem:
            return _key_id(certificate.fingerprint)
        failed = f"{failed}: {problem}"
    raise Unverified(failed)


def _certificates(rings: Sequence[bytes]) -> tuple[list[Cert], list[str]]:
    """The keys in the rings, and what is wrong with rings that cannot be read."""
    found: list[Cert] = []
    problems: list[str] = []
    for ring in rings:
        for block in [text for name, text in blocks_of(ring) if name in _BLOCKS] or [ring]:
            try:
                found += Cert.split_bytes(block)
            except Exception as error:  # as above
                problems.append(_first_line(error))
    if not found and not problems:
        problems.append("it holds no key")
    return found, problems


def _hint(signed: Signed, certificates: Sequence[Cert]) -> str:
    """Which key it was, and which are trusted."""
    trusted = ", ".join(_key_id(each.fingerprint) for each in certificates[:10])
    try:
        issuer = Sig.from_bytes(signed.signature)
        named = issuer.issuer_fingerprint or issuer.issuer_key_id or "a key that it does not name"
    except Exception as error:  # as above
        return f"the signature cannot be read: {_first_line(error)}"
    if _key_id(named) in trusted:
        return f"the key {_key_id(named)} did not sign this content, or not while it was valid"
    return f"it names {_key_id(named)} as its key, trusted are {trusted}"


def _key_id(fingerprint: str) -> str:
    """The id of a key: the last digits of its fingerprint, of one of version 6 the first."""
    digits = fingerprint.upper()
    return digits[:16] if len(digits) == 64 else digits[-16:]


def _problem(certificate: Cert, signing_key: str, now: datetime) -> str:
    """Why a key that signed is not to be trusted now, "" if it is."""
    name = _key_id(certificate.fingerprint)
    if certificate.is_revoked:
        return f"the key {name} was revoked"
    if certificate.expiration is not None and certificate.expiration <= now:
        return f"the key {name} expired at {certificate.expiration:%Y-%m-%dT%H:%M:%SZ}"
    return _problem_of_subkey(certificate, signing_key, now)


def _problem_of_subkey(certificate: Cert, signing_key: str, now: datetime) -> str:
    """The same for the part of the key that signed; Sequoia looks at the time of signing only."""
    bound_at, ends_at = None, None
    current, created = "", None
    for packet in PacketPile.from_bytes(bytes(certificate)):
        if packet.tag in _KEYS:
            current, created = packet.fingerprint, packet.key_created
        if packet.tag != Tag.Signature or current != signing_key:
            continue
        if packet.signature_type == SignatureType.SubkeyRevocation:
            return f"the subkey {_key_id(signing_key)} was revoked"
        if packet.signature_type == SignatureType.SubkeyBinding and (
            bound_at is None or packet.signature_created >= bound_at
        ):
            bound_at, ends_at = packet.signature_created, None
            if packet.key_validity_period:
                ends_at = created + packet.key_validity_period
    if ends_at is not None and ends_at <= now:
        return f"the subkey {_key_id(signing_key)} expired at {ends_at:%Y-%m-%dT%H:%M:%SZ}"
    return ""


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
