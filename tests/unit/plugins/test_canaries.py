"""Services that repeat whatever they are sent: nothing secret of it reaches a message or a log.

CVE-2024-31216 (a token in an error log), CVE-2025-23216 (an error that repeats a Secret).
"""

import json
import logging

import pytest
from aiohttp import web

from engine.plugin import KeyRing, KeyUnavailable, Purpose, Scope, ServiceAccount, TokenUnavailable
from engine.sops.metadata import MasterKey
from plugins import PLUGIN
from tests.support.clouds import amazon, githubs, google, microsoft, vaults
from tests.support.clouds.world import Received, Refusal, World, world

APP = ServiceAccount("apps", "app")
ANNOTATIONS = {
    "eks.amazonaws.com/role-arn": amazon.ROLE,
    "azure.workload.identity/client-id": microsoft.CLIENT,
    "azure.workload.identity/tenant-id": microsoft.TENANT,
    "gcp.auth.fluxcd.io/workload-identity-provider": google.PROVIDER,
    "iam.gke.io/gcp-service-account": google.EMAIL,
}
KEYS = {
    "kms": amazon.KEY,
    "gcp_kms": google.KEY,
    "azure_kv": microsoft.KEY,
    "hc_vault": vaults.KEY,
}
RINGS = {
    "kms": amazon.static(aws_secret_access_key="canary/1", aws_session_token="canary+2"),
    "gcp_kms": google.static(),
    "azure_kv": {
        "sops.azure-kv": json.dumps(
            {"tenantId": microsoft.TENANT, "clientId": microsoft.CLIENT, "clientSecret": "canary/3"}
        ).encode()
    },
    "hc_vault": {"sops.vault-token": b"hvs.canary/4"},
}
SECRETS = ("canary", "eyJ", "ya29", "PRIVATE KEY", "hvs.", "ghs_")


async def parrot(request: Received) -> web.Response:
    body = "&".join(reversed(request.body.decode().split("&")))  # what is secret comes last
    token = request.headers.get("X-Amz-Security-Token", "")
    said = f"{token} {body} {dict(request.headers)}"
    raise Refusal(400, {"message": said, "error_description": said, "errors": [said]})


ASKED_BY = {
    "kms.eu-west-1.amazonaws.com": "kms",
    "sts.eu-west-1.amazonaws.com": "kms",
    "oauth2.googleapis.com": "gcp_kms",
    "sts.googleapis.com": "gcp_kms",
    "iamcredentials.googleapis.com": "gcp_kms",
    "cloudkms.googleapis.com": "gcp_kms",
    "login.microsoftonline.com": "azure_kv",
    "fleet.vault.azure.net": "azure_kv",
    "vault.example.com": "hc_vault",
}


def play(clouds: World, repeating: str) -> None:
    """All services as they should be, but for one."""
    amazon.Amazon(clouds)
    google.Google(clouds)
    microsoft.Microsoft(clouds)
    vaults.Vault(clouds)
    githubs.GitHub(clouds)
    clouds.serve(repeating, parrot)
    clouds.kubernetes.account("app", ANNOTATIONS)
    config = f"instances: [{{address: '{vaults.ADDRESS}', loginPath: auth/kubernetes/login}}]"
    clouds.kubernetes.config_map("vaults", {"config.yaml": config})


async def told(clouds: World, kind: str, ring: KeyRing) -> str:
    ctx = clouds.context(
        object_level_workload_identity=True, sops_vault_configmap="flux-system/vaults"
    )
    try:
        await PLUGIN.decryptors[kind].open(MasterKey(kind, KEYS[kind], "eA=="), ring, ctx)
    except KeyUnavailable as error:
        return f"{error!r} {error.__cause__!r}"
    return ""


@pytest.mark.parametrize("host", ASKED_BY)
async def test_what_a_service_repeats_is_masked(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    kind = ASKED_BY[host]
    async with world() as clouds:
        play(clouds, host)
        rings = KeyRing(RINGS[kind]), KeyRing({}, APP)
        texts = [*[await told(clouds, kind, ring) for ring in rings], caplog.text]

        assert clouds.asked(host)
        assert [each for each in texts if _shows_a_secret(each)] == []
        assert any("***" in each for each in texts)


async def test_what_github_repeats_is_masked() -> None:
    async with world() as clouds:
        play(clouds, "api.github.com")
        secret = githubs.secret(githubAppInstallationID="77")
        scope = Scope(Purpose.GIT, "https://github.com/a/b", secret=secret)

        with pytest.raises(TokenUnavailable, match=r"Bearer \*\*\*") as refused:
            await clouds.context().token("github", None, scope)

        assert not _shows_a_secret(str(refused.value))


def _shows_a_secret(text: str) -> bool:
    return any(secret in text for secret in SECRETS)


def test_no_value_that_plugins_pass_round_shows_a_secret() -> None:
    values = {name: data for ring in RINGS.values() for name, data in ring.items()}

    assert not _shows_a_secret(repr(KeyRing(values)))
    assert not _shows_a_secret(repr(Scope(Purpose.KEYS, secret=values)))
