"""Microsoft: the pod's own identity, clusters and Azure DevOps."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

from engine.plugin import Purpose, Scope, ServiceAccount, TokenUnavailable
from tests.support.clouds.authority import packed, self_signed
from tests.support.clouds.kubernetes import issued
from tests.support.clouds.microsoft import CLIENT, CLUSTER, TENANT, VAULT, Microsoft
from tests.support.clouds.world import world

APP = ServiceAccount("apps", "app")
FEDERATED = {
    "azure.workload.identity/client-id": CLIENT,
    "azure.workload.identity/tenant-id": TENANT,
}
KEYS = Scope(Purpose.KEYS, VAULT)
WHO = {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT}
REPOSITORY = "https://dev.azure.com/shop/fleet/_git/fleet"


async def test_the_pods_client_secret_is_used() -> None:
    async with world() as clouds:
        microsoft = Microsoft(clouds)
        environ = {**WHO, "AZURE_CLIENT_SECRET": "client-secret~1"}

        found = await clouds.context(environ).token("azure", None, KEYS)

        assert microsoft.tokens[found.secret] == ("https://vault.azure.net", CLIENT)


async def test_the_pods_certificate_is_used(tmp_path: Path) -> None:
    async with world() as clouds:
        microsoft = Microsoft(clouds)
        (tmp_path / "pair.pem").write_bytes(b"".join(self_signed("app")))
        environ = {**WHO, "AZURE_CLIENT_CERTIFICATE_PATH": str(tmp_path / "pair.pem")}

        found = await clouds.context(environ).token("azure", None, KEYS)

        assert found.secret in microsoft.tokens


async def test_the_pods_certificate_may_be_a_file_of_pkcs12(tmp_path: Path) -> None:
    async with world() as clouds:
        microsoft = Microsoft(clouds)
        (tmp_path / "pair.pfx").write_bytes(packed("app", BestAvailableEncryption(b"hunter2")))
        environ = {
            **WHO,
            "AZURE_CLIENT_CERTIFICATE_PATH": str(tmp_path / "pair.pfx"),
            "AZURE_CLIENT_CERTIFICATE_PASSWORD": "hunter2",
        }

        found = await clouds.context(environ).token("azure", None, KEYS)

        assert found.secret in microsoft.tokens
        with pytest.raises(TokenUnavailable, match="PKCS#12 file cannot be read: its password is"):
            await clouds.context(environ | {"AZURE_CLIENT_CERTIFICATE_PASSWORD": "x"}).token(
                "azure", None, KEYS
            )


async def test_the_pods_own_token_is_an_assertion(tmp_path: Path) -> None:
    async with world() as clouds:
        microsoft = Microsoft(clouds)
        claims = {"aud": ["api://AzureADTokenExchange"], "sub": "system:serviceaccount:apps:app"}
        (tmp_path / "token").write_text(issued({**claims, "exp": clouds.clock.wall() + 60}))
        environ = {**WHO, "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token")}

        found = await clouds.context(environ).token("azure", None, KEYS)

        assert found.secret in microsoft.tokens


async def test_without_any_identity_the_ways_to_get_one_are_named() -> None:
    async with world() as clouds:
        environ = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://machine.test"}

        with pytest.raises(TokenUnavailable, match="AZURE_FEDERATED_TOKEN_FILE"):
            await clouds.context(environ).token("azure", None, KEYS)


async def test_a_cluster_is_described_by_its_first_kubeconfig() -> None:
    async with world() as clouds:
        microsoft = Microsoft(clouds)
        clouds.kubernetes.account("app", FEDERATED)
        ctx = clouds.context(object_level_workload_identity=True)

        found = await ctx.token("azure", APP, Scope(Purpose.CLUSTER, CLUSTER))

        assert found.address == "https://old.azmk8s.io:443"
        assert microsoft.tokens[found.secret][0] == "6dae42f8-4368-4678-94ff-3960e28e3630"


async def test_an_address_chooses_among_kubeconfigs() -> None:
    async with world() as clouds:
        Microsoft(clouds)
        scope = Scope(Purpose.CLUSTER, CLUSTER, address="https://aks.azmk8s.io:443")
        environ = {**WHO, "AZURE_CLIENT_SECRET": "client-secret~1"}

        found = await clouds.context(environ).token("azure", None, scope)

        assert found.address == "https://aks.azmk8s.io:443"
        assert found.ca == self_signed("https://AKS.azmk8s.io")[0]


async def test_an_address_that_no_kubeconfig_has_is_told_with_those_there_are() -> None:
    async with world() as clouds:
        Microsoft(clouds)
        scope = Scope(Purpose.CLUSTER, CLUSTER, address="https://other")
        environ = {**WHO, "AZURE_CLIENT_SECRET": "client-secret~1"}

        with pytest.raises(TokenUnavailable, match=r"only 'https://old\.azmk8s\.io:443', 'https"):
            await clouds.context(environ).token("azure", None, scope)


async def test_the_engines_own_token_goes_to_no_address_but_the_clusters() -> None:
    async with world() as clouds:
        Microsoft(clouds)
        evil = Scope(Purpose.CLUSTER, CLUSTER, address="https://evil.example.com", ca=b"evil")
        environ = {**WHO, "AZURE_CLIENT_SECRET": "client-secret~1"}

        with pytest.raises(TokenUnavailable, match=r"no kubeconfig with address 'https://evil"):
            await clouds.context(environ).token("azure", None, evil)


async def test_azure_devops_gets_a_token_of_its_own() -> None:
    async with world() as clouds:
        microsoft = Microsoft(clouds)
        clouds.kubernetes.account("app", FEDERATED)
        ctx = clouds.context(object_level_workload_identity=True)

        found = await ctx.token("azure", APP, Scope(Purpose.GIT, REPOSITORY))

        assert found.user == ""
        assert microsoft.tokens[found.secret][0] == "499b84ac-1321-427f-aa17-267ca6975798"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/shop",
        "https://dev.azure.com.evil.example.com/shop",
        "https://dev.azure.com@evil.example.com/shop",
        "http://dev.azure.com/shop",
    ],
)
async def test_no_token_is_had_for_another_host_than_azure_devops(url: str) -> None:
    async with world() as clouds:
        with pytest.raises(TokenUnavailable, match="no host of Azure DevOps"):
            await clouds.context().token("azure", None, Scope(Purpose.GIT, url))


async def test_a_tenant_cannot_change_the_address_that_an_assertion_goes_to() -> None:
    async with world() as clouds:
        Microsoft(clouds)
        tenant = {"azure.workload.identity/tenant-id": "x/../../evil?"}
        clouds.kubernetes.account("app", {**FEDERATED, **tenant})
        ctx = clouds.context(object_level_workload_identity=True)

        with pytest.raises(TokenUnavailable, match="no tenant id"):
            await ctx.token("azure", APP, KEYS)

        assert clouds.seen == []


async def test_an_annotation_that_is_missing_is_named() -> None:
    async with world() as clouds:
        clouds.kubernetes.account("app")
        ctx = clouds.context(object_level_workload_identity=True)

        with pytest.raises(TokenUnavailable, match=r"azure\.workload\.identity/client-id"):
            await ctx.token("azure", APP, KEYS)
