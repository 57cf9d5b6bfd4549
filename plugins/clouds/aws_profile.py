"""Profiles of Amazon's shared files, as its own tools read them: keys, roles, single sign-on.

Whose files they are decides who may name a profile: the environment (AWS_PROFILE), never a tenant.
Programs that a profile names (`credential_process`) are not run.
Source: AWS SDKs and tools reference guide, shared config and credentials files.
"""

import hashlib
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as NotIni
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final
from urllib.parse import quote

import anyio
import orjson

from engine.plugin import Context, Scope, Token, TokenUnavailable
from plugins.clouds import aws
from plugins.clouds.answers import Refused, check, document, instant_in, text_in
from plugins.clouds.tokens import read_file

DEFAULT: Final = "default"
_DEPTH: Final = 5  # of profiles that take their credentials from another


@dataclass(frozen=True, slots=True)
class Profiles:
    """What stands in both files; sections: {name: {field: value}}, of credentials over config."""

    told: str
    """The files, for messages."""
    sections: Mapping[str, Mapping[str, str]] = field(repr=False)
    sessions: Mapping[str, Mapping[str, str]] = field(repr=False)
    """`sso-session`s by name."""


async def profiles_of(environ: Mapping[str, str]) -> Profiles:
    """Both files; one that is not there is empty.  Raises TokenUnavailable."""
    home = PurePath(environ.get("HOME") or "/", ".aws")
    config = environ.get("AWS_CONFIG_FILE") or str(home / "config")
    secret = environ.get("AWS_SHARED_CREDENTIALS_FILE") or str(home / "credentials")
    sections: dict[str, dict[str, str]] = {}
    sessions: dict[str, dict[str, str]] = {}
    for title, values in (await _sections(config)).items():
        kind, _, name = title.partition(" ")
        if kind == "sso-session":
            sessions[name.strip()] = values
        elif kind == "profile" or title == DEFAULT:
            sections[name.strip() or title] = values
    for name, values in (await _sections(secret)).items():
        sections[name] = {**sections.get(name, {}), **values}
    return Profiles(f"'{config}' and '{secret}'", sections, sessions)


async def _sections(path: str) -> dict[str, dict[str, str]]:
    parser = ConfigParser(interpolation=None, strict=False, default_section="\0")
    try:
        parser.read_string(await anyio.Path(path).read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, NotIni) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no INI file"
        raise TokenUnavailable(f"AWS profiles: '{path}' cannot be read: {why}") from None
    return {title: dict(parser[title]) for title in parser.sections()}


async def of_profile(
    name: str, place: aws.Place, scope: Scope, ctx: Context, depth: int = 0
) -> Token | None:
    """The credentials of a profile; None: it has none, or it is the default and not there.

    Raises TokenUnavailable, Refused, Unanswered.
    """
    profiles = await profiles_of(ctx.environ)
    found = profiles.sections.get(name)
    if found is None:
        if name == DEFAULT:
            return None
        known = ", ".join(sorted(profiles.sections)) or "none"
        raise TokenUnavailable(
            f"AWS profile '{name}' is not there: {profiles.told} have: {known}; set AWS_PROFILE"
        )
    if depth > _DEPTH:
        raise TokenUnavailable(f"AWS profile '{name}': profiles lead on more than {_DEPTH} times")
    if found.get("role_arn"):
        return await _of_role(name, found, place, scope, ctx, depth)
    if (keys := _keys_of(found)) is not None:
        return keys
    session = {**profiles.sessions.get(found.get("sso_session", ""), {}), **found}
    if session.get("sso_account_id") and session.get("sso_role_name"):
        return await _signed_on(name, session, ctx)
    if "credential_process" in found:
        raise TokenUnavailable(
            f"AWS profile '{name}' names a program (credential_process), which is not run: set "
            f"what `aws configure export-credentials --profile {name} --format env` prints"
        )
    return None


async def _of_role(
    name: str, found: Mapping[str, str], place: aws.Place, scope: Scope, ctx: Context, depth: int
) -> Token:
    """A role that is assumed with the credentials of another profile, or of a token's file."""
    role = found["role_arn"]
    session = found.get("role_session_name") or "lockstep"
    if path := found.get("web_identity_token_file"):
        proof = await read_file(path)
        return await aws.assumed_by_web_identity(role, session, proof, place, ctx, scope.route)
    source = found.get("source_profile", "")
    if not source:
        raise TokenUnavailable(
            f"AWS profile '{name}' has role_arn, but neither source_profile nor "
            "web_identity_token_file"
        )
    if source == name:  # its own keys, as Amazon's tools take it
        first = _keys_of(found)
    else:
        first = await of_profile(source, place, scope, ctx, depth + 1)
    if first is None:
        raise TokenUnavailable(f"AWS profile '{source}' (of '{name}') has no credentials")
    credentials = aws.credentials_of(first)
    external = found.get("external_id", "")
    return await aws.assumed(role, session, credentials, place, ctx, external)


def _keys_of(found: Mapping[str, str]) -> Token | None:
    """The keys that stand in a profile itself."""
    user, secret = found.get("aws_access_key_id"), found.get("aws_secret_access_key")
    if not user or not secret:
        return None
    return Token(user=user, secret=secret, session=found.get("aws_session_token", ""))


async def _signed_on(name: str, session: Mapping[str, str], ctx: Context) -> Token:
    """The credentials for which `aws sso login` left a token."""
    region, what = session.get("sso_region", ""), f"AWS single sign-on of profile '{name}'"
    place = aws.Place(region)
    bearer = await _bearer(name, session, ctx)
    account, role = quote(session["sso_account_id"]), quote(session["sso_role_name"])
    url = place.url("portal.sso", ctx.environ)
    answer = await ctx.http.send(
        "GET",
        f"{url}federation/credentials?account_id={account}&role_name={role}",
        headers={"x-amz-sso_bearer_token": bearer},
    )
    check(answer, what, (bearer,))
    found = document(answer, what).get("roleCredentials")
    given = found if isinstance(found, dict) else {}
    until = given.get("expiration")
    return Token(
        user=text_in(given, "accessKeyId", what),
        secret=text_in(given, "secretAccessKey", what),
        session=text_in(given, "sessionToken", what),
        expires_at=float(until) / 1000 if isinstance(until, int | float) else ctx.clock.wall(),
    )


async def _bearer(name: str, session: Mapping[str, str], ctx: Context) -> str:
    """What `aws sso login` left.  Raises TokenUnavailable."""
    key = session.get("sso_session") or session.get("sso_start_url", "")
    file = hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()  # Amazon's own name
    path = PurePath(ctx.environ.get("HOME") or "/", ".aws", "sso", "cache", f"{file}.json")
    again = f"run `aws sso login --profile {name}`"
    try:
        found = orjson.loads(await anyio.Path(path).read_bytes())
        bearer, until = str(found["accessToken"]), instant_in(found, "expiresAt", str(path))
    except (OSError, ValueError, KeyError, TypeError, Refused):
        raise TokenUnavailable(f"AWS profile '{name}' is not signed on: {again}") from None
    if until <= ctx.clock.wall():
        raise TokenUnavailable(f"the sign-on of AWS profile '{name}' has ended: {again}")
    return bearer
