"""Vault's transit engine, against a stand-in that verifies tokens, roles and audiences."""

import base64

import pytest

from engine.plugin import KeyRing, KeyUnavailable, ServiceAccount
from engine.sops.metadata import MasterKey
from plugins.decryptors.vault import DECRYPTOR
from tests.support.clouds.vaults import ADDRESS, KEY, Vault
from tests.support.clouds.world import world

DATA_KEY = bytes(range(32))
FILE_KEY = MasterKey("hc_vault", KEY, "vault:v1:" + base64.b64encode(DATA_KEY).decode())
RING = KeyRing({"sops.vault-token": b" hvs.static\n"})
APP = KeyRing({}, ServiceAccount("apps", "app"))
CONFIG = f"instances:\n- address: {ADDRESS}\n  loginPath: auth/kubernetes/login\n"
LOGINS = {"object_level_workload_identity": True, "sops_vault_configmap": "flux-system/vaults"}


async def test_the_token_of_the_secret_opens_a_key() -> None:
    async with world() as clouds:
        Vault(clouds)

        assert await DECRYPTOR.open(FILE_KEY, RING, clouds.context()) == DATA_KEY


async def test_what_is_sealed_opens_again() -> None:
    async with world() as clouds:
        Vault(clouds)
        ctx = clouds.context()

        key = await DECRYPTOR.seal(DATA_KEY, KEY, RING, ctx)

        assert dict(key.attributes) == {
            "vault_address": ADDRESS,
            "engine_path": "team/transit",
            "key_name": "sops",
        }
        assert await DECRYPTOR.open(key, RING, ctx) == DATA_KEY


async def test_a_service_account_logs_in_once_and_is_the_vaults_alone() -> None:
    async with world() as clouds:
        vault = Vault(clouds)
        clouds.kubernetes.account("app")
        clouds.kubernetes.config_map("vaults", {"config.yaml": CONFIG})
        ctx = clouds.context(**LOGINS)

        for _ in range(3):
            assert await DECRYPTOR.open(FILE_KEY, APP, ctx) == DATA_KEY

        assert vault.logins == 1
        assert clouds.kubernetes.audiences() == [[ADDRESS]]
        path = "/api/v1/namespaces/flux-system/configmaps/vaults"
        assert len(clouds.kubernetes.api.asked("GET", path)) == 1


async def test_a_login_that_has_ended_is_made_again() -> None:
    async with world() as clouds:
        vault = Vault(clouds)
        clouds.kubernetes.account("app")
        clouds.kubernetes.config_map("vaults", {"config.yaml": CONFIG})
        ctx = clouds.context(**LOGINS)
        await DECRYPTOR.open(FILE_KEY, APP, ctx)
        clouds.clock.skip(601)

        assert await DECRYPTOR.open(FILE_KEY, APP, ctx) == DATA_KEY
        assert vault.logins == 2


async def test_a_role_that_vault_does_not_know_is_named() -> None:
    async with world() as clouds:
        Vault(clouds, roles=set())
        clouds.kubernetes.account("app")
        clouds.kubernetes.config_map("vaults", {"config.yaml": CONFIG})

        with pytest.raises(KeyUnavailable) as refused:
            await DECRYPTOR.open(FILE_KEY, APP, clouds.context(**LOGINS))

        assert "at login path 'auth/kubernetes/login' as role 'apps_app'" in str(refused.value)
        assert "eyJ" not in str(refused.value)


async def test_a_service_accounts_token_goes_to_no_vault_that_is_not_listed() -> None:
    async with world() as clouds:
        clouds.kubernetes.account("app")
        clouds.kubernetes.config_map("vaults", {"config.yaml": CONFIG})
        key = MasterKey("hc_vault", "https://evil.example.com/v1/transit/keys/sops", "vault:v1:x")

        with pytest.raises(KeyUnavailable, match="no Vault login path configured for address"):
            await DECRYPTOR.open(key, APP, clouds.context(**LOGINS))

        assert clouds.seen == []
        assert clouds.kubernetes.audiences() == []


async def test_without_a_token_and_a_config_map_both_are_named() -> None:
    async with world() as clouds:
        with pytest.raises(KeyUnavailable, match=r"sops\.vault-token.*--sops-vault-configmap"):
            await DECRYPTOR.open(FILE_KEY, APP, clouds.context())


async def test_the_engines_own_token_is_never_sent_to_a_vault_that_a_file_names() -> None:
    async with world() as clouds:
        Vault(clouds, tokens={"hvs.ours": float("inf")})
        ctx = clouds.context({"VAULT_TOKEN": "hvs.ours", "VAULT_ADDR": ADDRESS})

        with pytest.raises(KeyUnavailable):
            await DECRYPTOR.open(FILE_KEY, KeyRing(), ctx)

        assert clouds.seen == []


async def test_a_token_that_vault_refuses_and_repeats_is_masked() -> None:
    async with world() as clouds:
        Vault(clouds)
        ring = KeyRing({"sops.vault-token": b"canary.token"})

        with pytest.raises(KeyUnavailable, match="permission denied") as refused:
            await DECRYPTOR.open(FILE_KEY, ring, clouds.context())

        assert "is the token good" in str(refused.value)
        assert "canary" not in f"{refused.value!r} {ring!r}"


async def test_a_file_cannot_make_us_ask_this_machine() -> None:
    async with world(guarded=True) as clouds:
        Vault(clouds)

        with pytest.raises(KeyUnavailable, match=r"'vault\.example\.com \(127\.0\.0\.1\)' is loop"):
            await DECRYPTOR.open(FILE_KEY, RING, clouds.context())

        assert clouds.seen == []


async def test_a_vault_on_this_machine_can_be_allowed() -> None:
    async with world(guarded=True) as clouds:
        Vault(clouds)
        ctx = clouds.context(sops_vault_addresses=(f"{ADDRESS}/",))

        assert await DECRYPTOR.open(FILE_KEY, RING, ctx) == DATA_KEY


async def test_where_vaults_are_listed_no_other_is_asked() -> None:
    async with world() as clouds:
        Vault(clouds)
        ctx = clouds.context(sops_vault_addresses=("https://vault.vault:8200",))

        with pytest.raises(KeyUnavailable, match="none of --sops-vault-addresses"):
            await DECRYPTOR.open(FILE_KEY, RING, ctx)

        assert clouds.seen == []


@pytest.mark.parametrize(
    "content", [None, "", "instances:", "instances: [1]", "instances: [{address: a}]", "{"]
)
async def test_a_config_map_that_lists_no_vaults_is_named(content: str | None) -> None:
    async with world() as clouds:
        clouds.kubernetes.account("app")
        data = {} if content is None else {"config.yaml": content}
        clouds.kubernetes.config_map("vaults", data)

        with pytest.raises(KeyUnavailable, match=r"'config\.yaml' of ConfigMap 'flux-"):
            await DECRYPTOR.open(FILE_KEY, APP, clouds.context(**LOGINS))


async def test_a_config_map_that_is_missing_is_named_with_its_setting() -> None:
    async with world() as clouds:
        with pytest.raises(KeyUnavailable, match=r"'flux-system/vaults' \(--sops-vault-configmap"):
            await DECRYPTOR.open(FILE_KEY, APP, clouds.context(**LOGINS))


async def test_the_operators_authority_vouches_for_vaults() -> None:
    async with world() as clouds:
        Vault(clouds)
        ctx = clouds.context({"VAULT_CACERT": "/nowhere"})

        with pytest.raises(KeyUnavailable, match="VAULT_CACERT '/nowhere': No such file"):
            await DECRYPTOR.open(FILE_KEY, RING, ctx)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/v1/transit/keys/sops",
        "http://127.0.0.1:9440/v1/transit/keys/sops",
        "http://[::ffff:127.0.0.1]/v1/transit/keys/sops",
        "http://[fd00:ec2::254]/v1/transit/keys/sops",
    ],
)
async def test_addresses_of_this_machine_are_not_asked(url: str) -> None:
    async with world(guarded=True) as clouds:
        key = MasterKey("hc_vault", url, "vault:v1:x")

        with pytest.raises(KeyUnavailable, match="is loopback, link-local or multicast"):
            await DECRYPTOR.open(key, RING, clouds.context())


@pytest.mark.parametrize(
    "url",
    [
        "https://vault.example.com/v1/transit/sops",
        "https://vault.example.com/v1/../sys/keys/sops",
        "https://user@vault.example.com/v1/transit/keys/sops",
        "https://vault.example.com/v1/transit/keys/sops?list=true",
        "ftp://vault.example.com/v1/transit/keys/sops",
    ],
)
async def test_what_is_no_transit_key_is_refused(url: str) -> None:
    async with world() as clouds:
        key = MasterKey("hc_vault", url, "vault:v1:x")

        with pytest.raises(KeyUnavailable, match="is none: it reads https://<host>"):
            await DECRYPTOR.open(key, RING, clouds.context())

        assert clouds.seen == []


async def test_the_operators_namespace_of_vault_is_asked() -> None:
    async with world() as clouds:
        Vault(clouds)
        clouds.kubernetes.account("app")
        clouds.kubernetes.config_map("vaults", {"config.yaml": CONFIG})
        ctx = clouds.context({"VAULT_NAMESPACE": "team/a"}, **LOGINS)

        assert await DECRYPTOR.open(FILE_KEY, APP, ctx) == DATA_KEY
        named = [each.headers.get("X-Vault-Namespace") for each in clouds.seen]
        assert named == ["team/a"] * 2  # of the login, too
