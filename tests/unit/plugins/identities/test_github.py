"""GitHub Apps, against a stand-in that verifies their statements."""

import pytest
from aiohttp import web

from engine.plugin import Purpose, Scope, TokenUnavailable
from tests.support.clouds.authority import rsa_pem
from tests.support.clouds.githubs import GitHub, secret
from tests.support.clouds.world import Received, world

REPOSITORY = "https://github.com/fleet/fleet"


def scope_of(**more: str) -> Scope:
    return Scope(Purpose.GIT, REPOSITORY, secret=secret(**more))


@pytest.mark.parametrize(
    "which",
    [
        {"githubAppInstallationID": "77"},
        {"githubAppInstallationOwner": "fleet"},
        {"githubAppInstallationOwner": "octocat"},
    ],
    ids=["id", "organization", "user"],
)
async def test_an_installation_gives_a_login(which: dict[str, str]) -> None:
    async with world() as clouds:
        GitHub(clouds)

        found = await clouds.context().token("github", None, scope_of(**which))

        assert (found.user, found.secret) == ("x-access-token", "ghs_1")
        assert found.expires_at > clouds.clock.wall() + 3000


async def test_a_login_is_used_for_four_fifths_of_its_hour() -> None:
    async with world() as clouds:
        github, ctx = GitHub(clouds), clouds.context()
        scope = scope_of(githubAppInstallationID="77")
        await ctx.token("github", None, scope)
        clouds.clock.skip(2800)
        await ctx.token("github", None, scope)
        assert github.issued == 1
        clouds.clock.skip(100)

        await ctx.token("github", None, scope)

        assert github.issued == 2


async def test_another_key_gets_nothing_that_was_kept() -> None:
    async with world() as clouds:
        GitHub(clouds)
        ctx = clouds.context()
        await ctx.token("github", None, scope_of(githubAppInstallationID="77"))
        stolen = {**secret(githubAppInstallationID="77"), "githubAppPrivateKey": b"none"}

        with pytest.raises(TokenUnavailable, match="private key cannot be read"):
            await ctx.token("github", None, Scope(Purpose.GIT, REPOSITORY, secret=stolen))


async def test_github_enterprise_is_asked_where_the_secret_says() -> None:
    async with world() as clouds:
        GitHub(clouds, host="github.example.com", base="/api/v3")
        scope = scope_of(
            githubAppInstallationID="77", githubAppBaseURL="https://github.example.com/api/v3/"
        )

        assert (await clouds.context().token("github", None, scope)).secret == "ghs_1"


async def test_a_base_url_on_this_machine_is_not_asked() -> None:
    async with world(guarded=True) as clouds:
        GitHub(clouds, host="github.example.com")
        url = "https://github.example.com"
        scope = scope_of(githubAppInstallationID="77", githubAppBaseURL=url)

        with pytest.raises(TokenUnavailable, match="is loopback, link-local"):
            await clouds.context().token("github", None, scope)

        assert clouds.seen == []


async def test_an_app_that_is_not_installed_is_told_to_look_there() -> None:
    async with world() as clouds:
        GitHub(clouds)

        with pytest.raises(TokenUnavailable, match="HTTP 404: Not Found: is the App installed"):
            await clouds.context().token("github", None, scope_of(githubAppInstallationID="99"))


async def test_a_key_of_another_app_is_refused_and_the_statement_masked() -> None:
    async with world() as clouds:
        GitHub(clouds)
        data = secret(githubAppInstallationID="77", githubAppID="999")

        data["githubAppPrivateKey"] = rsa_pem("stranger")
        with pytest.raises(TokenUnavailable, match="HTTP 401") as refused:
            await clouds.context().token(
                "github", None, Scope(Purpose.GIT, REPOSITORY, secret=data)
            )

        assert "check githubAppID and githubAppPrivateKey" in str(refused.value)
        assert "eyJ" not in str(refused.value)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"githubAppID": "x"}, "no githubAppID"),
        ({}, "one of githubAppInstallationID and githubAppInstallationOwner"),
        (
            {"githubAppInstallationID": "1", "githubAppInstallationOwner": "a"},
            "one of githubAppInstallationID and githubAppInstallationOwner",
        ),
        ({"githubAppInstallationID": "../.."}, "githubAppInstallationID is no number"),
        ({"githubAppInstallationID": "1", "githubAppPrivateKey": ""}, "no githubAppPrivateKey"),
        (
            {"githubAppInstallationID": "1", "githubAppBaseURL": "file:///etc"},
            "githubAppBaseURL is no URL",
        ),
    ],
)
async def test_what_the_secret_lacks_is_named(data: dict[str, str], problem: str) -> None:
    given = {**secret(), **{name: text.encode() for name, text in data.items()}}
    async with world() as clouds:
        with pytest.raises(TokenUnavailable, match=problem):
            await clouds.context().token(
                "github", None, Scope(Purpose.GIT, REPOSITORY, secret=given)
            )


async def test_a_host_that_is_no_github_is_refused_like_one() -> None:
    """A tenant names the host, so that it may say anything."""
    async with world() as clouds:

        async def stranger(_: Received) -> web.Response:
            return web.json_response({"token": "t", "expires_at": "whenever"}, status=201)

        clouds.serve("github.example.com", stranger)
        scope = scope_of(
            githubAppInstallationID="77", githubAppBaseURL="https://github.example.com"
        )

        with pytest.raises(TokenUnavailable, match="'expires_at' is no time"):
            await clouds.context().token("github", None, scope)
