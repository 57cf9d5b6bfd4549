"""Entra ID, Key Vault, AKS and the managed identity of a machine.

Source: Microsoft identity platform (client credentials, certificate credentials), Key Vault REST
API 7.4, AKS REST API, Azure Instance Metadata Service.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.clouds.authority import self_signed
from tests.support.clouds.kubernetes import of_cluster, verified
from tests.support.clouds.world import Received, Refusal, World

TENANT, CLIENT = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
VAULT = "https://fleet.vault.azure.net"
KEY = f"{VAULT}/keys/sops/0123456789abcdef0123456789abcdef"
CLUSTER = (
    "/subscriptions/33333333-3333-3333-3333-333333333333/resourceGroups/shop/providers/"
    "Microsoft.ContainerService/managedClusters/prod"
)
_JWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class Microsoft:
    """One tenant.  `tokens`: (audience, holder) of each token."""

    clouds: World
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    allowed: set[str] = field(default_factory=lambda: {CLIENT})

    def __post_init__(self) -> None:
        self.clouds.serve("login.microsoftonline.com", self.entra)
        self.clouds.serve("fleet.vault.azure.net", self.vault)
        self.clouds.serve("management.azure.com", self.manager)
        self.clouds.serve("machine.test", self.machine)

    async def entra(self, request: Received) -> web.Response:
        assert request.path == f"/{TENANT}/oauth2/v2.0/token"
        form, now = request.form(), self.clouds.clock.wall()
        assert form["grant_type"] == "client_credentials"
        if form["client_id"] != CLIENT:
            raise Refusal(
                400, {"error": "unauthorized_client", "error_description": "AADSTS700016"}
            )
        if "client_secret" in form:
            if form["client_secret"] != "client-secret~1":
                text = f"AADSTS7000215: Invalid client secret {form['client_secret']} provided."
                raise Refusal(401, {"error": "invalid_client", "error_description": text})
        else:
            assert form["client_assertion_type"] == _JWT
            self._check_assertion(form["client_assertion"], now)
        assert form["scope"].endswith("/.default")
        return self._given(form["scope"].removesuffix("/.default"), CLIENT)

    def _check_assertion(self, assertion: str, now: float) -> None:
        certificate, key = self_signed("app")
        der = x509.load_pem_x509_certificate(certificate).public_bytes(Encoding.DER)
        digest = hashlib.sha1(der, usedforsecurity=False).digest()
        try:
            header, claims = verified(assertion, key, now)
        except ValueError:
            claims = of_cluster(assertion, now)
            assert claims["aud"] == ["api://AzureADTokenExchange"]
            assert claims["sub"] == "system:serviceaccount:apps:app"
            return
        assert header["x5t"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if "x5c" in header:
            assert header["x5c"] == [base64.b64encode(der).decode()]
        url = f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"
        assert (claims["aud"], claims["iss"], claims["sub"]) == (url, CLIENT, CLIENT)
        assert claims["nbf"] <= now

    async def vault(self, request: Received) -> web.Response:
        self._holder(request, "https://vault.azure.net")
        assert request.query == {"api-version": "7.4"}
        path = request.path.removeprefix("/keys/sops")
        if request.method == "GET":
            assert path == ""
            return web.json_response({"key": {"kid": KEY, "kty": "RSA"}})
        body = request.json()
        assert body["alg"] == "RSA-OAEP-256"
        assert "=" not in body["value"]
        version = KEY.rpartition("/")[2]
        if path == f"/{version}/encrypt":
            return web.json_response({"kid": KEY, "value": sealed(body["value"])})
        assert path == f"/{version}/decrypt"
        return web.json_response({"kid": KEY, "value": body["value"].removeprefix("sealed__")})

    async def manager(self, request: Received) -> web.Response:
        self._holder(request, "https://management.core.windows.net")
        assert request.method == "POST"
        assert request.path == f"{CLUSTER}/listClusterUserCredential"
        configs = [_kubeconfig("https://old.azmk8s.io:443"), _kubeconfig("https://AKS.azmk8s.io")]
        return web.json_response({"kubeconfigs": [{"name": "c", "value": c} for c in configs]})

    async def machine(self, request: Received) -> web.Response:
        assert request.headers["Metadata"] == "true"
        assert request.query["api-version"] == "2018-02-01"
        holder = request.query.get("client_id", CLIENT)
        return self._given(request.query["resource"], holder, seconds="86399")

    def _given(self, audience: str, holder: str, seconds: int | str = 3599) -> web.Response:
        token = f"eyJ.azure.{len(self.tokens)}"
        self.tokens[token] = audience, holder
        body: dict[str, Any] = {"token_type": "Bearer", "expires_in": seconds}
        return web.json_response({**body, "access_token": token})

    def _holder(self, request: Received, wanted: str) -> None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        audience, holder = self.tokens.get(token, ("", ""))
        if audience != wanted:
            raise Refusal(401, {"error": {"code": "Unauthorized", "message": f"AKV10022 {token}"}})
        if holder not in self.allowed:
            text = f"The user does not have keys decrypt permission on key vault ({holder})."
            raise Refusal(403, {"error": {"code": "Forbidden", "message": text}})


def sealed(value: str) -> str:
    """What the vault makes of a base64url text."""
    return f"sealed__{value}"


def _kubeconfig(server: str) -> str:
    ca = base64.b64encode(self_signed(server)[0]).decode()
    text = (
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster:\n"
        f"    server: {server}\n    certificate-authority-data: {ca}\n"
    )
    return base64.b64encode(text.encode()).decode()
