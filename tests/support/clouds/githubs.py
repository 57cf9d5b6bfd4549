"""GitHub's API for Apps.  Source: GitHub Docs, "Generating a JSON Web Token for a GitHub App"."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web

from tests.support.clouds.authority import rsa_pem
from tests.support.clouds.kubernetes import verified
from tests.support.clouds.world import Received, Refusal, World


@dataclass
class GitHub:
    """One server.  installations: {`orgs/<name>` or `users/<name>`: id}."""

    clouds: World
    host: str = "api.github.com"
    base: str = ""
    installations: dict[str, int] = field(
        default_factory=lambda: {"orgs/fleet": 77, "users/octocat": 88}
    )
    issued: int = 0

    def __post_init__(self) -> None:
        self.clouds.serve(self.host, self.answer)

    async def answer(self, request: Received) -> web.Response:
        now = self.clouds.clock.wall()
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            header, claims = verified(token, rsa_pem("github"), now)
        except ValueError:
            text = "A JSON web token could not be decoded"
            raise Refusal(401, {"message": f"{text}: {token}"}) from None
        assert header["alg"] == "RS256"
        assert claims["iss"] == "1234"
        assert claims["iat"] <= now
        assert claims["exp"] - claims["iat"] <= 600
        path = request.path.removeprefix(self.base).strip("/")
        if path.endswith("/installation"):
            number = self.installations.get(path.removesuffix("/installation"))
            if number is None:
                raise Refusal(404, {"message": "Not Found"})
            return web.json_response({"id": number})
        assert request.method == "POST"
        known = {f"app/installations/{n}/access_tokens" for n in self.installations.values()}
        if path not in known:
            raise Refusal(404, {"message": "Not Found"})
        self.issued += 1
        until = datetime.fromtimestamp(now + 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {"token": f"ghs_{self.issued}", "expires_at": until}
        return web.json_response(body, status=201)


def secret(**more: str) -> dict[str, bytes]:
    """The data of a Secret with the App's key; more: githubAppInstallationID="77"."""
    texts = {"githubAppID": "1234", **more}
    data = {name: text.encode() for name, text in texts.items()}
    return {**data, "githubAppPrivateKey": rsa_pem("github")}
