"""GitRepositories whose login a cloud, or a GitHub App, gives."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from yarl import URL

from engine.cluster.outbound import DIRECT, Answer, Http, Route
from engine.plugin import Context, Identity, Plugin, Scope, ServiceAccount, Token
from engine.serve.git import git_application
from plugins.identities import aws, azure, github
from tests.support.certificates import certificate_for
from tests.support.fleet import Fleet, condition_of, config_map, has_reason, is_ready
from tests.support.gateways import Gateway, http_gateway
from tests.support.git_server import serve_application

HOST = "git.invalid"
CODECOMMIT = "git-codecommit.eu-west-1.amazonaws.com"
APP = rsa.generate_private_key(65537, 2048)
APP_PEM = APP.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


@dataclass
class Host:
    """A Git host behind a proxy: lets in who shows one of `allowed`; `shown` is what was."""

    gateway: Gateway
    allowed: set[str] = field(default_factory=set)
    shown: list[str] = field(default_factory=list)


@asynccontextmanager
async def git_host(fleet: Fleet, tmp_path: Path) -> AsyncIterator[Host]:
    """It answers as any of the names that tests use; Secret `proxy` leads there."""
    fleet.commit({"app/web.yaml": config_map("web", value="1")})
    names = (HOST, "dev.azure.com", CODECOMMIT)
    certificate = certificate_for(tmp_path, *names)

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        shown = request.headers.get("Authorization", "")
        host.shown.append(shown)
        return await handler(request) if shown in host.allowed else web.Response(status=401)

    application = git_application(fleet.folder / "repositories")
    application.middlewares.append(check)
    async with serve_application(application, certificate.context) as url:
        port = URL(url).port or 0
        async with http_gateway(dict.fromkeys(names, port)) as gateway:
            host = Host(gateway)
            await secret(fleet, "proxy", {"address": gateway.address})
            await secret(fleet, "ca", {"ca.crt": certificate.certificate.decode()})
            yield host


async def secret(fleet: Fleet, name: str, data: dict[str, str]) -> None:
    await fleet.put(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
    )


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass(frozen=True)
class Elsewhere:
    """Sends what is for a cloud to its stand-in here, by no proxy and without the guard.

    places: {URL of the cloud: URL of the stand-in}.
    """

    http: Http
    places: Mapping[str, str]

    async def send(self, method: str, url: str, *, route: Route = DIRECT, **what: Any) -> Answer:
        for real, stand_in in self.places.items():
            url = url.replace(real, stand_in)
        route = replace(route, proxy="", is_guarded=False)
        return await self.http.send(method, url, route=route, **what)


def plugins(**places: str) -> Plugin:
    """The built-in identities, whose clouds are elsewhere; places: by host, with `_` for `.`."""
    found = {f"https://{host.replace('_', '.')}": url for host, url in places.items()}

    def moved(identity: Identity) -> Identity:
        async def token(account: ServiceAccount | None, scope: Scope, ctx: Context) -> Token:
            return await identity(account, scope, replace(ctx, http=Elsewhere(ctx.http, found)))

        return token

    built_in = {"github": github.token, "azure": azure.token, "aws": aws.token}
    return Plugin("test", identities={name: moved(each) for name, each in built_in.items()})


def is_signed_by_the_app(statement: str) -> bool:
    """Whether a JWT is the App's."""
    signed, _, signature = statement.rpartition(".")
    head, claims = (json.loads(_decoded(part)) for part in signed.split("."))
    APP.public_key().verify(
        _decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    return bool(
        head["alg"] == "RS256" and claims["iss"] == "4711" and claims["exp"] > claims["iat"]
    )


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class GitHub:
    """The API of GitHub: gives the installation 42 of the App 4711 a new token each time."""

    url: str = ""
    given: list[str] = field(default_factory=list)

    async def token(self, request: web.Request) -> web.Response:
        statement = request.headers["Authorization"].removeprefix("Bearer ")
        if request.match_info["id"] != "42" or not is_signed_by_the_app(statement):
            return web.Response(status=401)
        self.given.append(f"ghs_s3cret{len(self.given)}")
        answer = {"token": self.given[-1], "expires_at": "2126-01-01T00:00:00Z"}
        return web.json_response(answer, status=201)


@pytest.fixture
async def api() -> AsyncIterator[GitHub]:
    found = GitHub()
    application = web.Application()
    application.router.add_post("/app/installations/{id}/access_tokens", found.token)
    async with serve_application(application) as found.url:
        yield found


async def app_secret(fleet: Fleet, api: GitHub, **others: str) -> None:
    found = await fleet.get("Secret", "ca") or {}
    await secret(
        fleet,
        "app",
        {
            "githubAppID": "4711",
            "githubAppInstallationID": "42",
            "githubAppPrivateKey": APP_PEM.decode(),
            "githubAppBaseURL": api.url,
            "ca.crt": base64.b64decode(found["data"]["ca.crt"]).decode(),
            **others,
        },
    )


@pytest.mark.covers("GitRepository.spec.provider=github")
async def test_a_github_app_logs_in_and_is_asked_again_when_its_token_is_refused(
    fleet: Fleet, api: GitHub, tmp_path: Path
) -> None:
    async with git_host(fleet, tmp_path) as host:
        await app_secret(fleet, api)
        first, second = (basic("x-access-token", f"ghs_s3cret{number}") for number in (0, 1))
        host.allowed = {first}
        await fleet.source(
            url=f"https://{HOST}/fleet",
            provider="github",
            secretRef={"name": "app"},
            proxySecretRef={"name": "proxy"},
        )
        async with fleet.engine(plugins=plugins()):
            await fleet.until("GitRepository", "fleet", is_ready)
            await fleet.reconcile("GitRepository", "fleet")
            assert api.given == ["ghs_s3cret0"]

            host.allowed = {second}
            await fleet.reconcile("GitRepository", "fleet")
            found = await fleet.until("GitRepository", "fleet", is_ready)

    assert api.given == ["ghs_s3cret0", "ghs_s3cret1"]
    assert set(host.shown) == {first, second}
    assert "s3cret" not in str(found["status"])


async def test_a_github_app_that_may_not_read_is_asked_once_more_and_no_further(
    fleet: Fleet, api: GitHub, tmp_path: Path
) -> None:
    async with git_host(fleet, tmp_path) as host:
        await app_secret(fleet, api)
        await fleet.source(
            url=f"https://{HOST}/fleet",
            provider="github",
            secretRef={"name": "app"},
            proxySecretRef={"name": "proxy"},
        )
        async with fleet.engine(plugins=plugins(), min_retry_delay=3600.0):
            failed = await fleet.until("GitRepository", "fleet", has_reason("AuthenticationFailed"))

    assert len(api.given) == len(host.shown) == 2
    assert "authentication required" in condition_of(failed)["message"]
    assert "s3cret" not in str(failed["status"])


@pytest.mark.covers("GitRepository.spec.provider=azure")
async def test_azure_devops_takes_a_token_of_the_pods_identity(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, str]] = []

    async def entra(request: web.Request) -> web.Response:
        asked.append({key: str(value) for key, value in (await request.post()).items()})
        return web.json_response({"access_token": "s3cret-token", "expires_in": 3600})

    application = web.Application()
    application.router.add_post("/tenant/oauth2/v2.0/token", entra)
    async with git_host(fleet, tmp_path) as host, serve_application(application) as authority:
        for name, value in {
            "AZURE_TENANT_ID": "tenant",
            "AZURE_CLIENT_ID": "client",
            "AZURE_CLIENT_SECRET": "s3cret",
        }.items():
            monkeypatch.setenv(name, value)
        host.allowed = {"Bearer s3cret-token"}
        await fleet.source(
            url="https://dev.azure.com/fleet",
            provider="azure",
            secretRef={"name": "ca"},
            proxySecretRef={"name": "proxy"},
        )
        async with fleet.engine(plugins=plugins(login_microsoftonline_com=authority)):
            found = await fleet.until("GitRepository", "fleet", is_ready)

    assert asked[0]["scope"] == "499b84ac-1321-427f-aa17-267ca6975798/.default"
    assert set(host.gateway.asked) == {"CONNECT dev.azure.com:443"}
    assert "s3cret" not in str(found["status"])


@pytest.mark.covers("GitRepository.spec.provider=aws")
async def test_codecommit_takes_a_request_signed_by_the_pods_identity(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session")
    async with git_host(fleet, tmp_path) as host:
        await fleet.source(
            url=f"https://{CODECOMMIT}/fleet",
            provider="aws",
            secretRef={"name": "ca"},
            proxySecretRef={"name": "proxy"},
        )
        async with fleet.engine(plugins=plugins()):
            failed = await fleet.until("GitRepository", "fleet", has_reason("AuthenticationFailed"))
            login = base64.b64decode(host.shown[0].removeprefix("Basic ")).decode()
            host.allowed = {host.shown[-1]}
            await fleet.reconcile("GitRepository", "fleet")

    user, _, password = login.partition(":")
    stamp, _, signature = password.partition("Z")
    assert user == "AKIAEXAMPLE%session"
    assert signature == codecommit_signature("s3cret", stamp, CODECOMMIT, "/fleet")
    assert "s3cret" not in str(failed["status"])


def codecommit_signature(key: str, stamp: str, host: str, path: str) -> str:
    """Source: AWS Signature Version 4; method GIT, no payload, the time without its Z."""
    scope = f"{stamp[:8]}/eu-west-1/codecommit/aws4_request"
    request = hashlib.sha256(f"GIT\n{path}\n\nhost:{host}\n\nhost\n".encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{request}"
    signing = b"AWS4" + key.encode()
    for part in (*scope.split("/"), text):
        signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
    return signing.hex()


@pytest.mark.covers("GitRepository.spec.serviceAccountName", "GitRepository:FeatureGateDisabled")
@pytest.mark.parametrize("provider", ["azure", "aws"])
async def test_a_service_account_needs_the_gate(fleet: Fleet, provider: str) -> None:
    hosts = {"azure": "dev.azure.com", "aws": CODECOMMIT}
    await fleet.source(
        url=f"https://{hosts[provider]}/fleet", provider=provider, serviceAccountName="tenant"
    )
    async with fleet.engine(plugins=plugins()):
        failed = await fleet.until("GitRepository", "fleet", has_reason("FeatureGateDisabled"))

    assert condition_of(failed, "Stalled")["status"] == "True"
    assert "ObjectLevelWorkloadIdentity" in condition_of(failed)["message"]


@pytest.mark.covers("GitRepository:InvalidProviderConfiguration")
@pytest.mark.parametrize(
    ("provider", "data", "is_stalled"),
    [
        ("github", None, True),
        ("github", {"username": "x", "password": "y"}, False),
        ("generic", {"githubAppID": "1"}, False),
    ],
)
async def test_a_provider_and_a_secret_that_do_not_go_together(
    fleet: Fleet, provider: str, data: dict[str, str] | None, is_stalled: bool
) -> None:
    reference = {}
    if data is not None:
        await secret(fleet, "login", data)
        reference = {"secretRef": {"name": "login"}}
    await fleet.source(url=f"https://{HOST}/fleet", provider=provider, **reference)
    async with fleet.engine(plugins=plugins()):
        failed = await fleet.until(
            "GitRepository", "fleet", has_reason("InvalidProviderConfiguration")
        )

    assert (condition_of(failed, "Stalled").get("status") == "True") is is_stalled
    assert "github app data" in condition_of(failed)["message"]
    assert condition_of(failed, "FetchFailed")["reason"] == "InvalidProviderConfiguration"


async def test_a_login_that_no_cloud_gives_is_described(fleet: Fleet) -> None:
    await fleet.source(url="https://elsewhere.example.com/fleet", provider="azure")
    async with fleet.engine(plugins=plugins()):
        failed = await fleet.until("GitRepository", "fleet", has_reason("AuthenticationFailed"))

    assert condition_of(failed)["message"].startswith(
        "failed to configure authentication options: 'elsewhere.example.com' is no host of Azure"
    )
