"""One value, encrypted: AES-256-GCM, bound to the path at which it stands.

Source: getsops/sops `aes/cipher.go`.
"""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Final

from engine.sops.error import SopsError
from engine.sops.tree import Moment, Value, to_bytes

PREFIX: Final = "ENC[AES256_GCM,"
_FORM: Final = re.compile(r"ENC\[AES256_GCM,data:([^,]+),iv:([^,]+),tag:([^,]+),type:([^,\]]+)\]")
"""No part has a comma; else a hostile text would be searched for hours."""
_COMMENT: Final = "comment"
_NONCE_BYTES: Final = 32
_TAG_BYTES: Final = 16
_KEY_BYTES: Final = (16, 24, 32)
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,19}")
_TRUE: Final = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE: Final = frozenset(("0", "f", "F", "FALSE", "false", "False"))

_ELSEWHERE: Final = (
    "it was not encrypted for this place with this file's data key: it was changed, or moved or "
    "copied here, or a name on its way was changed; encrypt it anew with sops"
)


class Cipher:
    """Encrypts and decrypts with one data key."""

    __slots__ = ("_aead", "_wrong")

    def __init__(self, data_key: bytes) -> None:
        """Raises SopsError if these bytes can be no data key."""
        if len(data_key) not in _KEY_BYTES:
            raise SopsError(f"a data key has 32 bytes, this one has {len(data_key)}")
        # Loaded with the first key: the library weighs 9 MB in each builder.
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._aead, self._wrong = AESGCM(data_key), InvalidTag

    def decrypt(self, text: str, bound: str) -> tuple[Value, bool]:
        """(the value, whether it is a comment); an empty text stands for itself.

        bound: what it was bound to when it was encrypted.  Raises SopsError, without the text.
        """
        if not text:
            return "", False
        data, nonce, tag, kind = _parts(text)
        try:
            plain = self._aead.decrypt(nonce, data + tag, bound.encode(errors="surrogateescape"))
        except self._wrong as error:
            raise SopsError(_ELSEWHERE) from error
        except ValueError as error:
            raise SopsError("its iv has a length that AES-GCM does not know") from error
        return _typed(plain, kind), kind == _COMMENT

    def encrypt(
        self,
        value: str | int | float | bool | bytes | Moment,
        bound: str,
        noise: Callable[[int], bytes],
        *,
        is_comment: bool = False,
    ) -> str:
        """The encrypted form; an empty string stands for itself.  noise: so many random bytes."""
        plain = to_bytes(value)
        if not plain:
            return ""
        nonce = noise(_NONCE_BYTES)
        sealed = self._aead.encrypt(nonce, plain, bound.encode(errors="surrogateescape"))
        data, tag = sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:]
        texts = (base64.b64encode(part).decode() for part in (data, nonce, tag))
        return "{}data:{},iv:{},tag:{},type:{}]".format(
            PREFIX, *texts, _COMMENT if is_comment else _kind(value)
        )


def _parts(text: str) -> tuple[bytes, bytes, bytes, str]:
    """(data, iv, tag, type) of the encrypted form."""
    found = _FORM.match(text)
    if not found:
        raise SopsError(
            "it is not encrypted although the file's rule says so: was it written in by hand or by "
            "a patch? encrypt it with sops"
        )
    try:
        data, nonce, tag = (base64.b64decode(found[i], validate=True) for i in (1, 2, 3))
    except (binascii.Error, ValueError) as error:
        raise SopsError("its encrypted form is not valid base64: was it cut or edited?") from error
    if len(tag) != _TAG_BYTES:
        raise SopsError(f"its tag has {len(tag)} bytes instead of {_TAG_BYTES}: was it cut?")
    return data, nonce, tag, found[4]


def _typed(plain: bytes, kind: str) -> Value:
    """The bytes as the value that they were.  Raises SopsError."""
    if kind in ("str", _COMMENT):
        return plain.decode(errors="surrogateescape")
    if kind == "bytes":
        return plain
    text = plain.decode(errors="replace")
    try:
        if kind == "int" and _INTEGER.fullmatch(text) and -(2**63) <= int(text) < 2**63:
            return int(text)
        if kind == "float":
            return float(text)
    except ValueError:  # its text is the value
        raise SopsError("it says to be a float and is none") from None
    if kind == "bool" and text in _TRUE | _FALSE:
        return text in _TRUE
    if kind == "time":
        return Moment(text)
    raise SopsError(f"it says to be of type {kind[:20]!r} and is not")


def _kind(value: str | int | float | bool | bytes | Moment) -> str:
    if isinstance(value, bool):
        return "bool"
    names: dict[type, str] = {str: "str", int: "int", float: "float", bytes: "bytes"}
    return names.get(type(value), "time")
