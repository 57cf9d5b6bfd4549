"""Check SSH signatures, as `ssh-keygen -Y sign -n git` makes them.

Source: openssh PROTOCOL.sshsig and PROTOCOL.u2f, RFC 5656, RFC 8332, RFC 8709;
fluxcd/pkg git/signature/ssh_signature.go.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from engine.source.signed import Signed, Unverified

_NAMESPACE = b"git"
_MAGIC = b"SSHSIG"
_HASHES: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"sha256": lambda data: hashlib.sha256(data).digest(),
    b"sha512": lambda data: hashlib.sha512(data).digest(),
}
_CURVES: Mapping[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    "nistp256": (ec.SECP256R1(), hashes.SHA256()),
    "nistp384": (ec.SECP384R1(), hashes.SHA384()),
    "nistp521": (ec.SECP521R1(), hashes.SHA512()),
}
_RSA_HASHES: Mapping[bytes, hashes.HashAlgorithm] = {
    b"rsa-sha2-256": hashes.SHA256(),
    b"rsa-sha2-512": hashes.SHA512(),
}
_LIMITING = ("cert-authority", "namespaces=", "valid-after=", "valid-before=")


class _Reader:
    """Reads SSH's strings and numbers, RFC 4251.  Raises Unverified where they end too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) != size:
            raise Unverified("it is cut off")
        self._at += size
        return taken

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def integer(self) -> int:
        return int.from_bytes(self.string(), "big", signed=True)

    def rest(self) -> bytes:
        return self._data[self._at :]


@dataclass(frozen=True, slots=True)
class _Signature:
    """What stands in the armour."""

    key: bytes
    namespace: bytes
    algorithm: bytes
    content: bytes


def verified_ssh(signed: Signed, texts: Sequence[bytes]) -> str:
    """The fingerprint of the key that signed, `SHA256:...`.  Raises Unverified.

    texts: keys as in `authorized_keys`; of each text one line that cannot be read spoils all.
    """
    keys, problems = _keys(texts)
    if problems and not keys:
        raise Unverified(f"unable to parse authorized keys: {problems[0]}")
    try:
        signature = _unarmored(signed.signature)
    except (Unverified, ValueError) as error:
        raise Unverified(f"unable to unarmor SSH signature: {error}") from error
    failed = "unable to verify payload with any of the given authorized keys: no matching key"
    name = fingerprint(signature.key)
    if signature.key not in keys:
        trusted = ", ".join(fingerprint(key) for key in keys[:10])
        raise Unverified(f"{failed} (it is by {name}, trusted are {trusted})")
    try:
        _check(signature, signed.payload)
    except (Unverified, InvalidSignature, ValueError) as error:
        why = str(error) or "the content is not what was signed"
        raise Unverified(f"{failed} ({name}: {why})") from error
    return name


def fingerprint(key: bytes) -> str:
    """How `ssh-keygen -l` shows a key."""
    digest = hashlib.sha256(key).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _keys(texts: Sequence[bytes]) -> tuple[list[bytes], list[str]]:
    """The keys in the texts, and what is wrong with texts that cannot be read."""
    found: list[bytes] = []
    problems: list[str] = []
    for text in texts:
        try:
            lines = [line.strip() for line in text.splitlines()]
            found += [_key(line) for line in lines if line and not line.startswith(b"#")]
        except Unverified as problem:
            problems.append(str(problem))
    if not found and not problems:
        problems.append("there is no key in them")
    return found, problems


def _key(line: bytes) -> bytes:
    """The key of a line: options or names may stand before its type, a comment after it."""
    words = line.split()
    for number, (kind, text) in enumerate(pairwise(words)):
        try:
            key = base64.b64decode(text, validate=True)
            is_key = _Reader(key).string() == kind
        except (binascii.Error, Unverified):
            continue
        if is_key:
            _check_options(b" ".join(words[:number]).decode("utf-8", "replace"))
            return key
    raise Unverified(f"the line {line[:60].decode('utf-8', 'replace')!r} holds no SSH public key")


def _check_options(options: str) -> None:
    """Raises Unverified for an option that limits the trust: it would have to be obeyed."""
    for option in _LIMITING:
        if option in options.replace('namespaces="git"', ""):
            raise Unverified(
                f"the option {option.rstrip('=')!r} limits a key and is not supported: "
                "remove the option, or the key"
            )


def _unarmored(text: bytes) -> _Signature:
    lines = [line.strip() for line in text.splitlines()]
    if lines[-1:] != [b"-----END SSH SIGNATURE-----"]:
        raise Unverified("its end is missing")
    reader = _Reader(base64.b64decode(b"".join(lines[1:-1]), validate=True))
    if reader.take(6) != _MAGIC or reader.number() != 1:
        raise Unverified("it is of no known version")
    key, namespace, _, algorithm, content = (reader.string() for _ in range(5))
    if reader.rest():
        raise Unverified("something follows its end")
    return _Signature(key, namespace, algorithm, content)


def _check(signature: _Signature, payload: bytes) -> None:
    """Raises Unverified, InvalidSignature or ValueError unless the signature is good."""
    if signature.namespace != _NAMESPACE:
        raise Unverified(f"it was made for {signature.namespace[:60]!r}, not for Git")
    digest = _HASHES.get(signature.algorithm)
    if digest is None:
        raise Unverified(f"unsupported hash algorithm {signature.algorithm[:60]!r}")
    parts = (_NAMESPACE, b"", signature.algorithm, digest(payload))
    message = _MAGIC + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    _check_key(_Reader(signature.key), _Reader(signature.content), message)


def _check_key(key: _Reader, content: _Reader, message: bytes) -> None:
    kind, algorithm, value = key.string(), content.string(), content.string()
    name = kind.decode("ascii", "replace")
    if kind != b"ssh-rsa" and algorithm != kind:
        raise Unverified(f"a key of type {name!r} makes no signature of type {algorithm[:60]!r}")
    if name == "ssh-ed25519":
        _check_ed25519(key.string(), value, message)
    elif name == "ssh-rsa":
        _check_rsa(key, algorithm, value, message)
    elif name.startswith("ecdsa-sha2-"):
        _check_ecdsa(key.string(), key.string(), value, message)
    elif name == "sk-ssh-ed25519@openssh.com":
        point = key.string()
        _check_ed25519(point, value, _of_token(key, content, message))
    elif name == "sk-ecdsa-sha2-nistp256@openssh.com":
        curve, point = key.string(), key.string()
        _check_ecdsa(curve, point, value, _of_token(key, content, message))
    else:
        raise Unverified(f"keys of type {name!r} are not supported")


def _check_ed25519(point: bytes, value: bytes, message: bytes) -> None:
    ed25519.Ed25519PublicKey.from_public_bytes(point).verify(value, message)


def _check_rsa(key: _Reader, algorithm: bytes, value: bytes, message: bytes) -> None:
    digest = _RSA_HASHES.get(algorithm)
    if digest is None:  # `ssh-rsa` itself is SHA-1
        raise Unverified(f"RSA signatures of type {algorithm[:60]!r} are not supported")
    exponent, modulus = key.integer(), key.integer()
    public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    public.verify(value, message, padding.PKCS1v15(), digest)


def _check_ecdsa(curve: bytes, point: bytes, value: bytes, message: bytes) -> None:
    found = _CURVES.get(curve.decode("ascii", "replace"))
    if found is None:
        raise Unverified(f"the curve {curve[:60]!r} is not supported")
    public = ec.EllipticCurvePublicKey.from_encoded_point(found[0], point)
    numbers = _Reader(value)
    signature = encode_dss_signature(numbers.integer(), numbers.integer())
    public.verify(signature, message, ec.ECDSA(found[1]))


def _of_token(key: _Reader, content: _Reader, message: bytes) -> bytes:
    """What a hardware token signs: its application, flags, a counter, and the message's hash."""
    application = hashlib.sha256(key.string()).digest()
    flags, counter = content.take(1), content.take(4)
    if not flags[0] & 1:
        raise Unverified("nobody touched the token")
    return application + flags + counter + hashlib.sha256(message).digest()
