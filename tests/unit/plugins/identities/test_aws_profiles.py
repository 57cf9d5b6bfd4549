"""Amazon: profiles of the shared files, as whoever runs a command, or an operator, has them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import web

from engine.plugin import Purpose, Scope, TokenUnavailable
from tests.support.clouds.amazon import KEY, REGION, ROLE, Amazon
from tests.support.clouds.kubernetes import issued
from tests.support.clouds.world import Received, Refusal, World, world

KEYS = Scope(Purpose.KEYS, KEY)
CREDENTIALS = """\
[default]
aws_access_key_id = AKIDDEFAULT
aws_secret_access_key = of/default+%=
[base]
aws_access_key_id = AKIDSTATIC
aws_secret_access_key = static-secret
"""
CONFIG = f"""\
[default]
region = us-east-1
[profile deploy]
role_arn = {ROLE}
source_profile = base
external_id = ours
[profile self]
role_arn = {ROLE}
source_profile = self
aws_access_key_id = AKIDSTATIC
aws_secret_access_key = static-secret
[profile around]
role_arn = {ROLE}
source_profile = around2
[profile around2]
role_arn = {ROLE}
source_profile = around
[profile program]
credential_process = /bin/touch witness
[profile lonely]
role_arn = {ROLE}
[profile work]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = Decrypts
[sso-session corp]
sso_start_url = https://corp.example.com/start
sso_region = {REGION}
"""


@pytest.fixture
def home(tmp_path: Path) -> Mapping[str, str]:
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_text(CONFIG)
    (folder / "credentials").write_text(CREDENTIALS)
    return {"HOME": str(tmp_path)}


async def test_the_default_profile_is_taken_where_none_is_named(home: Mapping[str, str]) -> None:
    async with world() as clouds:
        found = await clouds.context(home).token("aws", None, KEYS)

        assert (found.user, found.secret) == ("AKIDDEFAULT", "of/default+%=")
        assert clouds.seen == []


async def test_keys_of_the_environment_come_before_profiles(home: Mapping[str, str]) -> None:
    async with world() as clouds:
        keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s", "AWS_PROFILE": "base"}

        assert (await clouds.context({**home, **keys}).token("aws", None, KEYS)).user == "AKID"


async def test_files_may_be_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(CREDENTIALS)
    async with world() as clouds:
        environ = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys"), "AWS_PROFILE": "base"}

        found = await clouds.context(environ).token("aws", None, KEYS)

        assert (found.user, found.secret) == ("AKIDSTATIC", "static-secret")


@pytest.mark.parametrize("name", ["deploy", "self"])
async def test_the_role_of_a_profile_is_assumed(name: str, home: Mapping[str, str]) -> None:
    async with world() as clouds:
        amazon = Amazon(clouds)

        found = await clouds.context({**home, "AWS_PROFILE": name}).token("aws", None, KEYS)

        assert amazon.identities[found.user].role == ROLE
        (asked,) = clouds.asked(f"sts.{REGION}.amazonaws.com")
        assert asked.form()["RoleArn"] == ROLE
        assert asked.form().get("ExternalId", "") == ("ours" if name == "deploy" else "")


async def test_a_profile_may_name_a_token_in_a_file(tmp_path: Path) -> None:
    async with world() as clouds:
        amazon = Amazon(clouds)
        claims = {"aud": ["sts.amazonaws.com"], "sub": "system:serviceaccount:apps:app"}
        token = tmp_path / "token"
        token.write_text(issued({**claims, "exp": clouds.clock.wall() + 60}))
        config = tmp_path / "config"
        text = f"[profile ci]\nrole_arn = {ROLE}\nweb_identity_token_file = {token}\n"
        config.write_text(text)
        environ = {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "ci", "HOME": str(tmp_path)}

        found = await clouds.context(environ).token("aws", None, KEYS)

        assert amazon.identities[found.user].role == ROLE


def signed_on(home: Mapping[str, str], until: str = "2099-01-01T00:00:00Z") -> None:
    folder = Path(home["HOME"], ".aws", "sso", "cache")
    folder.mkdir(parents=True)
    name = hashlib.sha1(b"corp", usedforsecurity=False).hexdigest()
    text = json.dumps({"accessToken": "canary-bearer", "expiresAt": until})
    (folder / f"{name}.json").write_text(text)


def portal(clouds: World) -> None:
    async def answer(request: Received) -> web.Response:
        assert (request.method, request.path) == ("GET", "/federation/credentials")
        assert request.query == {"account_id": "123456789012", "role_name": "Decrypts"}
        if request.headers["x-amz-sso_bearer_token"] != "canary-bearer":
            raise Refusal(401, {"message": "Session token not found or invalid"})
        keys = {"accessKeyId": "ASIASSO", "secretAccessKey": "s", "sessionToken": "t"}
        until = (clouds.clock.wall() + 3600) * 1000
        return web.json_response({"roleCredentials": {**keys, "expiration": until}})

    clouds.serve(f"portal.sso.{REGION}.amazonaws.com", answer)


async def test_who_has_signed_on_gets_the_credentials_of_the_role(home: Mapping[str, str]) -> None:
    async with world() as clouds:
        portal(clouds)
        signed_on(home)

        found = await clouds.context({**home, "AWS_PROFILE": "work"}).token("aws", None, KEYS)

        assert (found.user, found.session) == ("ASIASSO", "t")
        assert 3500 < found.expires_at - clouds.clock.wall() <= 3600


@pytest.mark.parametrize("until", ["", "2001-01-01T00:00:00Z"])
async def test_who_has_not_signed_on_is_told_how(until: str, home: Mapping[str, str]) -> None:
    if until:
        signed_on(home, until)
    async with world() as clouds:
        with pytest.raises(TokenUnavailable, match="run `aws sso login --profile work`") as told:
            await clouds.context({**home, "AWS_PROFILE": "work"}).token("aws", None, KEYS)

        assert "canary" not in str(told.value)
        assert clouds.seen == []


PROBLEMS = {
    "absent": "'absent' is not there: .* have: around, around2, base, default, deploy",
    "around": "profiles lead on more than 5 times",
    "program": "credential_process.*which is not run: set what `aws configure export-credentials",
    "lonely": "has role_arn, but neither source_profile nor web_identity_token_file",
}


@pytest.mark.parametrize("name", PROBLEMS)
async def test_a_profile_that_gives_nothing_says_why(name: str, home: Mapping[str, str]) -> None:
    async with world() as clouds:
        with pytest.raises(TokenUnavailable, match=PROBLEMS[name]) as told:
            await clouds.context({**home, "AWS_PROFILE": name}).token("aws", None, KEYS)

        assert "static-secret" not in str(told.value)
        assert clouds.seen == []


def broken(home: Mapping[str, str]) -> None:
    Path(home["HOME"], ".aws", "credentials").write_text("canary without a section")


async def test_a_file_that_is_no_ini_is_named_and_not_quoted(home: Mapping[str, str]) -> None:
    broken(home)
    async with world() as clouds:
        with pytest.raises(TokenUnavailable, match="credentials' cannot be read: it is") as told:
            await clouds.context(home).token("aws", None, KEYS)

        assert "canary" not in f"{told.value!r} {told.value.__cause__!r}"
