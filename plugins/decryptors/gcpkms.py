"""Google Cloud KMS: data keys that a key of Google's service opens.

The token goes to cloudkms.googleapis.com only.
Source: getsops/sops gcpkms/keysource.go; Cloud KMS REST reference, cryptoKeys.encrypt and decrypt.
"""

import base64
import re
from collections.abc import Mapping

from engine.cluster.outbound import Unanswered
from engine.plugin import Context, Decryptor, KeyRing, KeyUnavailable, TokenUnavailable
from engine.sops.metadata import MasterKey
from plugins.clouds.answers import Refused, text_in
from plugins.clouds.caller import Caller, is_forbidden, none_held

STATIC = "sops.gcp-kms"
_PART = r"[\w.:~%-]{1,128}"
_NAME = re.compile(rf"projects/{_PART}/locations/{_PART}/keyRings/{_PART}/cryptoKeys/{_PART}")
_HOST = "https://cloudkms.googleapis.com/v1"


async def open_key(key: MasterKey, ring: KeyRing, ctx: Context) -> bytes:
    """The data key.  Raises KeyUnavailable."""
    caller = Caller.of(ring, STATIC, ctx)
    return await _asked(caller, "decrypt", key.recipient, {"ciphertext": key.encrypted.strip()})


async def seal_key(data_key: bytes, recipient: str, ring: KeyRing, ctx: Context) -> MasterKey:
    """The data key sealed for a resource id.  Raises KeyUnavailable."""
    name = recipient.replace(" ", "")
    body = {"plaintext": base64.b64encode(data_key).decode()}
    sealed = await _asked(Caller.of(ring, STATIC, ctx), "encrypt", name, body)
    return MasterKey("gcp_kms", name, base64.b64encode(sealed).decode())


async def _asked(caller: Caller, verb: str, name: str, body: Mapping[str, str]) -> bytes:
    """What Cloud KMS makes of the one field of `body`, decoded."""
    if not _NAME.fullmatch(name):
        raise KeyUnavailable(
            f"GCP KMS key '{name}' is none: it reads projects/<project>/locations/<location>/"
            "keyRings/<ring>/cryptoKeys/<key>"
        )
    what, wanted = f"GCP KMS {verb}", "plaintext" if verb == "decrypt" else "ciphertext"
    try:
        answer = await caller.answer("gcp", "", f"{_HOST}/{name}:{verb}", body, what)
        return base64.b64decode(text_in(answer, wanted, what), validate=True)
    except (Refused, Unanswered, TokenUnavailable, ValueError) as error:
        hint = ""
        if is_forbidden(error):
            permission = f"cloudkms.cryptoKeyVersions.useTo{verb.capitalize()}"
            hint = f": grant {permission} on '{name}' to {caller.name}"
        raise KeyUnavailable(
            f"GCP KMS key '{name}', asked as {caller.name}: {error}{hint}"
        ) from error


DECRYPTOR = Decryptor(open=open_key, seal=seal_key, held=none_held)
