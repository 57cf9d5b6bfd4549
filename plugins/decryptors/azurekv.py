"""Azure Key Vault: data keys that a key of Microsoft's service opens.

The token goes to hosts of Microsoft's vaults only, or to those that the operator allowed.
Source: getsops/sops azkv/keysource.go; Key Vault REST API 7.4, encrypt, decrypt and get key.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any

from engine.cluster.outbound import Unanswered
from engine.plugin import Context, Decryptor, KeyRing, KeyUnavailable, TokenUnavailable
from engine.sops.metadata import MasterKey
from plugins.clouds.answers import Refused, text_in
from plugins.clouds.caller import Caller, is_forbidden, none_held
from plugins.clouds.jwt import encoded

STATIC = "sops.azure-kv"
_URL = re.compile(r"(https://[A-Za-z0-9.-]+)/keys/([0-9A-Za-z-]{1,127})(?:/([0-9A-Za-z]{1,64})?)?")
_VERSION = "7.4"  # of the API
_ALGORITHM = "RSA-OAEP-256"


async def open_key(key: MasterKey, ring: KeyRing, ctx: Context) -> bytes:
    """The data key.  Raises KeyUnavailable."""
    vault, name, version = parts_of(key.recipient)
    body = {"alg": _ALGORITHM, "value": key.encrypted.strip().rstrip("=")}
    path = f"keys/{name}/{version}/decrypt" if version else f"keys/{name}/decrypt"
    answer = await _asked(Caller.of(ring, STATIC, ctx), "decrypt", vault, path, body)
    return _value(answer, key.recipient)


async def seal_key(data_key: bytes, recipient: str, ring: KeyRing, ctx: Context) -> MasterKey:
    """The data key sealed for `<vault>/keys/<name>/<version>`; without a version, for the newest.

    Raises KeyUnavailable.
    """
    vault, name, version = parts_of(recipient)
    caller = Caller.of(ring, STATIC, ctx)
    if not version:
        found = await _asked(caller, "get", vault, f"keys/{name}")
        version = parts_of(str((found.get("key") or {}).get("kid", "")))[2]
    url = f"{vault}/keys/{name}/{version}"
    body = {"alg": _ALGORITHM, "value": encoded(data_key)}
    answer = await _asked(caller, "encrypt", vault, f"keys/{name}/{version}/encrypt", body)
    attributes = {"vault_url": vault, "name": name, "version": version}
    return MasterKey("azure_kv", url, encoded(_value(answer, url)), attributes)


def parts_of(url: str) -> tuple[str, str, str]:
    """(vault, name, version or "") of a key's URL.  Raises KeyUnavailable."""
    match = _URL.fullmatch(url.strip().replace("//keys/", "/keys/"))
    if match is None:
        raise KeyUnavailable(
            f"Azure Key Vault key '{url}' is none: it reads "
            "https://<vault>.vault.azure.net/keys/<name>/<version>"
        )
    return match[1], match[2], match[3] or ""


def _value(answer: Mapping[str, Any], url: str) -> bytes:
    try:
        text = text_in(answer, "value", f"Azure Key Vault key '{url}'")
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Refused, ValueError) as error:  # a ValueError: no base64, or not even ASCII
        raise KeyUnavailable(f"Azure Key Vault key '{url}': {error}") from error


async def _asked(
    caller: Caller, verb: str, vault: str, path: str, body: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The answer of a vault; body: None asks by GET."""
    url = f"{vault}/{path}?api-version={_VERSION}"
    try:
        return await caller.answer("azure", vault, url, body, f"Azure Key Vault {verb}")
    except (Refused, Unanswered, TokenUnavailable) as error:
        hint = ""
        if is_forbidden(error):
            hint = f": grant the key permission '{verb}' on '{vault}' to {caller.name}"
        key = f"{vault}/{path.removesuffix('/' + verb)}"
        raise KeyUnavailable(
            f"Azure Key Vault key '{key}', asked as {caller.name}: {error}{hint}"
        ) from error


DECRYPTOR = Decryptor(open=open_key, seal=seal_key, held=none_held)
