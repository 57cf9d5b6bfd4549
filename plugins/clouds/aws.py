"""Asks AWS: hosts by region, signed requests, roles.

Regions and partitions come from ARNs in files and annotations: only what looks like one becomes
part of a host name, and a host is always Amazon's.  Operators change it with AWS_ENDPOINT_URL.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson

from engine.cluster.outbound import Answer, Route
from engine.plugin import Context, Token
from plugins.clouds.answers import Refused, check, document, words
from plugins.clouds.sigv4 import Credentials, Signer

# botocore's endpoints.json: partitions and their DNS suffixes.
_SUFFIXES: Mapping[str, str] = {
    "aws": "amazonaws.com",
    "aws-cn": "amazonaws.com.cn",
    "aws-us-gov": "amazonaws.com",
    "aws-eusc": "amazonaws.eu",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
    "aws-iso-e": "cloud.adc-e.uk",
    "aws-iso-f": "csp.hci.ic.gov",
}
REGION = r"[a-z]{2,4}(?:-[a-z]{1,12}){1,3}-\d{1,2}"
_REGION = re.compile(REGION)
_TRIES = 4
_BUSY = ("ThrottlingException", "Throttling", "RequestLimitExceeded", "TooManyRequestsException")
_STS_VERSION = "2011-06-15"
_LONGEST_SESSION = 64  # characters of a role session's name


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service is asked."""

    region: str
    partition: str = "aws"

    def url(self, service: str, environ: Mapping[str, str]) -> str:
        """The service's URL, with a slash at its end.  Raises Refused for no region of AWS."""
        own = environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or environ.get("AWS_ENDPOINT_URL")
        if own:
            return own.rstrip("/") + "/"
        suffix = _SUFFIXES.get(self.partition)
        if suffix is None or not _REGION.fullmatch(self.region):
            raise Refused(0, f"'{self.partition}:{self.region}' is no partition and region of AWS")
        return f"https://{service}.{self.region}.{suffix}/"


def place_of(arn: str) -> Place:
    """The place that an ARN names: `arn:<partition>:<service>:<region>:...`."""
    parts = arn.split(":")
    return Place(parts[3], parts[1]) if len(parts) > 3 else Place("")


def regional(arn: str) -> str:
    """What of an ARN decides which credentials are asked for: keys of a region share them."""
    return ":".join(arn.split(":")[:4])


async def call(
    target: str, body: Mapping[str, Any], signer: Signer, place: Place, ctx: Context
) -> dict[str, Any]:
    """The answer of a service that speaks JSON; target: `TrentService.Decrypt`.

    Asked again while it throttles.  Raises Refused, Unanswered.
    """
    url, attempt = place.url(signer.service, ctx.environ), 0
    sent = orjson.dumps(body)
    fixed = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
    while True:
        attempt += 1
        headers = signer.headers("POST", url, sent, ctx.clock.wall(), fixed)
        answer = await ctx.http.send("POST", url, headers=headers, body=sent)
        if attempt >= _TRIES or not _is_busy(answer):
            break
        await ctx.clock.sleep(0.25 * 2.0**attempt)
    check(answer, _told(target, place), signer.credentials.secrets)
    return document(answer, _told(target, place))


def _is_busy(answer: Answer) -> bool:
    return answer.status == 400 and words(answer.body).startswith(_BUSY)


def _told(target: str, place: Place) -> str:
    return f"AWS {target.rpartition('.')[2]} in '{place.region}'"


async def assumed_by_web_identity(
    role: str, session: str, token: str, place: Place, ctx: Context, route: Route
) -> Token:
    """The credentials of a role, for a token of a service account.  Raises Refused, Unanswered."""
    asked = {"RoleArn": role, "RoleSessionName": session_name(session), "WebIdentityToken": token}
    url = place.url("sts", ctx.environ)
    body = _form("AssumeRoleWithWebIdentity", asked)
    answer = await ctx.http.send("POST", url, headers=_FORM, body=body, route=route)
    return _assumed(answer, "AssumeRoleWithWebIdentity", role, (token,))


async def assumed(
    role: str,
    session: str,
    credentials: Credentials,
    place: Place,
    ctx: Context,
    external_id: str = "",
) -> Token:
    """The credentials of a role, for those of another identity.  Raises Refused, Unanswered.

    external_id: what the role's owner asks for beside, "" if nothing.
    """
    url = place.url("sts", ctx.environ)
    more = {"ExternalId": external_id} if external_id else {}
    asked = {"RoleArn": role, "RoleSessionName": session_name(session), **more}
    body = _form("AssumeRole", asked)
    signer = Signer(credentials, "sts", place.region)
    headers = signer.headers("POST", url, body, ctx.clock.wall(), _FORM)
    answer = await ctx.http.send("POST", url, headers=headers, body=body)
    return _assumed(answer, "AssumeRole", role, credentials.secrets)


_FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def _form(action: str, asked: Mapping[str, str]) -> bytes:
    return urlencode({"Action": action, "Version": _STS_VERSION, **asked}).encode()


def _assumed(answer: Answer, action: str, role: str, secrets: tuple[str, ...]) -> Token:
    what = f"AWS STS {action} of '{role}'"
    check(answer, what, secrets)
    text = answer.body.decode(errors="replace")
    found = {
        name: html.unescape(match[1])
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
        if (match := re.search(f"<{name}>([^<]+)</{name}>", text))
    }
    try:
        return Token(
            secret=found["SecretAccessKey"],
            user=found["AccessKeyId"],
            session=found["SessionToken"],
            expires_at=datetime.fromisoformat(found["Expiration"]).timestamp(),
        )
    except (KeyError, ValueError):
        raise Refused(answer.status, f"{what}: the answer holds no credentials") from None


def session_name(text: str) -> str:
    """The text as the name of a role session: what others are is an underscore, 64 characters."""
    return re.sub(r"[^\w+=,.@-]", "_", text, flags=re.ASCII)[:_LONGEST_SESSION]


def credentials_of(token: Token) -> Credentials:
    """What signs, of a token of the identity `aws`."""
    return Credentials(token.user, token.secret, token.session)
