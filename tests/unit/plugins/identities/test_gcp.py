"""Google: the pod's own identity, federation and clusters."""

import json
from pathlib import Path

import pytest

from engine.plugin import Purpose, Scope, ServiceAccount, TokenUnavailable
from tests.support.clouds.authority import self_signed
from tests.support.clouds.google import EMAIL, KEY, PROVIDER, Google, json_key
from tests.support.clouds.kubernetes import issued
from tests.support.clouds.world import world

APP = ServiceAccount("apps", "app")
KEYS = Scope(Purpose.KEYS, KEY)
CLUSTER = "projects/shop/locations/europe/clusters/prod"


async def test_a_key_file_of_the_operator_is_used(tmp_path: Path) -> None:
    async with world() as clouds:
        google = Google(clouds)
        (tmp_path / "key.json").write_text(json.dumps(json_key()))
        environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json")}

        found = await clouds.context(environ).token("gcp", None, KEYS)

        assert google.tokens[found.secret] == EMAIL


@pytest.mark.parametrize("form", ["text", "json"])
async def test_the_operators_federation_reads_a_token_file(tmp_path: Path, form: str) -> None:
    async with world() as clouds:
        google = Google(clouds)
        audience = f"//iam.googleapis.com/{PROVIDER}"
        claims = {"aud": [audience], "sub": "flux", "exp": clouds.clock.wall() + 60}
        proof = issued(claims)
        (tmp_path / "token").write_text(proof if form == "text" else json.dumps({"t": proof}))
        source = {
            "file": str(tmp_path / "token"),
            "format": {"type": form, "subject_token_field_name": "t"},
        }
        impersonated = (
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
            f"{EMAIL}:generateAccessToken"
        )
        config = {
            "type": "external_account",
            "audience": audience,
            "credential_source": source,
            "service_account_impersonation_url": impersonated,
        }
        (tmp_path / "key.json").write_text(json.dumps(config))
        environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json")}

        found = await clouds.context(environ).token("gcp", None, KEYS)

        assert google.tokens[found.secret] == EMAIL


async def test_without_any_identity_the_ways_to_get_one_are_named() -> None:
    async with world() as clouds:
        with pytest.raises(TokenUnavailable, match="GOOGLE_APPLICATION_CREDENTIALS"):
            await clouds.context().token("gcp", None, KEYS)


async def test_a_cluster_is_described() -> None:
    async with world() as clouds:
        Google(clouds)

        found = await clouds.context().token("gcp", None, Scope(Purpose.CLUSTER, CLUSTER))

        assert (found.address, found.ca) == ("https://203.0.113.7", self_signed("cluster")[0])


async def test_the_engines_own_token_goes_to_no_address_but_the_clusters() -> None:
    async with world() as clouds:
        Google(clouds)
        ctx = clouds.context()
        evil = Scope(Purpose.CLUSTER, CLUSTER, address="https://evil.example.com", ca=b"evil")

        with pytest.raises(TokenUnavailable, match=r"none of GKE cluster.*203\.0\.113\.7"):
            await ctx.token("gcp", None, evil)

        good = Scope(Purpose.CLUSTER, CLUSTER, address="https://gke-1.gke.goog", ca=b"my CA")
        assert (await ctx.token("gcp", None, good)).address == "https://gke-1.gke.goog"


async def test_a_tenants_own_token_goes_where_the_tenant_says() -> None:
    async with world() as clouds:
        Google(clouds)
        provider = {"gcp.auth.fluxcd.io/workload-identity-provider": PROVIDER}
        clouds.kubernetes.account("app", provider)
        ctx = clouds.context(object_level_workload_identity=True)
        scope = Scope(Purpose.CLUSTER, CLUSTER, address="https://mine", ca=b"my CA")

        assert (await ctx.token("gcp", APP, scope)).address == "https://mine"
        assert clouds.asked("container.googleapis.com") == []


@pytest.mark.parametrize("name", ["projects/a/locations/b/clusters/c/../d", "", "c?x=/"])
async def test_what_is_no_cluster_is_refused(name: str) -> None:
    async with world() as clouds:
        Google(clouds)

        with pytest.raises(TokenUnavailable, match="invalid GKE cluster name"):
            await clouds.context().token("gcp", None, Scope(Purpose.CLUSTER, name))


@pytest.mark.parametrize(
    "annotations",
    [
        {"gcp.auth.fluxcd.io/workload-identity-provider": "projects/a/../../x"},
        {
            "gcp.auth.fluxcd.io/workload-identity-provider": PROVIDER,
            "iam.gke.io/gcp-service-account": "x/../../y@z.gserviceaccount.com",
        },
    ],
)
async def test_an_annotation_cannot_lead_elsewhere(annotations: dict[str, str]) -> None:
    async with world() as clouds:
        Google(clouds)
        clouds.kubernetes.account("app", annotations)
        ctx = clouds.context(object_level_workload_identity=True)

        with pytest.raises(TokenUnavailable, match=r"annotation|no e-mail address"):
            await ctx.token("gcp", APP, KEYS)

        assert clouds.asked("iamcredentials.googleapis.com") == []


async def test_the_login_of_a_user_is_found_where_gcloud_leaves_it(tmp_path: Path) -> None:
    async with world() as clouds:
        google = Google(clouds)
        folder = tmp_path / ".config" / "gcloud"
        folder.mkdir(parents=True)
        (folder / "application_default_credentials.json").write_text(json.dumps(json_key()))

        found = await clouds.context({"HOME": str(tmp_path)}).token("gcp", None, KEYS)

        assert google.tokens[found.secret] == EMAIL
