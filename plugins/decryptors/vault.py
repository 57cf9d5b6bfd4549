"""HashiCorp Vault and OpenBao: data keys that a key of their transit engine opens.

Which credential goes where: a tenant's own token (`sops.vault-token`) goes where the tenant's file
says, but never to this machine or its link; a service account's token goes only to a Vault that the
operator's ConfigMap lists, with that Vault as audience.  The engine's environment (VAULT_TOKEN) is
not used: any file could send it anywhere.
Source: getsops/sops hcvault/keysource.go; kustomize-controller internal/decryptor (vaultLogin).
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import anyio
import orjson

from engine.cluster import ApiError
from engine.cluster.outbound import Route, Unanswered
from engine.objects.manifests import ManifestError, load
from engine.plugin import (
    Context,
    Decryptor,
    KeyRing,
    KeyUnavailable,
    Purpose,
    Scope,
    Token,
    TokenUnavailable,
)
from engine.sops.metadata import MasterKey
from plugins.clouds.answers import Refused, check, document, text_in
from plugins.clouds.caller import none_held
from plugins.clouds.jwt import claims_of

STATIC = "sops.vault-token"
"""Key of a decryption Secret with a token."""
_URL = re.compile(r"(https?://[^/?#@\s]+)/v1/((?:[\w.-]+/)*[\w.-]+)/keys/([\w.-]+)")
_LOGIN_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*")
_LONGEST = 375.0  # seconds; 80 % are used: five minutes after which a revoked one is replaced
_SUBJECT = "system:serviceaccount:"


async def open_key(key: MasterKey, ring: KeyRing, ctx: Context) -> bytes:
    """The data key.  Raises KeyUnavailable."""
    text = await _asked("decrypt", key.recipient, {"ciphertext": key.encrypted}, ring, ctx)
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:  # also where it is not ASCII
        raise KeyUnavailable(f"Vault key '{key.recipient}': the answer is no base64") from None


async def seal_key(data_key: bytes, recipient: str, ring: KeyRing, ctx: Context) -> MasterKey:
    """The data key sealed for `<address>/v1/<engine>/keys/<name>`.  Raises KeyUnavailable."""
    body = {"plaintext": base64.b64encode(data_key).decode()}
    sealed = await _asked("encrypt", recipient, body, ring, ctx)
    address, engine, name = parts_of(recipient)
    attributes = {"vault_address": address, "engine_path": engine, "key_name": name}
    return MasterKey("hc_vault", recipient, sealed, attributes)


def parts_of(url: str) -> tuple[str, str, str]:
    """(address, engine path, name) of a transit key.  Raises KeyUnavailable."""
    match = _URL.fullmatch(url.strip())
    if match is None or ".." in url:
        raise KeyUnavailable(
            f"Vault key '{url}' is none: it reads https://<host>:<port>/v1/transit/keys/<name>"
        )
    return match[1], match[2], match[3]


async def _asked(verb: str, url: str, body: Mapping[str, str], ring: KeyRing, ctx: Context) -> str:
    """The one field that Vault makes of the one field of `body`."""
    address, engine, name = parts_of(url)
    who, wanted = _who(ring), "plaintext" if verb == "decrypt" else "ciphertext"
    path = f"{engine}/{verb}/{name}"
    try:
        token, route = await _token(address, ring, ctx)
        data = (await _written(f"{address}/v1/{path}", body, token, route, ctx)).get("data")
        return text_in(data if isinstance(data, dict) else {}, wanted, f"Vault {verb}")
    except (Refused, Unanswered, TokenUnavailable) as error:
        hint = ""
        if isinstance(error, Refused) and error.status == 403:
            hint = f": is the token good, and has its policy 'update' on '{path}'?"
        raise KeyUnavailable(f"Vault key '{url}', asked as {who}: {error}{hint}") from error


def _who(ring: KeyRing) -> str:
    if STATIC in ring.values:
        return f"'{STATIC}' of the decryption Secret"
    if ring.account is not None:
        return f"service account '{ring.account.namespace}/{ring.account.name}'"
    return "the engine's own service account"


async def _route(address: str, ctx: Context) -> Route:
    """Open to what the operator allowed by name, guarded to all else.  Raises Refused."""
    allowed = ctx.settings.sops_vault_addresses
    if _same(address) in map(_same, allowed):
        return Route(ca=await _authority(ctx))
    if allowed:
        raise Refused(0, f"'{address}' is none of --sops-vault-addresses ({', '.join(allowed)})")
    return Route(ca=await _authority(ctx), is_guarded=True)


async def _authority(ctx: Context) -> bytes:
    """The authorities that the operator trusts with Vaults.  Raises TokenUnavailable."""
    path = ctx.environ.get("VAULT_CACERT")
    if not path:
        return ctx.environ.get("VAULT_CACERT_BYTES", "").encode()
    try:
        return await anyio.Path(path).read_bytes()
    except OSError as error:
        raise TokenUnavailable(f"VAULT_CACERT '{path}': {error.strerror}") from error


def _same(address: str) -> str:
    """What two spellings of an address have in common."""
    parts = urlsplit(address)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        port = 0
    return f"{parts.scheme}://{parts.hostname}:{port}"


async def _token(address: str, ring: KeyRing, ctx: Context) -> tuple[str, Route]:
    """The Vault token, and how it may travel: the Secret's, else that of a login.

    Raises TokenUnavailable, Refused, Unanswered.
    """
    if STATIC in ring.values:
        text = ring.values[STATIC].decode(errors="replace").strip()
        if not text or not text.isprintable():
            raise TokenUnavailable(f"'{STATIC}' of the decryption Secret is no token")
        return text, await _route(address, ctx)
    path = await _login_path(address, ctx)
    scope = Scope(Purpose.KEYS, address, audiences=(address,))
    proof = await ctx.token("generic", ring.account, scope)

    route = Route(ca=await _authority(ctx))  # the ConfigMap names this very address

    async def login() -> Token:
        return await _logged_in(address, path, proof.secret, route, ctx)

    # Of the very proof: who gets no token of the account gets none of Vault's either.
    key = "vault", address, path, hashlib.sha256(proof.secret.encode()).digest()
    kept = await ctx.kept(key, Purpose.KEYS.operation("generic"), login)
    return kept.secret, route


async def _login_path(address: str, ctx: Context) -> str:
    """Where the operator's ConfigMap says to log in.  Raises TokenUnavailable."""
    named = ctx.settings.sops_vault_configmap
    namespace, _, name = named.partition("/")
    if not name:
        raise TokenUnavailable(
            f"there is no '{STATIC}' in a decryption Secret, and no --sops-vault-configmap, by "
            "which service accounts could log in"
        )
    paths = await ctx.recent(("vault logins", named), partial(_configured, namespace, name, ctx))
    path = paths.get(address, "").strip("/")
    if not _LOGIN_PATH.fullmatch(path) or ".." in path:
        raise TokenUnavailable(
            f"no Vault login path configured for address '{address}' in ConfigMap '{named}': add "
            "it under 'instances' of key 'config.yaml', with address and loginPath"
        )
    return path


async def _configured(namespace: str, name: str, ctx: Context) -> dict[str, str]:
    """{address: login path} of the ConfigMap.  Raises TokenUnavailable."""
    named = f"{namespace}/{name}"
    try:
        resource = await ctx.client.resource("v1", "ConfigMap")
        found = await ctx.client.get(resource, namespace, name)
    except ApiError as error:
        raise TokenUnavailable(f"ConfigMap '{named}' cannot be read: {error}") from error
    if found is None:
        raise TokenUnavailable(f"ConfigMap '{named}' (--sops-vault-configmap) does not exist")
    return _login_paths((found.get("data") or {}).get("config.yaml"), named)


def _login_paths(text: str | None, named: str) -> dict[str, str]:
    """{address: login path}.  Raises TokenUnavailable."""
    try:
        instances = load(text or "")["instances"]
        return {str(each["address"]): str(each["loginPath"]) for each in instances}
    except (ManifestError, KeyError, TypeError) as error:
        raise TokenUnavailable(
            f"key 'config.yaml' of ConfigMap '{named}' must be YAML with a list 'instances' of "
            "address and loginPath"
        ) from error


async def _logged_in(address: str, path: str, proof: str, route: Route, ctx: Context) -> Token:
    """The token that Vault gives a service account, as role `<namespace>_<name>`."""
    subject = str(claims_of(proof).get("sub", ""))
    namespace, _, name = subject.removeprefix(_SUBJECT).partition(":")
    if not subject.startswith(_SUBJECT) or not name:
        raise TokenUnavailable("the token of the service account does not say whose it is")
    role, at = f"{namespace}_{name}", ctx.clock.wall()
    try:
        answer = await _written(
            f"{address}/v1/{path}", {"role": role, "jwt": proof}, "", route, ctx
        )
        auth = answer.get("auth")
        found = auth if isinstance(auth, dict) else {}
        secret = text_in(found, "client_token", "Vault login")
    except (Refused, Unanswered) as error:
        raise TokenUnavailable(
            f"failed to authenticate with Vault '{address}' at login path '{path}' as role "
            f"'{role}': {error}"
        ) from error
    seconds = found.get("lease_duration")
    lasting = float(seconds) if isinstance(seconds, int | float) and seconds > 0 else _LONGEST
    return Token(secret=secret, expires_at=at + min(lasting, _LONGEST))


async def _written(
    url: str, body: Mapping[str, Any], token: str, route: Route, ctx: Context
) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "X-Vault-Request": "true"}
    if token:
        headers["X-Vault-Token"] = token
    if namespace := ctx.environ.get("VAULT_NAMESPACE"):  # the operator's, as Vault's own clients
        headers["X-Vault-Namespace"] = namespace
    answer = await ctx.http.send("PUT", url, headers=headers, body=orjson.dumps(body), route=route)
    what = f"Vault '{urlsplit(url).netloc}'"
    check(answer, what, (token, str(body.get("jwt", ""))))
    return document(answer, what)


DECRYPTOR = Decryptor(open=open_key, seal=seal_key, held=none_held)
