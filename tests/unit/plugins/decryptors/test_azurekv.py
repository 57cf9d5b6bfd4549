"""Azure Key Vault, against a stand-in that verifies secrets, certificates and audiences."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

from engine.plugin import KeyRing, KeyUnavailable, ServiceAccount
from engine.sops.metadata import MasterKey
from plugins.clouds.jwt import encoded
from plugins.decryptors.azurekv import DECRYPTOR
from tests.support.clouds.authority import packed, self_signed
from tests.support.clouds.microsoft import CLIENT, KEY, TENANT, VAULT, Microsoft, sealed
from tests.support.clouds.world import world

DATA_KEY = bytes(range(32))
FILE_KEY = MasterKey("azure_kv", KEY, sealed(encoded(DATA_KEY)))
APP = ServiceAccount("apps", "app")
FEDERATED = {
    "azure.workload.identity/client-id": CLIENT,
    "azure.workload.identity/tenant-id": TENANT,
}
SECRET = {"tenantId": TENANT, "clientId": CLIENT, "clientSecret": "client-secret~1"}


def ring_of(**fields: object) -> KeyRing:
    return KeyRing({"sops.azure-kv": json.dumps(fields).encode()})


def certificate() -> str:
    return b"".join(reversed(self_signed("app"))).decode()


@pytest.mark.parametrize(
    "fields",
    [
        SECRET,
        {"tenantId": TENANT, "clientId": CLIENT, "clientCertificate": "CERTIFICATE"},
        {
            "tenantId": TENANT,
            "clientId": CLIENT,
            "clientCertificate": "CERTIFICATE",
            "clientCertificateSendChain": True,
        },
        {"tenant": TENANT, "appId": CLIENT, "password": "client-secret~1"},
        {"clientId": CLIENT},
    ],
    ids=["client secret", "certificate", "certificate and chain", "az", "managed identity"],
)
async def test_each_way_in_which_flux_logs_in_opens_a_key(fields: dict[str, object]) -> None:
    if "clientCertificate" in fields:
        fields = {**fields, "clientCertificate": certificate()}
    async with world() as clouds:
        Microsoft(clouds)
        ctx = clouds.context({"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://machine.test"})

        assert await DECRYPTOR.open(FILE_KEY, ring_of(**fields), ctx) == DATA_KEY


async def test_a_certificate_may_be_pkcs12_in_base64() -> None:
    async with world() as clouds:
        Microsoft(clouds)
        pfx = base64.b64encode(packed("app", BestAvailableEncryption(b"hunter2"))).decode()
        who = {"tenantId": TENANT, "clientId": CLIENT}
        password = {"clientCertificatePassword": "hunter2"}
        ring = ring_of(**who, clientCertificate=pfx, **password)

        assert await DECRYPTOR.open(FILE_KEY, ring, clouds.context()) == DATA_KEY
        none = ring_of(**who, clientCertificate="hunter2", **password)
        with pytest.raises(KeyUnavailable, match="certificate must be PEM or PKCS#12"):
            await DECRYPTOR.open(FILE_KEY, none, clouds.context())


async def test_a_file_from_powershell_is_read_too() -> None:
    async with world() as clouds:
        Microsoft(clouds)
        ring = KeyRing({"sops.azure-kv": json.dumps(SECRET).encode("utf-16")})

        assert await DECRYPTOR.open(FILE_KEY, ring, clouds.context()) == DATA_KEY


async def test_what_is_sealed_opens_again() -> None:
    async with world() as clouds:
        Microsoft(clouds)
        ring, ctx = ring_of(**SECRET), clouds.context()

        key = await DECRYPTOR.seal(DATA_KEY, KEY, ring, ctx)

        assert (key.kind, key.recipient) == ("azure_kv", KEY)
        assert await DECRYPTOR.open(key, ring, ctx) == DATA_KEY


async def test_a_key_without_a_version_is_sealed_with_the_newest() -> None:
    async with world() as clouds:
        Microsoft(clouds)
        ring = ring_of(**SECRET)

        key = await DECRYPTOR.seal(DATA_KEY, f"{VAULT}/keys/sops", ring, clouds.context())

        assert key.recipient == KEY
        assert dict(key.attributes) == {
            "vault_url": VAULT,
            "name": "sops",
            "version": KEY.rpartition("/")[2],
        }


async def test_a_service_account_opens_a_key() -> None:
    async with world() as clouds:
        Microsoft(clouds)
        clouds.kubernetes.account("app", FEDERATED)
        ctx = clouds.context(object_level_workload_identity=True)

        assert await DECRYPTOR.open(FILE_KEY, KeyRing({}, APP), ctx) == DATA_KEY
        assert clouds.kubernetes.audiences() == [["api://AzureADTokenExchange"]]


async def test_who_may_not_use_a_vault_is_told_what_to_grant_to_whom() -> None:
    async with world() as clouds:
        Microsoft(clouds, allowed=set())

        with pytest.raises(KeyUnavailable) as refused:
            await DECRYPTOR.open(FILE_KEY, ring_of(**SECRET), clouds.context())

        assert "HTTP 403: The user does not have keys decrypt permission" in str(refused.value)
        assert f"grant the key permission 'decrypt' on '{VAULT}' to" in str(refused.value)


async def test_a_wrong_secret_that_entra_repeats_is_masked() -> None:
    async with world() as clouds:
        Microsoft(clouds)
        ring = ring_of(**{**SECRET, "clientSecret": "canary~secret"})

        with pytest.raises(KeyUnavailable, match="AADSTS7000215") as refused:
            await DECRYPTOR.open(FILE_KEY, ring, clouds.context())

        assert "canary" not in f"{refused.value!r} {ring!r}"


@pytest.mark.parametrize(
    "vault",
    [
        "https://evil.example.com",
        "https://fleet.vault.azure.net.evil.example.com",
        "https://vault.azure.net",
        "https://a.b.vault.azure.net",
        "https://evil-vault.azure.net",
    ],
)
async def test_a_file_cannot_send_our_token_to_another_host(vault: str) -> None:
    async with world() as clouds:
        Microsoft(clouds)
        key = MasterKey("azure_kv", f"{vault}/keys/sops/1", "eA")

        with pytest.raises(KeyUnavailable, match="is no key vault of Azure"):
            await DECRYPTOR.open(key, ring_of(**SECRET), clouds.context())

        assert clouds.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "http://fleet.vault.azure.net/keys/sops/1",
        "https://fleet.vault.azure.net@evil.example.com/keys/sops/1",
        "https://fleet.vault.azure.net:444/keys/sops/1",
        "https://fleet.vault.azure.net/keys/../secrets/1",
        "https://fleet.vault.azure.net/keys/sops/1?x",
    ],
)
async def test_what_is_no_url_of_a_key_is_refused(url: str) -> None:
    async with world() as clouds:
        key = MasterKey("azure_kv", url, "eA")

        with pytest.raises(KeyUnavailable, match="is none: it reads https://<vault>"):
            await DECRYPTOR.open(key, ring_of(**SECRET), clouds.context())

        assert clouds.seen == []


async def test_the_operator_may_allow_other_vaults() -> None:
    async with world() as clouds:
        microsoft = Microsoft(clouds)
        clouds.serve("fleet.vault.example.com", microsoft.vault)
        ctx = clouds.context(azure_vault_suffixes=(".vault.example.com",))
        key = MasterKey("azure_kv", KEY.replace("azure.net", "example.com"), FILE_KEY.encrypted)

        with pytest.raises(KeyUnavailable, match="AKV10022"):  # another audience than Azure's
            await DECRYPTOR.open(key, ring_of(**SECRET), ctx)

        assert microsoft.tokens["eyJ.azure.0"] == ("https://vault.example.com", CLIENT)


async def test_an_authority_of_the_secret_is_not_sought_on_this_machine() -> None:
    async with world(guarded=True) as clouds:
        clouds.serve("login.example.com", Microsoft(clouds).entra)
        ring = ring_of(**SECRET, authorityHost="https://login.example.com")

        with pytest.raises(KeyUnavailable, match="is loopback, link-local"):
            await DECRYPTOR.open(FILE_KEY, ring, clouds.context())

        assert clouds.seen == []


@pytest.mark.parametrize(
    "content", [b"[]", b"{", b"{}", b"tenantId: a\nclientSecret: canary\n", b"\xff\xfe\x00"]
)
async def test_an_application_that_is_none_is_told_what_it_lacks(content: bytes) -> None:
    async with world() as clouds:
        ring = KeyRing({"sops.azure-kv": content})

        with pytest.raises(KeyUnavailable, match=r"'sops\.azure-kv' (is no|needs)") as refused:
            await DECRYPTOR.open(FILE_KEY, ring, clouds.context())

        assert "canary" not in str(refused.value)
