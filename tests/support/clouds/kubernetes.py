"""The API server of a cluster whose service accounts clouds trust: its tokens are signed."""

import base64
import json as standard_json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from engine.runtime import Clock
from tests.support.clouds.authority import rsa_pem
from tests.support.scripted_api import ScriptedApi, json

OWN_AUDIENCE = "https://kubernetes.default.svc"
_KINDS = [("ServiceAccount", "serviceaccounts"), ("ConfigMap", "configmaps")]


def _discovery(group: str, version: str, kinds: list[tuple[str, str]]) -> dict[str, Any]:
    resources = [
        {
            "resource": plural,
            "responseKind": {"group": group, "version": version, "kind": kind},
            "scope": "Namespaced" if group == "" else "Cluster",
            "verbs": ["get", "create"],
        }
        for kind, plural in kinds
    ]
    versions = [{"version": version, "resources": resources}]
    items = [{"metadata": {"name": group}, "versions": versions}]
    return {"kind": "APIGroupDiscoveryList", "items": items}


class Kubernetes:
    """What the tests put into the cluster, and whether clouds may believe its tokens."""

    def __init__(self, api: ScriptedApi, clock: Clock) -> None:
        self.api = api
        self._clock = clock
        api.on("GET", "/api", json(_discovery("", "v1", _KINDS)))
        reviews = [
            ("SelfSubjectReview", "selfsubjectreviews"),
            ("TokenReview", "tokenreviews"),
        ]
        api.on("GET", "/apis", json(_discovery("authentication.k8s.io", "v1", reviews)))
        api.on("POST", "/apis/authentication.k8s.io/v1/tokenreviews", self._reviewed)

    def account(self, name: str, annotations: Mapping[str, str] | None = None) -> None:
        """A service account in namespace `apps`."""
        path = f"/api/v1/namespaces/apps/serviceaccounts/{name}"
        metadata = {"name": name, "namespace": "apps", "annotations": dict(annotations or {})}
        self.api.on("GET", path, json({"metadata": metadata}))

        async def token(request: web.Request) -> web.StreamResponse:
            asked = (await request.json())["spec"]
            now = self._clock.wall()
            claims = {
                "aud": asked.get("audiences", ["https://kubernetes"]),
                "sub": f"system:serviceaccount:apps:{name}",
                "iat": int(now),
                "exp": int(now) + 3600,
            }
            until = datetime.fromtimestamp(now + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            status = {"token": issued(claims), "expirationTimestamp": until}
            return web.json_response({"kind": "TokenRequest", "status": status}, status=201)

        self.api.on("POST", f"{path}/token", token)

    def config_map(self, name: str, data: Mapping[str, str]) -> None:
        """A ConfigMap in namespace `flux-system`."""
        path = f"/api/v1/namespaces/flux-system/configmaps/{name}"
        self.api.on("GET", path, json({"metadata": {"name": name}, "data": dict(data)}))

    def engine_is(self, user: str) -> None:
        """Who the engine itself is."""
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        self.api.on("POST", path, json({"status": {"userInfo": {"username": user}}}))

    async def _reviewed(self, request: web.Request) -> web.StreamResponse:
        spec = (await request.json())["spec"]
        claims = of_cluster(spec["token"], self._clock.wall())
        is_good = not {OWN_AUDIENCE}.isdisjoint(claims["aud"])
        return web.json_response({"status": {"authenticated": is_good}}, status=201)

    def audiences(self) -> list[list[str]]:
        """For whom tokens were asked."""
        asked = [each for each in self.api.asked("POST") if each.path.endswith("/token")]
        return [each.body["spec"].get("audiences") for each in asked]


def issued(claims: Mapping[str, Any]) -> str:
    """A token that the cluster signed."""
    text = ".".join(map(_encoded, ({"alg": "RS256", "kid": "cluster"}, claims)))
    key = _key(rsa_pem("cluster"))
    signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def verified(token: str, pem: bytes, now: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """(header, claims) of a JWT if that private key signed it and it has not ended.

    Raises ValueError.
    """
    head, body, signature = token.split(".")
    try:
        _key(pem).public_key().verify(
            _decoded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256()
        )
    except InvalidSignature:
        raise ValueError("signed by somebody else") from None
    claims = standard_json.loads(_decoded(body))
    if claims["exp"] <= now:
        raise ValueError("it has ended")
    return standard_json.loads(_decoded(head)), claims


def of_cluster(token: str, now: float) -> dict[str, Any]:
    """The claims of a service account's token.  Raises ValueError."""
    return verified(token, rsa_pem("cluster"), now)[1]


@cache
def _key(pem: bytes) -> rsa.RSAPrivateKey:
    key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)  # it is our own
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(standard_json.dumps(value).encode()).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
