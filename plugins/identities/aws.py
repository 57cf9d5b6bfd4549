"""Amazon: roles for service accounts, tokens for EKS, Git credentials for CodeCommit.

A token of a service account (audience sts.amazonaws.com) goes to Amazon's STS of a region only.
Source: fluxcd/pkg auth/aws; EKS authentication (aws-iam-authenticator); git-remote-codecommit.
"""

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from engine.cluster.outbound import Unanswered
from engine.objects.manifests import ManifestError, load_short
from engine.plugin import Context, Purpose, Scope, ServiceAccount, Token, TokenUnavailable
from plugins.clouds import aws, aws_pod
from plugins.clouds.account import proof_of
from plugins.clouds.answers import Refused, check, document
from plugins.clouds.endpoints import check_known
from plugins.clouds.sigv4 import Credentials, Signer

STATIC = "sops.aws-kms"
"""Key of a decryption Secret with static credentials."""
_ROLE = "eks.amazonaws.com/role-arn"
_ROLE_ARN = re.compile(r"arn:aws[\w-]*:iam::[0-9]{1,30}:role/.{1,200}")
_CLUSTER_ARN = re.compile(r"arn:aws[\w-]*:eks:[^:]{1,100}:[0-9]{1,30}:cluster/([\w-]{1,200})")
_CODECOMMIT = re.compile(rf"git-codecommit(?:-fips)?\.({aws.REGION})\.amazonaws\.com(\.cn)?")
_EKS_SECONDS = 15 * 60.0  # EKS takes no older token
_CODECOMMIT_SECONDS = 15 * 60.0


async def token(account: ServiceAccount | None, scope: Scope, ctx: Context) -> Token:
    """KEYS: credentials that sign; CLUSTER: a token for EKS; GIT: a login at CodeCommit."""
    try:
        if scope.purpose is Purpose.CLUSTER:
            return await _for_cluster(account, scope, ctx)
        if scope.purpose is Purpose.GIT:
            return await _for_git(account, scope, ctx)
        place = aws.place_of(scope.resource)
        found = await _credentials(account, place, scope, ctx)
        if not scope.role:
            return found
        _check_role(scope.role, "the role of the key")
        return await aws.assumed(scope.role, "sops@lockstep", aws.credentials_of(found), place, ctx)
    except (Refused, Unanswered) as error:
        raise TokenUnavailable(f"no AWS credentials{_of(account)}: {error}") from error


def _of(account: ServiceAccount | None) -> str:
    return f" for service account '{account.namespace}/{account.name}'" if account else ""


async def _credentials(
    account: ServiceAccount | None, place: aws.Place, scope: Scope, ctx: Context
) -> Token:
    if STATIC in scope.secret:
        return static(scope.secret[STATIC])
    if account is None:
        return await aws_pod.own(place, scope, ctx)
    role = account.annotations.get(_ROLE, "")
    _check_role(role, f"annotation {_ROLE} of service account '{account.name}'")
    proof = await proof_of(account, "sts.amazonaws.com", ctx)
    session = f"{account.name}.{account.namespace}.{place.region}.fluxcd.io"
    return await aws.assumed_by_web_identity(role, session, proof, place, ctx, scope.route)


def _check_role(role: str, where: str) -> None:
    if not _ROLE_ARN.fullmatch(role):
        raise TokenUnavailable(
            f"{where} is '{role}', no ARN of a role such as arn:aws:iam::123456789012:role/name"
        )


def static(content: bytes) -> Token:
    """The credentials in a `sops.aws-kms`.  Raises TokenUnavailable, which quotes nothing of it."""
    try:
        found = load_short(content)
    except ManifestError:
        found = None
    if not isinstance(found, Mapping):
        raise TokenUnavailable(f"'{STATIC}' is no YAML with aws_access_key_id and its kin")
    texts = {name: str(value or "") for name, value in found.items()}
    user, secret = texts.get("aws_access_key_id", ""), texts.get("aws_secret_access_key", "")
    if not user or not secret:
        raise TokenUnavailable(f"'{STATIC}' needs aws_access_key_id and aws_secret_access_key")
    return Token(user=user, secret=secret, session=texts.get("aws_session_token", ""))


async def _for_cluster(account: ServiceAccount | None, scope: Scope, ctx: Context) -> Token:
    match = _CLUSTER_ARN.fullmatch(scope.resource)
    if match is None:
        raise TokenUnavailable(
            f"invalid EKS cluster ARN: '{scope.resource}': it reads "
            "arn:aws:eks:<region>:<account>:cluster/<name>"
        )
    name, place = match[1], aws.place_of(scope.resource)
    found = await _credentials(account, place, scope, ctx)
    credentials, at = aws.credentials_of(found), ctx.clock.wall()
    address, ca = scope.address, scope.ca
    if not address or not ca or account is None:
        described = await _described(name, credentials, place, ctx)
        if address and account is None:
            check_known(address, described[:1], f"EKS cluster '{scope.resource}'")
        address, ca = address or described[0], ca or described[1]
    asked = f"{place.url('sts', ctx.environ)}?Action=GetCallerIdentity&Version=2011-06-15"
    url = Signer(credentials, "sts", place.region).presigned(
        asked, at, {"x-k8s-aws-id": name}, int(_EKS_SECONDS)
    )
    secret = "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
    until = min(at + _EKS_SECONDS, found.expires_at)
    return Token(secret=secret, expires_at=until, address=address, ca=ca)


async def _described(
    name: str, credentials: Credentials, place: aws.Place, ctx: Context
) -> tuple[str, bytes]:
    """The address and the authority of a cluster."""
    url, what = f"{place.url('eks', ctx.environ)}clusters/{name}", f"AWS EKS cluster '{name}'"
    signer = Signer(credentials, "eks", place.region)
    headers = signer.headers("GET", url, b"", ctx.clock.wall(), {})
    answer = await ctx.http.send("GET", url, headers=headers)
    check(answer, what, credentials.secrets)
    cluster = document(answer, what).get("cluster") or {}
    data = (cluster.get("certificateAuthority") or {}).get("data") or ""
    if not cluster.get("endpoint"):
        raise Refused(answer.status, f"{what}: it has no endpoint (yet)")
    return str(cluster["endpoint"]), base64.b64decode(data)


async def _for_git(account: ServiceAccount | None, scope: Scope, ctx: Context) -> Token:
    parts = urlsplit(scope.resource)
    match = _CODECOMMIT.fullmatch(parts.hostname or "")
    if match is None or parts.scheme != "https":
        raise TokenUnavailable(
            f"'{parts.hostname or ''}' is no host of AWS CodeCommit: the URL reads "
            "https://git-codecommit.<region>.amazonaws.com/v1/repos/<name>"
        )
    place = aws.Place(match[1], "aws-cn" if match[2] else "aws")
    found = await _credentials(account, place, scope, ctx)
    at = ctx.clock.wall()
    stamp = datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%S")
    canonical = f"GIT\n{parts.path}\n\nhost:{parts.netloc}\n\nhost\n"
    signer = Signer(aws.credentials_of(found), "codecommit", place.region)
    return Token(
        user=f"{found.user}%{found.session}" if found.session else found.user,
        secret=f"{stamp}Z{signer.signature(canonical, stamp)}",
        expires_at=min(at + _CODECOMMIT_SECONDS, found.expires_at),
    )
