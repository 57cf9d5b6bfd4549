"""Google Cloud KMS, against a stand-in that verifies keys and tokens."""

import base64
import json

import pytest

from engine.plugin import KeyRing, KeyUnavailable, ServiceAccount
from engine.sops.metadata import MasterKey
from plugins.decryptors.gcpkms import DECRYPTOR
from tests.support.clouds.authority import rsa_pem
from tests.support.clouds.google import EMAIL, KEY, PROVIDER, Google, sealed, static
from tests.support.clouds.world import world

DATA_KEY = bytes(range(32))
FILE_KEY = MasterKey("gcp_kms", KEY, sealed(base64.b64encode(DATA_KEY).decode()))
APP = ServiceAccount("apps", "app")


async def test_the_json_key_of_the_secret_opens_a_data_key() -> None:
    async with world() as clouds:
        Google(clouds)

        assert await DECRYPTOR.open(FILE_KEY, KeyRing(static()), clouds.context()) == DATA_KEY


async def test_what_is_sealed_opens_again() -> None:
    async with world() as clouds:
        Google(clouds)
        ring, ctx = KeyRing(static()), clouds.context()

        key = await DECRYPTOR.seal(DATA_KEY, KEY, ring, ctx)

        assert (key.kind, key.recipient) == ("gcp_kms", KEY)
        assert await DECRYPTOR.open(key, ring, ctx) == DATA_KEY


async def test_the_machine_gives_the_engine_its_token() -> None:
    async with world() as clouds:
        Google(clouds)

        assert await DECRYPTOR.open(FILE_KEY, KeyRing(), clouds.context()) == DATA_KEY


@pytest.mark.parametrize("email", ["", EMAIL])
async def test_a_service_account_opens_a_key_outside_of_google(email: str) -> None:
    async with world() as clouds:
        Google(clouds)
        provider = {"gcp.auth.fluxcd.io/workload-identity-provider": PROVIDER}
        clouds.kubernetes.account("app", {**provider, "iam.gke.io/gcp-service-account": email})
        ctx = clouds.context(object_level_workload_identity=True)

        assert await DECRYPTOR.open(FILE_KEY, KeyRing({}, APP), ctx) == DATA_KEY
        assert clouds.kubernetes.audiences() == [[f"//iam.googleapis.com/{PROVIDER}"]]
        assert bool(clouds.asked("iamcredentials.googleapis.com")) is bool(email)


async def test_a_service_account_opens_a_key_in_gke() -> None:
    async with world() as clouds:
        Google(clouds)
        clouds.kubernetes.account("app")
        ctx = clouds.context(object_level_workload_identity=True)

        assert await DECRYPTOR.open(FILE_KEY, KeyRing({}, APP), ctx) == DATA_KEY
        assert clouds.kubernetes.audiences() == [["shop.svc.id.goog"]]


async def test_who_may_not_use_a_key_is_told_what_to_grant_to_whom() -> None:
    async with world() as clouds:
        Google(clouds, allowed=set())

        with pytest.raises(KeyUnavailable) as refused:
            await DECRYPTOR.open(FILE_KEY, KeyRing(static()), clouds.context())

        assert "HTTP 403: Permission 'cloudkms.cryptoKeyVersions" in str(refused.value)
        assert f"grant cloudkms.cryptoKeyVersions.useToDecrypt on '{KEY}'" in str(refused.value)


async def test_a_key_that_is_not_googles_is_refused_without_a_trace_of_it() -> None:
    async with world() as clouds:
        Google(clouds)
        ring = KeyRing(static(private_key=rsa_pem("stranger").decode()))

        with pytest.raises(KeyUnavailable, match="HTTP 400: Invalid JWT") as refused:
            await DECRYPTOR.open(FILE_KEY, ring, clouds.context())

        assert "PRIVATE" not in f"{refused.value!r} {ring!r}"


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ({"token_uri": "https://evil.example.com/token"}, "'token_uri' .* none of Google's"),
        ({"token_uri": "https://oauth2.googleapis.com@evil.example.com/"}, "none of Google's"),
        ({"token_uri": "http://oauth2.googleapis.com/token"}, "none of Google's"),
        ({"type": "external_account"}, "type 'external_account' are not taken from here"),
        ({"private_key": "canary-no-key"}, "the private key cannot be read"),
        ({"client_email": 5}, "no 'client_email'"),
    ],
)
async def test_a_tenants_key_cannot_lead_elsewhere(key: dict[str, object], problem: str) -> None:
    async with world() as clouds:
        Google(clouds)

        with pytest.raises(KeyUnavailable, match=problem) as refused:
            await DECRYPTOR.open(FILE_KEY, KeyRing(static(**key)), clouds.context())

        assert clouds.seen == []
        assert "canary" not in str(refused.value)


async def test_what_is_no_json_key_says_so() -> None:
    async with world() as clouds:
        ring = KeyRing({"sops.gcp-kms": b"canary"})

        with pytest.raises(KeyUnavailable, match=r"'sops\.gcp-kms' is no JSON key"):
            await DECRYPTOR.open(FILE_KEY, ring, clouds.context())


async def test_the_login_of_a_user_opens_a_key() -> None:
    async with world() as clouds:
        Google(clouds, allowed={"user"})
        fields = {"client_id": "c", "client_secret": "s", "refresh_token": "refresh-me"}
        login = {"type": "authorized_user", **fields}
        ring = KeyRing({"sops.gcp-kms": json.dumps(login).encode()})

        assert await DECRYPTOR.open(FILE_KEY, ring, clouds.context()) == DATA_KEY


@pytest.mark.parametrize(
    "name",
    [
        f"{KEY}/../../../../other",
        f"{KEY}:decrypt?x=",
        "projects/a/locations/b/keyRings/c/cryptoKeys/../../d",
        "https://evil.example.com/",
    ],
)
async def test_a_file_cannot_name_what_is_no_key(name: str) -> None:
    async with world() as clouds:
        with pytest.raises(KeyUnavailable, match="is none: it reads projects/"):
            await DECRYPTOR.open(
                MasterKey("gcp_kms", name, "eA=="), KeyRing(static()), clouds.context()
            )

        assert clouds.seen == []
