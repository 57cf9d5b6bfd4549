"""Asks Google: bearer tokens from keys, from tokens of service accounts, and from the machine.

Keys and tokens go to hosts of Google only; a `token_uri` that names another is refused.
Source: Google's OAuth 2.0 for server to server, Security Token Service, IAM credentials API.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from engine.cluster.outbound import DIRECT, Answer, Route
from engine.plugin import Context, Token, TokenUnavailable
from plugins.clouds.answers import check, document, instant_in, seconds_in, text_in
from plugins.clouds.jwt import signed
from plugins.clouds.private_keys import BadKey

SCOPES = (
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/userinfo.email",
)
_TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_STS_URL = "https://sts.googleapis.com/v1/token"
_HOUR = 3600.0
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON = {"Content-Type": "application/json"}
_EMAIL = re.compile(r"[a-zA-Z0-9-]{1,100}@[a-zA-Z0-9.-]{1,100}\.gserviceaccount\.com")


async def of_key(key: Mapping[str, Any], ctx: Context) -> Token:
    """The token for the JSON key of a service account or a user.

    Raises TokenUnavailable, which quotes nothing secret of it; Refused, Unanswered.
    """
    kind = key.get("type")
    if kind == "authorized_user":
        fields = ("client_id", "client_secret", "refresh_token")
        asked = {name: _needed(key, name) for name in fields}
        form = {"grant_type": "refresh_token", **asked}
        secrets = asked["client_secret"], asked["refresh_token"]
        return await _granted(_TOKEN_URL, form, "the token of a Google user", secrets, ctx)
    if kind != "service_account":
        raise TokenUnavailable(
            f"Google credentials of type '{kind}' are not taken from here: give the JSON key of a "
            "service account, or a Kubernetes service account (workload identity)"
        )
    url = _token_url(str(key.get("token_uri") or _TOKEN_URL))
    now, email = int(ctx.clock.wall()), _needed(key, "client_email")
    claims = {
        "iss": email,
        "scope": " ".join(SCOPES),
        "aud": url,
        "iat": now,
        "exp": now + int(_HOUR),
    }
    header = {"kid": key["private_key_id"]} if key.get("private_key_id") else {}
    try:
        assertion = await signed(claims, _needed(key, "private_key").encode(), header=header)
    except BadKey as error:
        raise TokenUnavailable(f"Google service account '{email}': {error}") from error
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    what = f"the token of Google service account '{email}'"
    return await _granted(url, form, what, (assertion,), ctx)


def _needed(key: Mapping[str, Any], name: str) -> str:
    value = key.get(name)
    if not isinstance(value, str) or not value:
        raise TokenUnavailable(f"the Google credentials have no '{name}'")
    return value


def _token_url(url: str) -> str:
    """Raises TokenUnavailable unless it is Google's: what the key signs would go there."""
    parts = urlsplit(url)
    host = parts.netloc
    is_google = host == "accounts.google.com" or host.endswith(".googleapis.com")
    if parts.scheme != "https" or not is_google:
        raise TokenUnavailable("the 'token_uri' of the Google credentials is none of Google's")
    return url


async def exchanged(
    proof: str, audience: str, email: str, ctx: Context, route: Route = DIRECT
) -> Token:
    """The token for one of a Kubernetes service account; email: whom to impersonate, "": nobody.

    Raises Refused, Unanswered, TokenUnavailable.
    """
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "audience": audience,
        "scope": " ".join(SCOPES[:1] if email else SCOPES),
        "subject_token": proof,
    }
    what = f"Google STS for '{audience}'"
    found = await _granted(_STS_URL, form, what, (proof,), ctx, route)
    return await impersonated(email, found, ctx, route) if email else found


async def impersonated(email: str, found: Token, ctx: Context, route: Route = DIRECT) -> Token:
    """The token of a Google service account.  Raises Refused, Unanswered, TokenUnavailable."""
    if not _EMAIL.fullmatch(email):
        raise TokenUnavailable(f"'{email}' is no e-mail address of a Google service account")
    answer = await ctx.http.send(
        "POST",
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
        f"{email}:generateAccessToken",
        headers={**_JSON, "Authorization": f"Bearer {found.secret}"},
        body=orjson.dumps({"scope": SCOPES, "lifetime": f"{int(_HOUR)}s"}),
        route=route,
    )
    what = f"impersonating Google service account '{email}'"
    check(answer, what, (found.secret,))
    body = document(answer, what)
    until = instant_in(body, "expireTime", what)
    return Token(secret=text_in(body, "accessToken", what), expires_at=until)


async def _granted(
    url: str,
    form: Mapping[str, str],
    what: str,
    secrets: tuple[str, ...],
    ctx: Context,
    route: Route = DIRECT,
) -> Token:
    at = ctx.clock.wall()
    body = urlencode(form).encode()
    answer = await ctx.http.send("POST", url, headers=_FORM, body=body, route=route)
    check(answer, what, secrets)
    return token_in(answer, what, at)


def token_in(answer: Answer, what: str, at: float) -> Token:
    """The bearer token of an OAuth answer.  at: when it was asked for.  Raises Refused."""
    body = document(answer, what)
    lasting = seconds_in(body, "expires_in", what, _HOUR)
    return Token(secret=text_in(body, "access_token", what), expires_at=at + lasting)
