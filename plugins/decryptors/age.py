"""Keys of age: data keys that an X25519 identity or an SSH key of the decryption Secret opens.

Identities stand in the Secret's values whose names end in `.agekey`, one a line, or as one SSH
private key in PEM.  Source: getsops/sops age/keysource.go; FiloSottile/age, the formats of
recipients and identities.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import anyio.lowlevel
import pyrage
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from engine.objects.armor import blocks_of
from engine.plugin import Context, Decryptor, KeyRing, KeyUnavailable
from engine.sops.metadata import MasterKey

ENDING: Final = ".agekey"
_PEM: Final = "-----BEGIN "
_MAX_CHARACTERS: Final = 8 * 1024
"""Of one sealed data key; what age writes has some hundreds, for RSA of 16,384 bits 4,000."""
_MAX_STANZAS: Final = 8
"""Of one sealed data key; sops writes one.  Each identity is tried on each."""
_AT_ONCE: Final = 50
"""Identities that are tried before others have a turn: 20 ms at the worst."""
_MAX_PEM: Final = 16 * 1024  # characters of an SSH key; RSA of 16,384 bits has 12,700
_NAMED: Final = 5  # unusable identities in a message
_MAX_IDENTITIES: Final = 1000
"""Each is tried on each data key, some 0.1 ms, and nobody else has a turn meanwhile."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key that was read."""

    recipient: str
    opens: Any  # of pyrage, which ships no types


async def open_key(key: MasterKey, ring: KeyRing, ctx: Context) -> bytes:
    """The data key.  Raises KeyUnavailable."""
    del ctx
    identities, problems = _read(ring)
    if not identities:
        raise KeyUnavailable(_text(key, "the decryption Secret has no age identity", problems))
    if len(key.encrypted) > _MAX_CHARACTERS:
        raise KeyUnavailable(_text(key, "the sealed data key is no age file", ()))
    if _stanzas(key.encrypted.encode()) > _MAX_STANZAS:
        why = f"it is sealed for more than {_MAX_STANZAS} at once, which sops never does"
        raise KeyUnavailable(_text(key, why, ()))
    identities.sort(key=lambda each: each.recipient != key.recipient)  # the one that it names first
    for start in range(0, len(identities), _AT_ONCE):
        some = [each.opens for each in identities[start : start + _AT_ONCE]]
        try:
            return bytes(pyrage.decrypt(key.encrypted.encode(), some))
        except pyrage.DecryptError as error:
            problem = error
        await anyio.lowlevel.checkpoint()
    tried = ", ".join(sorted(each.recipient for each in identities))
    why = f"{problem} (tried the identities of {tried})"
    raise KeyUnavailable(_text(key, why, problems)) from problem


def _stanzas(sealed: bytes) -> int:
    """For how many it is sealed; 0 for what is no age file, of which age itself says why."""
    block = next((text for _, text in blocks_of(sealed)), b"")
    try:
        content = base64.b64decode(b"".join(block.splitlines()[1:-1])) if block else sealed
    except ValueError:
        return 0
    return content.partition(b"\n---")[0].count(b"\n-> ")


async def seal_key(data_key: bytes, recipient: str, ring: KeyRing, ctx: Context) -> MasterKey:
    """The data key sealed for `age1...` or an SSH public key.  Raises KeyUnavailable."""
    del ring, ctx
    name = recipient.strip()
    try:
        if name.startswith("ssh-"):
            target = pyrage.ssh.Recipient.from_str(name)
        else:
            target = pyrage.x25519.Recipient.from_str(name)
    except pyrage.RecipientError as error:
        raise KeyUnavailable(f"'{name}' is no age recipient: {_hint(name) or error}") from error
    return MasterKey("age", name, pyrage.encrypt(data_key, [target], armored=True).decode())


def held(ring: KeyRing) -> frozenset[str]:
    """The recipients of the ring's identities."""
    return frozenset(each.recipient for each in _read(ring)[0])


def _text(key: MasterKey, why: str, problems: "tuple[str, ...] | list[str]") -> str:
    hint, named = _hint(key.recipient), problems[:_NAMED]
    if len(problems) > _NAMED:
        named = [*named, f"and {len(problems) - _NAMED} more lines are no identities"]
    parts = (f"age key '{key.recipient}': {why}", hint, *named)
    return "; ".join(part for part in parts if part)


def _hint(recipient: str) -> str:
    """What to do about a recipient of a kind that is not supported."""
    if recipient.startswith("age1pq1"):
        return "post-quantum recipients are not supported: seal for an X25519 key (age1...) too"
    if recipient.startswith("age1") and recipient.count("1") > 1:
        return "recipients of age plugins are not supported, as a plugin is a program"
    return ""


def _read(ring: KeyRing) -> tuple[list[Identity], list[str]]:
    """(the identities, what is wrong with those that cannot be read)."""
    identities: list[Identity] = []
    problems: list[str] = []
    for name, value in sorted(ring.values.items()):
        if not name.endswith(ENDING):
            continue
        for place, text in _texts(name, value.decode(errors="replace")):
            if len(identities) + len(problems) == _MAX_IDENTITIES:
                problems.append(
                    f"the decryption Secret has more than {_MAX_IDENTITIES} age identities; those "
                    f"from {place} on are not tried"
                )
                return identities, problems
            try:
                identities.append(_identity(text))
            except _Unusable as error:
                problems.append(f"{place} of the decryption Secret {error}")
    return identities, problems


def _texts(name: str, value: str) -> Iterator[tuple[str, str]]:
    """(where, text) of each identity in a value of the Secret."""
    if value.lstrip().startswith(_PEM):
        yield f"'{name}'", value.strip() + "\n"
        return
    for number, line in enumerate(value.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield f"line {number} of '{name}'", line.strip()


class _Unusable(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """An identity that cannot be used: why."""


def _identity(text: str) -> Identity:
    if text.startswith(_PEM):
        return _ssh_identity(text)
    if text.startswith("AGE-SECRET-KEY-PQ-"):
        raise _Unusable("is a post-quantum identity, which is not supported: add an X25519 one")
    if text.startswith("AGE-PLUGIN-"):
        raise _Unusable("names an age plugin, which is a program and not supported")
    try:
        identity = pyrage.x25519.Identity.from_str(text)
    except pyrage.IdentityError:
        raise _Unusable("is no age identity (AGE-SECRET-KEY-1...)") from None  # it quotes the key
    return Identity(str(identity.to_public()), identity)


def _ssh_identity(text: str) -> Identity:
    data = text.encode()
    if len(data) > _MAX_PEM:
        raise _Unusable(f"is longer than {_MAX_PEM} characters, too long for an SSH key")
    load = load_ssh_private_key if "OPENSSH" in text.partition("\n")[0] else load_pem_private_key
    try:
        # Not checked, which takes a second for RSA each time: age uses it, or does not.
        public = load(data, None, unsafe_skip_rsa_key_validation=True).public_key()
        name = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        return Identity(name, pyrage.ssh.Identity.from_buffer(data))
    except TypeError:
        problem = "is an SSH key with a passphrase: store it without one (ssh-keygen -p)"
        raise _Unusable(problem) from None
    except (ValueError, UnsupportedAlgorithm, pyrage.IdentityError):
        raise _Unusable("is no SSH private key that age knows (ed25519 or rsa)") from None


DECRYPTOR = Decryptor(open=open_key, seal=seal_key, held=held)
