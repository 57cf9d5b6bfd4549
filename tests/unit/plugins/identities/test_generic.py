"""The token of the service account itself."""

import pytest

from engine.plugin import Purpose, Scope, ServiceAccount, TokenUnavailable
from tests.support.clouds.kubernetes import OWN_AUDIENCE, of_cluster
from tests.support.clouds.world import world

APP = ServiceAccount("apps", "app")


async def test_a_cluster_gets_a_token_for_itself_alone() -> None:
    async with world() as clouds:
        clouds.kubernetes.account("app")
        ctx = clouds.context(object_level_workload_identity=True)

        found = await ctx.token("generic", APP, Scope(Purpose.CLUSTER, address="API.example.com"))

        assert found.address == "https://api.example.com:443"
        claims = of_cluster(found.secret, clouds.clock.wall())
        assert claims["aud"] == ["API.example.com"]
        assert claims["sub"] == "system:serviceaccount:apps:app"


async def test_audiences_of_the_config_map_are_asked_for() -> None:
    async with world() as clouds:
        clouds.kubernetes.account("app")
        ctx = clouds.context(object_level_workload_identity=True)
        scope = Scope(Purpose.CLUSTER, address="https://a:6443", audiences=("one", "two"), ca=b"CA")

        found = await ctx.token("generic", APP, scope)

        assert clouds.kubernetes.audiences() == [["one", "two"]]
        assert (found.address, found.ca) == ("https://a:6443", b"CA")


async def test_the_engines_own_account_is_used_where_none_is_named() -> None:
    async with world() as clouds:
        clouds.kubernetes.account("app")
        clouds.kubernetes.engine_is("system:serviceaccount:apps:app")

        found = await clouds.context().token(
            "generic", None, Scope(Purpose.CLUSTER, address="https://a")
        )

        assert of_cluster(found.secret, clouds.clock.wall())["aud"] == ["https://a"]


async def test_the_engines_own_token_is_not_given_away_if_it_were_good_here() -> None:
    """A tenant's ConfigMap names the address, and could name our own API server's audience."""
    async with world() as clouds:
        clouds.kubernetes.account("app")
        clouds.kubernetes.engine_is("system:serviceaccount:apps:app")
        scope = Scope(
            Purpose.CLUSTER, address="https://evil.example.com", audiences=("x", OWN_AUDIENCE)
        )

        with pytest.raises(TokenUnavailable, match="not given away; name a service account"):
            await clouds.context().token("generic", None, scope)


async def test_a_tenants_own_account_may_have_whatever_audience_it_likes() -> None:
    async with world() as clouds:
        clouds.kubernetes.account("app")
        ctx = clouds.context(object_level_workload_identity=True)
        scope = Scope(Purpose.CLUSTER, address="https://a", audiences=(OWN_AUDIENCE,))

        found = await ctx.token("generic", APP, scope)

        assert of_cluster(found.secret, clouds.clock.wall())["aud"] == [OWN_AUDIENCE]


async def test_an_engine_that_is_no_service_account_is_told_so() -> None:
    async with world() as clouds:
        clouds.kubernetes.engine_is("system:admin")

        with pytest.raises(TokenUnavailable, match="it is 'system:admin': name one"):
            await clouds.context().token(
                "generic", None, Scope(Purpose.CLUSTER, address="https://a")
            )


@pytest.mark.parametrize(
    "address",
    [
        "",
        "http://a",
        "https://",
        "https://u@a",
        "https://a:port",
        "https://a:0",
        "https://[::1",
        "../../etc",
        "a b",
        "a\x00",
        "https://a?x=y",
        254 * "a",
    ],
)
async def test_an_address_that_is_none_is_refused(address: str) -> None:
    async with world() as clouds:
        clouds.kubernetes.account("app")
        ctx = clouds.context(object_level_workload_identity=True)

        with pytest.raises(TokenUnavailable, match="always https"):
            await ctx.token("generic", APP, Scope(Purpose.CLUSTER, address=address))

        assert clouds.kubernetes.audiences() == []


async def test_a_token_that_says_not_who_is_to_accept_it_is_never_asked_for() -> None:
    """It would be one for the API server itself."""
    async with world() as clouds:
        clouds.kubernetes.account("app")
        ctx = clouds.context(object_level_workload_identity=True)

        for audiences in ((), ("",), ("https://vault", "")):
            with pytest.raises(TokenUnavailable, match="who is to accept it"):
                await ctx.token("generic", APP, Scope(Purpose.KEYS, "x", audiences=audiences))

        assert clouds.kubernetes.audiences() == []


@pytest.mark.parametrize(
    ("address", "wanted"),
    [("https://[2001:DB8::1]", "https://[2001:db8::1]:443"), ("A", "https://a:443")],
)
async def test_an_address_is_normal(address: str, wanted: str) -> None:
    async with world() as clouds:
        clouds.kubernetes.account("app")
        ctx = clouds.context(object_level_workload_identity=True)

        found = await ctx.token("generic", APP, Scope(Purpose.CLUSTER, address=address))

        assert found.address == wanted


async def test_there_are_no_generic_tokens_for_git() -> None:
    async with world() as clouds:
        with pytest.raises(TokenUnavailable, match=r"use spec\.secretRef"):
            await clouds.context().token("generic", None, Scope(Purpose.GIT, "https://a/b"))


async def test_a_provider_that_nobody_gives_is_told_with_those_there_are() -> None:
    async with world() as clouds:
        with pytest.raises(TokenUnavailable, match=r"'oracle' \(there are: aws, azure, gcp, gener"):
            await clouds.context().token("oracle", None, Scope(Purpose.KEYS, "x"))
