"""A Vault with a transit engine and logins by Kubernetes.

Source: Vault API, transit (encrypt, decrypt) and Kubernetes auth (login).
"""

from dataclasses import dataclass, field

from aiohttp import web

from tests.support.clouds.kubernetes import of_cluster
from tests.support.clouds.world import Received, Refusal, World

ADDRESS = "https://vault.example.com:8200"
KEY = f"{ADDRESS}/v1/team/transit/keys/sops"


@dataclass
class Vault:
    """One server.  `tokens`: until when each is good."""

    clouds: World
    tokens: dict[str, float] = field(default_factory=lambda: {"hvs.static": float("inf")})
    roles: set[str] = field(default_factory=lambda: {"apps_app"})
    logins: int = 0

    def __post_init__(self) -> None:
        self.clouds.serve("vault.example.com", self.answer)

    async def answer(self, request: Received) -> web.Response:
        assert request.method in ("PUT", "POST")
        assert request.headers["X-Vault-Request"] == "true"
        if request.path == "/v1/auth/kubernetes/login":
            return self._login(request)
        token = request.headers.get("X-Vault-Token", "")
        if self.tokens.get(token, 0) <= self.clouds.clock.wall():
            raise Refusal(403, {"errors": ["permission denied", f"token {token}"]})
        if request.path == "/v1/team/transit/encrypt/sops":
            return _data(ciphertext="vault:v1:" + request.json()["plaintext"])
        assert request.path == "/v1/team/transit/decrypt/sops"
        text = request.json()["ciphertext"]
        if not text.startswith("vault:v1:"):
            raise Refusal(400, {"errors": ["invalid ciphertext: no prefix"]})
        return _data(plaintext=text.removeprefix("vault:v1:"))

    def _login(self, request: Received) -> web.Response:
        body = request.json()
        assert "X-Vault-Token" not in request.headers
        claims = of_cluster(body["jwt"], self.clouds.clock.wall())
        if claims["aud"] != [ADDRESS] or body["role"] not in self.roles:
            raise Refusal(400, {"errors": [f'role "{body["role"]}" could not be found']})
        self.logins += 1
        token = f"hvs.login{self.logins}"
        self.tokens[token] = self.clouds.clock.wall() + 600
        auth = {"client_token": token, "lease_duration": 600, "policies": ["sops"]}
        return web.json_response({"auth": auth, "data": None})


def _data(**data: str) -> web.Response:
    return web.json_response({"request_id": "1", "data": data})
