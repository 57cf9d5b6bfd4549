"""Google's token service, STS, IAM credentials, Cloud KMS, GKE and the metadata of a machine.

Source: Google's OAuth 2.0 for server to server, RFC 8693, Cloud KMS REST reference.
"""

import base64
import json as standard_json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.support.clouds.authority import rsa_pem, self_signed
from tests.support.clouds.kubernetes import of_cluster, verified
from tests.support.clouds.world import Received, Refusal, World

KEY = "projects/shop/locations/europe/keyRings/flux/cryptoKeys/sops"
EMAIL = "decrypts@shop.iam.gserviceaccount.com"
PROVIDER = "projects/42/locations/global/workloadIdentityPools/pool/providers/cluster"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def json_key(**more: Any) -> dict[str, Any]:
    """The JSON key of a service account."""
    return {
        "type": "service_account",
        "client_email": EMAIL,
        "private_key_id": "key-1",
        "private_key": rsa_pem("google").decode(),
        "token_uri": "https://oauth2.googleapis.com/token",
        **more,
    }


def static(**more: Any) -> dict[str, bytes]:
    """The data of a decryption Secret with that key."""
    return {"sops.gcp-kms": standard_json.dumps(json_key(**more)).encode() + b"\n"}


@dataclass
class Google:
    """One project.  `tokens`: who each token stands for."""

    clouds: World
    tokens: dict[str, str] = field(default_factory=dict)
    allowed: set[str] = field(default_factory=lambda: {EMAIL, "system:serviceaccount:apps:app"})

    def __post_init__(self) -> None:
        self.clouds.serve("oauth2.googleapis.com", self.oauth)
        self.clouds.serve("sts.googleapis.com", self.sts)
        self.clouds.serve("iamcredentials.googleapis.com", self.iam)
        self.clouds.serve("cloudkms.googleapis.com", self.kms)
        self.clouds.serve("container.googleapis.com", self.gke)
        self.clouds.serve("metadata.google.internal", self.machine)

    async def oauth(self, request: Received) -> web.Response:
        form = request.form()
        if form["grant_type"] == "refresh_token":
            assert form["refresh_token"] == "refresh-me"
            return self._given("user")
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        now = self.clouds.clock.wall()
        try:
            header, claims = verified(form["assertion"], rsa_pem("google"), now)
        except ValueError as error:
            refused = {"error": "invalid_grant", "error_description": f"Invalid JWT: {error}"}
            raise Refusal(400, refused) from None
        assert header == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
        assert claims["aud"] == "https://oauth2.googleapis.com/token"
        assert claims["exp"] - claims["iat"] <= 3600
        assert _SCOPE in claims["scope"].split()
        return self._given(claims["iss"])

    async def sts(self, request: Received) -> web.Response:
        form = request.form()
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
        assert form["subject_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
        assert form["requested_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
        assert _SCOPE in form["scope"].split()
        claims = of_cluster(form["subject_token"], self.clouds.clock.wall())
        pools = {
            f"//iam.googleapis.com/{PROVIDER}": f"//iam.googleapis.com/{PROVIDER}",
            "identitynamespace:shop.svc.id.goog:https://container.googleapis.com/v1/"
            "projects/shop/locations/europe/clusters/prod": "shop.svc.id.goog",
        }
        if claims["aud"] != [pools[form["audience"]]]:
            raise Refusal(400, {"error": "invalid_grant", "error_description": "wrong audience"})
        return self._given(claims["sub"])

    async def iam(self, request: Received) -> web.Response:
        self._holder(request)
        assert request.path == (f"/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken")
        assert request.json()["lifetime"] == "3600s"
        token = f"ya29.{len(self.tokens)}"
        self.tokens[token] = EMAIL
        until = datetime.fromtimestamp(self.clouds.clock.wall() + 3600, UTC)
        text = until.strftime("%Y-%m-%dT%H:%M:%SZ")
        return web.json_response({"accessToken": token, "expireTime": text})

    async def kms(self, request: Received) -> web.Response:
        holder = self._holder(request)
        name, _, verb = request.path.removeprefix("/v1/").rpartition(":")
        assert request.method == "POST"
        if holder not in self.allowed:
            text = f"Permission 'cloudkms.cryptoKeyVersions.useToDecrypt' denied on '{name}'."
            error = {"code": 403, "message": text, "status": "PERMISSION_DENIED"}
            raise Refusal(403, {"error": error})
        assert name == KEY
        if verb == "encrypt":
            return web.json_response({"ciphertext": sealed(request.json()["plaintext"])})
        assert verb == "decrypt"
        plain = base64.b64decode(request.json()["ciphertext"]).removeprefix(b"sealed:").decode()
        return web.json_response({"plaintext": plain})

    async def gke(self, request: Received) -> web.Response:
        self._holder(request)
        assert request.path == "/v1/projects/shop/locations/europe/clusters/prod"
        ca = base64.b64encode(self_signed("cluster")[0]).decode()
        authority = {"clusterCaCertificate": ca}
        planes = {"dnsEndpointConfig": {"endpoint": "gke-1.gke.goog"}}
        cluster = {"endpoint": "203.0.113.7", "controlPlaneEndpointsConfig": planes}
        return web.json_response({**cluster, "masterAuth": authority})

    async def machine(self, request: Received) -> web.Response:
        assert request.headers["Metadata-Flavor"] == "Google"
        assert request.url.startswith("http://")
        texts = {
            "project/project-id": "shop",
            "instance/attributes/cluster-location": "europe",
            "instance/attributes/cluster-name": "prod",
        }
        path = request.path.removeprefix("/computeMetadata/v1/")
        if path in texts:
            return web.Response(text=texts[path])
        assert path == "instance/service-accounts/default/token"
        assert _SCOPE in request.query["scopes"].split(",")
        return self._given(EMAIL)

    def _given(self, holder: str) -> web.Response:
        token = f"ya29.{len(self.tokens)}"
        self.tokens[token] = holder
        kind = {"token_type": "Bearer", "expires_in": 3599}
        return web.json_response({"access_token": token, **kind})

    def _holder(self, request: Received) -> str:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            raise Refusal(401, {"error": {"code": 401, "message": "Request had invalid tokens"}})
        return self.tokens[token]


def sealed(plaintext: str) -> str:
    """What Cloud KMS makes of a base64 text, base64."""
    return base64.b64encode(b"sealed:" + plaintext.encode()).decode()
