"""Asks Microsoft: which cloud is which, and bearer tokens from Entra ID.

Client secrets and assertions go to an authority only: Azure's own, the one that the operator set
(AZURE_AUTHORITY_HOST), or the one that stands beside the secret in the tenant's own Secret.
Source: Microsoft identity platform, OAuth 2.0 client credentials flow; azidentity's order.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from engine.cluster.outbound import DIRECT, Answer, Route
from engine.objects.armor import blocks_of
from engine.plugin import Context, Token, TokenUnavailable
from plugins.clouds.answers import Refused, check, document, seconds_in, text_in
from plugins.clouds.jwt import signed
from plugins.clouds.pkcs12 import as_pem
from plugins.clouds.private_keys import BadKey

PUBLIC = "https://login.microsoftonline.com/"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_HOUR = 3600.0
_DER = b"\x30"  # how a PKCS#12 file begins
_TENANT = re.compile(r"[\w.-]{1,100}")


@dataclass(frozen=True, slots=True)
class Cloud:
    """One of Microsoft's clouds."""

    authority: str
    manager: str
    """URL of Azure Resource Manager."""
    manager_audience: str


_CLOUDS = {
    "public": Cloud(PUBLIC, "https://management.azure.com", "https://management.core.windows.net"),
    "china": Cloud(
        "https://login.chinacloudapi.cn/",
        "https://management.chinacloudapi.cn",
        "https://management.core.chinacloudapi.cn",
    ),
    "government": Cloud(
        "https://login.microsoftonline.us/",
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net",
    ),
}
# {suffix of a key vault's host: the audience of its tokens}
_VAULTS = {
    ".vault.azure.net": "https://vault.azure.net",
    ".vault.azure.cn": "https://vault.azure.cn",
    ".vault.usgovcloudapi.net": "https://vault.usgovcloudapi.net",
    ".vault.microsoftazure.de": "https://vault.microsoftazure.de",
    ".managedhsm.azure.net": "https://managedhsm.azure.net",
    ".managedhsm.azure.cn": "https://managedhsm.azure.cn",
    ".managedhsm.usgovcloudapi.net": "https://managedhsm.usgovcloudapi.net",
}


def cloud_of(environ: Mapping[str, str]) -> Cloud:
    """The cloud of the operator's authority."""
    authority = environ.get("AZURE_AUTHORITY_HOST", "")
    if "chinacloudapi.cn" in authority:
        return _CLOUDS["china"]
    return _CLOUDS["government" if "microsoftonline.us" in authority else "public"]


def vault_audience(url: str, ctx: Context) -> str:
    """The audience of tokens for a key vault.  Raises Refused if its host is nobody's we know."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    name, dot, rest = host.partition(".")
    is_plain = parts.scheme == "https" and parts.netloc.lower() == host
    if is_plain and re.fullmatch(r"[a-z0-9-]{1,60}", name):
        if audience := _VAULTS.get(dot + rest):
            return audience
        for suffix in ctx.settings.azure_vault_suffixes:
            if (dot + rest).endswith("." + suffix.lower().strip(".")):
                return "https://" + suffix.strip(".")
    raise Refused(
        0,
        f"'{url}' is no key vault of Azure: our token is not sent there; name its suffix in "
        "--azure-vault-suffixes if it is one",
    )


async def by_secret(
    app: "Application", secret: str, audience: str, ctx: Context, route: Route = DIRECT
) -> Token:
    """The token of an application that has a password.  Raises Refused, Unanswered, ..."""
    return await _granted(app, {"client_secret": secret}, audience, ctx, route)


async def by_assertion(
    app: "Application", assertion: str, audience: str, ctx: Context, route: Route = DIRECT
) -> Token:
    """The token of an application that trusts who signed the assertion.  Raises Refused, ..."""
    proof = {"client_assertion_type": _ASSERTION, "client_assertion": assertion}
    return await _granted(app, proof, audience, ctx, route)


async def by_certificate(
    app: "Application", content: bytes, password: bytes, audience: str, ctx: Context
) -> Token:
    """The token of an application that has a certificate.

    content: PEM of both, key and it; or PKCS#12, also in base64 where no bytes can stand.
    Raises TokenUnavailable, Refused, Unanswered.
    """
    blocks = list(blocks_of(content))
    if not blocks and (packed := _packed(content)):
        blocks, password = list(blocks_of(await _unpacked(packed, password, app, ctx))), b""
    key = next((block for name, block in blocks if name.endswith(b"PRIVATE KEY")), None)
    certificates = [block for name, block in blocks if name == b"CERTIFICATE"]
    if key is None or not certificates:
        raise TokenUnavailable(
            f"application '{app.client}': the certificate must be PEM or PKCS#12, with its private "
            "key"
        )
    now = int(ctx.clock.wall())
    claims = {
        "aud": app.token_url,
        "iss": app.client,
        "sub": app.client,
        "jti": str(uuid4()),
        "nbf": now - 60,
        "exp": now + 600,
    }
    header: dict[str, object] = {"x5t": _thumbprint(certificates[0], app)}
    if app.sends_chain:
        header["x5c"] = [base64.b64encode(_der(each, app)).decode() for each in certificates]
    try:
        assertion = await signed(claims, key, header=header, password=password)
    except BadKey as error:
        raise TokenUnavailable(f"application '{app.client}': {error}") from error
    return await by_assertion(app, assertion, audience, ctx)


def _packed(content: bytes) -> bytes:
    """The PKCS#12 file that it is, b"" if it is none."""
    try:
        found = content if content[:1] == _DER else base64.b64decode(content, validate=False)
    except ValueError:
        return b""
    return found if found[:1] == _DER else b""


async def _unpacked(content: bytes, password: bytes, app: "Application", ctx: Context) -> bytes:
    try:
        return await as_pem(content, password, ctx)
    except BadKey as error:
        raise TokenUnavailable(f"application '{app.client}': {error}") from error


def _der(pem: bytes, app: "Application") -> bytes:
    try:
        return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    except ValueError:
        raise TokenUnavailable(f"application '{app.client}': the certificate is damaged") from None


def _thumbprint(pem: bytes, app: "Application") -> str:
    """SHA-1 of the certificate, by which Entra ID finds it (no signature rests on it)."""
    certificate = x509.load_der_x509_certificate(_der(pem, app))
    digest = certificate.fingerprint(hashes.SHA1())  # noqa: S303 - the protocol's, as said above
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Application:
    """An identity at Entra ID, and who vouches for it."""

    tenant: str
    client: str
    authority: str = PUBLIC
    sends_chain: bool = False
    is_guarded: bool = False  #: a tenant named the authority

    @property
    def token_url(self) -> str:
        """Where its tokens are asked for.  Raises TokenUnavailable."""
        parts = urlsplit(self.authority)
        if parts.scheme != "https" or not parts.hostname or parts.username or parts.query:
            raise TokenUnavailable(f"authority host '{self.authority}' is no https URL")
        if not _TENANT.fullmatch(self.tenant):
            raise TokenUnavailable(f"'{self.tenant}' is no tenant id of Azure")
        return f"{self.authority.rstrip('/')}/{self.tenant}/oauth2/v2.0/token"


async def _granted(
    app: Application, proof: Mapping[str, str], audience: str, ctx: Context, route: Route
) -> Token:
    form = {
        "grant_type": "client_credentials",
        "client_id": app.client,
        "scope": f"{audience}/.default",
        **proof,
    }
    if app.is_guarded:
        route = Route(route.proxy, route.ca, is_guarded=True)
    at, body = ctx.clock.wall(), urlencode(form).encode()
    answer = await ctx.http.send("POST", app.token_url, headers=_FORM, body=body, route=route)
    what = f"Entra ID, for application '{app.client}' of tenant '{app.tenant}'"
    check(answer, what, tuple(proof.values()))
    return token_in(answer, what, at)


def token_in(answer: Answer, what: str, at: float) -> Token:
    """The bearer token of an answer.  at: when it was asked for.  Raises Refused."""
    body = document(answer, what)
    lasting = seconds_in(body, "expires_in", what, _HOUR)
    return Token(secret=text_in(body, "access_token", what), expires_at=at + lasting)
