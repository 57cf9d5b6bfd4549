"""Amazon: the pod's own identity, clusters and CodeCommit."""

import json
from pathlib import Path

import pytest
from aiohttp import web

from engine.errors import FeatureGateDisabled
from engine.plugin import Purpose, Scope, ServiceAccount, TokenUnavailable
from tests.support.clouds.amazon import KEY, REGION, ROLE, Amazon, static
from tests.support.clouds.authority import self_signed
from tests.support.clouds.kubernetes import issued
from tests.support.clouds.world import Received, world

APP = ServiceAccount("apps", "app")
IRSA = {"eks.amazonaws.com/role-arn": ROLE}
KEYS = Scope(Purpose.KEYS, KEY)
CLUSTER = "arn:aws:eks:eu-west-1:123456789012:cluster/prod"
OWN = {"AWS_ACCESS_KEY_ID": "AKIDSTATIC", "AWS_SECRET_ACCESS_KEY": "static-secret"}
REPOSITORY = f"https://git-codecommit.{REGION}.amazonaws.com/v1/repos/fleet"


async def test_the_pods_environment_may_hold_keys() -> None:
    async with world() as clouds:
        keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s"}

        found = await clouds.context(keys).token("aws", None, KEYS)

        assert (found.user, found.secret, found.session) == ("AKID", "s", "")


async def test_the_pods_own_token_is_exchanged_for_its_role(tmp_path: Path) -> None:
    async with world() as clouds:
        amazon = Amazon(clouds)
        claims = {"aud": ["sts.amazonaws.com"], "sub": "system:serviceaccount:apps:app"}
        file = tmp_path / "token"
        file.write_text(issued({**claims, "exp": clouds.clock.wall() + 60}) + "\n")
        irsa = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(file), "AWS_ROLE_ARN": ROLE}

        found = await clouds.context(irsa).token("aws", None, KEYS)

        assert amazon.identities[found.user].role == ROLE


async def test_the_agent_of_pod_identity_is_asked(tmp_path: Path) -> None:
    async def agent(request: Received) -> web.Response:
        assert request.headers["Authorization"] == "pod-token"
        body = {"AccessKeyId": "ASIA1", "SecretAccessKey": "s", "Token": "t"}
        return web.json_response({**body, "Expiration": "2099-01-01T00:00:00Z"})

    async with world() as clouds:
        clouds.serve("vault.example.com", agent)
        (tmp_path / "token").write_text("pod-token")
        environ = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://vault.example.com/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
        }

        found = await clouds.context(environ).token("aws", None, KEYS)

        assert (found.user, found.session) == ("ASIA1", "t")


async def test_an_agent_elsewhere_is_not_asked() -> None:
    async with world() as clouds:
        environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://evil.example.com/"}

        with pytest.raises(TokenUnavailable, match="neither https nor the agent"):
            await clouds.context(environ).token("aws", None, KEYS)


async def test_the_node_is_asked_last_with_a_session_of_its_metadata() -> None:
    async def node(request: Received) -> web.Response:
        if request.path == "/latest/api/token":
            assert request.method == "PUT"
            return web.Response(text="session")
        assert request.headers["X-aws-ec2-metadata-token"] == "session"
        if request.path.endswith("security-credentials/"):
            return web.Response(text="node-role\n")
        assert request.path == "/latest/meta-data/iam/security-credentials/node-role"
        body = {"AccessKeyId": "ASIA2", "SecretAccessKey": "s", "Token": "t"}
        return web.json_response({**body, "Expiration": "2099-01-01T00:00:00Z"})

    async with world() as clouds:
        clouds.serve("machine.test", node)
        environ = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://machine.test"}

        assert (await clouds.context(environ).token("aws", None, KEYS)).user == "ASIA2"


async def test_without_any_identity_the_ways_to_get_one_are_named() -> None:
    async with world() as clouds:
        environ = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://machine.test"}

        with pytest.raises(TokenUnavailable, match=r"AWS_WEB_IDENTITY_TOKEN_FILE.*Pod Identity"):
            await clouds.context(environ).token("aws", None, KEYS)


async def test_without_the_gate_no_service_account_is_used() -> None:
    async with world() as clouds:
        clouds.kubernetes.account("app", IRSA)

        with pytest.raises(FeatureGateDisabled, match="ObjectLevelWorkloadIdentity"):
            await clouds.context().token("aws", APP, KEYS)

        assert clouds.kubernetes.api.seen == []


async def test_a_service_account_without_a_role_is_told_the_annotation() -> None:
    async with world() as clouds:
        clouds.kubernetes.account("app")
        ctx = clouds.context(object_level_workload_identity=True)

        with pytest.raises(TokenUnavailable, match=r"annotation eks\.amazonaws\.com/role-arn"):
            await ctx.token("aws", APP, KEYS)


async def test_a_service_account_that_does_not_exist_says_so() -> None:
    async with world() as clouds:
        ctx = clouds.context(object_level_workload_identity=True)

        with pytest.raises(TokenUnavailable, match="'apps/app': it does not exist"):
            await ctx.token("aws", APP, KEYS)


async def test_who_is_not_trusted_by_the_role_learns_it_from_amazon() -> None:
    async with world() as clouds:
        Amazon(clouds, trusted=set())
        clouds.kubernetes.account("app", IRSA)
        ctx = clouds.context(object_level_workload_identity=True)

        with pytest.raises(TokenUnavailable, match="HTTP 403: AccessDenied: Not authorized") as no:
            await ctx.token("aws", APP, KEYS)

        assert "eyJ" not in str(no.value)


async def test_another_role_in_the_annotation_counts_within_seconds() -> None:
    async with world() as clouds:
        amazon = Amazon(clouds)
        clouds.kubernetes.account("app", IRSA)
        ctx = clouds.context(object_level_workload_identity=True)
        await ctx.token("aws", APP, KEYS)
        clouds.kubernetes.account("app", {"eks.amazonaws.com/role-arn": f"{ROLE}-2"})
        clouds.clock.skip(5)

        found = await ctx.token("aws", APP, KEYS)

        assert amazon.identities[found.user].role == f"{ROLE}-2"


async def test_a_build_reads_the_service_account_once() -> None:
    async with world() as clouds:
        Amazon(clouds)
        clouds.kubernetes.account("app", IRSA)
        ctx = clouds.context(object_level_workload_identity=True)

        for _ in range(5):
            await ctx.token("aws", APP, KEYS)

        assert (
            len(clouds.kubernetes.api.asked("GET", "/api/v1/namespaces/apps/serviceaccounts/app"))
            == 1
        )


async def test_a_cluster_is_described_and_its_token_proves_the_role() -> None:
    async with world() as clouds:
        amazon = Amazon(clouds)
        clouds.kubernetes.account("app", IRSA)
        ctx = clouds.context(object_level_workload_identity=True)

        found = await ctx.token("aws", APP, Scope(Purpose.CLUSTER, CLUSTER))

        assert (found.address, found.ca) == ("https://eks.example.com", self_signed("cluster")[0])
        assert amazon.holder(found.secret) == ROLE
        assert 0 < found.expires_at - clouds.clock.wall() <= 900


async def test_a_cluster_whose_address_is_known_is_not_described() -> None:
    async with world() as clouds:
        Amazon(clouds)
        clouds.kubernetes.account("app", IRSA)
        scope = Scope(Purpose.CLUSTER, CLUSTER, address="https://mine", ca=b"my CA")

        found = await clouds.context(object_level_workload_identity=True).token("aws", APP, scope)

        assert (found.address, found.ca) == ("https://mine", b"my CA")
        assert clouds.asked(f"eks.{REGION}.amazonaws.com") == []


async def test_the_engines_own_token_goes_to_no_address_but_the_clusters() -> None:
    async with world() as clouds:
        Amazon(clouds)
        ctx = clouds.context(OWN)
        evil = Scope(Purpose.CLUSTER, CLUSTER, address="https://evil.example.com", ca=b"evil")

        with pytest.raises(TokenUnavailable, match=r"none of EKS cluster.*eks\.example\.com"):
            await ctx.token("aws", None, evil)

        good = Scope(Purpose.CLUSTER, CLUSTER, address="EKS.example.com:443", ca=b"my CA")
        assert (await ctx.token("aws", None, good)).ca == b"my CA"


async def test_what_is_no_cluster_is_refused() -> None:
    async with world() as clouds:
        with pytest.raises(TokenUnavailable, match="invalid EKS cluster ARN"):
            await clouds.context().token("aws", None, Scope(Purpose.CLUSTER, KEY))


async def test_codecommit_gets_a_signed_login_for_that_repository() -> None:
    async with world() as clouds:
        Amazon(clouds)
        clouds.kubernetes.account("app", IRSA)
        ctx = clouds.context(object_level_workload_identity=True)

        found = await ctx.token("aws", APP, Scope(Purpose.GIT, REPOSITORY))

        stamp, _, signature = found.secret.partition("Z")
        assert found.user == "ASIA1%session//1=="
        assert len(stamp) == len("20260101T000000")
        assert len(signature) == 64
        assert found.expires_at - clouds.clock.wall() <= 900


@pytest.mark.parametrize(
    "url",
    [
        "https://git-codecommit.eu-west-1.amazonaws.com.evil.example.com/v1/repos/a",
        "https://evil.example.com/git-codecommit.eu-west-1.amazonaws.com",
        "http://git-codecommit.eu-west-1.amazonaws.com/v1/repos/a",
        "ssh://git-codecommit.eu-west-1.amazonaws.com/v1/repos/a",
    ],
)
async def test_no_login_is_made_for_another_host_than_codecommits(url: str) -> None:
    async with world() as clouds:
        with pytest.raises(TokenUnavailable, match="no host of AWS CodeCommit"):
            await clouds.context().token("aws", None, Scope(Purpose.GIT, url))


async def test_a_secret_in_a_scope_is_never_shown() -> None:
    scope = Scope(Purpose.KEYS, KEY, secret=static(aws_secret_access_key="canary"))

    assert "canary" not in repr(scope)
    assert "canary" not in repr(scope.key)
    assert json.dumps(str(scope.key)).isprintable()
