"""AWS KMS: data keys that a key of Amazon's service opens.

Nothing secret travels but the sealed data key; requests are signed, to Amazon's hosts only.
Source: getsops/sops kms/keysource.go; KMS API reference, Encrypt and Decrypt.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any

from engine.cluster.outbound import Unanswered
from engine.plugin import Context, Decryptor, KeyRing, KeyUnavailable, Token, TokenUnavailable
from engine.sops.metadata import MasterKey
from plugins.clouds import aws
from plugins.clouds.answers import Refused, text_in
from plugins.clouds.caller import Caller, none_held
from plugins.clouds.sigv4 import Signer

STATIC = "sops.aws-kms"
_ARN = re.compile(rf"arn:aws[\w-]*:kms:{aws.REGION}:[0-9]+:(?:key|alias)/[\w/-]{{1,256}}")


async def open_key(key: MasterKey, ring: KeyRing, ctx: Context) -> bytes:
    """The data key.  Raises KeyUnavailable."""
    try:
        sealed = base64.b64decode(key.encrypted, validate=True)
    except ValueError:  # also where it is not ASCII
        raise KeyUnavailable(f"AWS KMS key '{key.recipient}': the data key is no base64") from None
    arn, role = parts_of(key.recipient)
    body: dict[str, Any] = {"KeyId": arn, "CiphertextBlob": base64.b64encode(sealed).decode()}
    if key.context:
        body["EncryptionContext"] = dict(key.context)
    caller = Caller.of(ring, STATIC, ctx)
    return await _asked(caller, "Decrypt", body, key.attributes.get("role") or role)


async def seal_key(data_key: bytes, recipient: str, ring: KeyRing, ctx: Context) -> MasterKey:
    """The data key sealed for `<ARN>[+<ARN of a role>][|<key>:<value>,...]`, as sops writes it.

    What comes behind the bar is the encryption context.  Raises KeyUnavailable.
    """
    named, _, text = recipient.partition("|")
    arn, role = parts_of(named)
    context = _context(text, arn)
    body: dict[str, Any] = {"KeyId": arn, "Plaintext": base64.b64encode(data_key).decode()}
    if context:
        body["EncryptionContext"] = context
    sealed = await _asked(Caller.of(ring, STATIC, ctx), "Encrypt", body, role)
    attributes = {"role": role} if role else {}
    return MasterKey("kms", arn, base64.b64encode(sealed).decode(), attributes, context)


def _context(text: str, arn: str) -> dict[str, str]:
    """What stands in `<key>:<value>,...`; a value may have colons.  Raises KeyUnavailable."""
    pairs = [each.partition(":") for each in text.split(",") if each]
    if not all(key and colon for key, colon, _ in pairs):
        raise KeyUnavailable(
            f"AWS KMS key '{arn}': its encryption context reads <key>:<value>,<key>:<value>"
        )
    return {key: value for key, _, value in pairs}


def parts_of(recipient: str) -> tuple[str, str]:
    """(ARN of the key, ARN of the role to assume first or "").  Raises KeyUnavailable."""
    arn, plus, role = recipient.replace(" ", "").partition("+arn:")
    if not _ARN.fullmatch(arn):
        raise KeyUnavailable(
            f"AWS KMS key '{arn}' is none: it reads arn:aws:kms:<region>:<account>:key/<id>"
        )
    return arn, f"arn:{role}" if plus else ""


async def _asked(caller: Caller, action: str, body: Mapping[str, Any], role: str) -> bytes:
    """What KMS makes of the request.  role: to assume first, "" for none."""
    arn, wanted = str(body["KeyId"]), "Plaintext" if action == "Decrypt" else "CiphertextBlob"
    who = f"{caller.name} through role '{role}'" if role else caller.name
    token: Token | None = None
    try:
        token = await caller.token("aws", aws.regional(arn), role)
        place = aws.place_of(arn)
        signer = Signer(aws.credentials_of(token), "kms", place.region)
        answer = await aws.call(f"TrentService.{action}", body, signer, place, caller.ctx)
        return base64.b64decode(text_in(answer, wanted, f"AWS KMS {action}"), validate=True)
    except (Refused, Unanswered, TokenUnavailable, ValueError) as error:
        if token is not None:
            caller.refused(token, error)
        hint = _hint(str(error), action, arn, who)
        raise KeyUnavailable(f"AWS KMS key '{arn}', asked as {who}: {error}{hint}") from error


def _hint(text: str, action: str, arn: str, who: str) -> str:
    if "AccessDenied" in text:
        return f": grant kms:{action} on '{arn}' to {who}"
    if "InvalidCiphertext" in text:
        return ": the data key was sealed for another key, or with another encryption context"
    return ""


DECRYPTOR = Decryptor(open=open_key, seal=seal_key, held=none_held)
