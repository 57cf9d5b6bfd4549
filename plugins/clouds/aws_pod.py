"""The pod's own identity at AWS: from its environment, its token, or its machine.

In this order, as Amazon's SDKs: static keys, web identity (IRSA), a profile of the shared files,
EKS Pod Identity, the node.
"""

from typing import Any
from urllib.parse import quote, urlsplit

from engine.cluster.outbound import Route, Unanswered
from engine.plugin import Context, Scope, Token, TokenUnavailable
from plugins.clouds import aws
from plugins.clouds.answers import check, document, instant_in, text_in
from plugins.clouds.aws_profile import DEFAULT, of_profile
from plugins.clouds.tokens import read_file

_NODE = "http://169.254.169.254"
_LOCAL = Route(is_local=True)
_CONTAINER = "http://169.254.170.2"  # ECS; EKS gives a whole URL
_CONTAINER_HOSTS = frozenset(
    {"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "127.0.0.1", "localhost"}
)
_SECONDS = 60  # for which the node gives a token to read its metadata with


async def own(place: aws.Place, scope: Scope, ctx: Context) -> Token:
    """The credentials of this pod.  Raises TokenUnavailable, Refused, Unanswered."""
    env = ctx.environ
    if env.get("AWS_ACCESS_KEY_ID") and env.get("AWS_SECRET_ACCESS_KEY"):
        return Token(
            user=env["AWS_ACCESS_KEY_ID"],
            secret=env["AWS_SECRET_ACCESS_KEY"],
            session=env.get("AWS_SESSION_TOKEN", ""),
        )
    if env.get("AWS_WEB_IDENTITY_TOKEN_FILE") and env.get("AWS_ROLE_ARN"):
        token = await read_file(env["AWS_WEB_IDENTITY_TOKEN_FILE"])
        session = env.get("AWS_ROLE_SESSION_NAME", "lockstep")
        return await aws.assumed_by_web_identity(
            env["AWS_ROLE_ARN"], session, token, place, ctx, scope.route
        )
    found = await of_profile(env.get("AWS_PROFILE") or DEFAULT, place, scope, ctx)
    if found is not None:
        return found
    if env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") or env.get(
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
    ):
        return await _of_container(ctx)
    return await _of_node(ctx)


async def _of_container(ctx: Context) -> Token:
    """EKS Pod Identity and ECS: an agent on the node's link."""
    env = ctx.environ
    url = env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") or (
        _CONTAINER + env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
    )
    if not url.startswith("https://") and urlsplit(url).netloc.split("%")[0] not in (
        _CONTAINER_HOSTS
    ):
        raise TokenUnavailable("AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor the agent")
    proof = env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
    if path := env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        proof = await read_file(path)
    headers = {"Authorization": proof} if proof else {}
    answer = await ctx.http.send("GET", url, headers=headers, route=_LOCAL)
    what = "the agent of EKS Pod Identity"
    check(answer, what, (proof,))
    return _token(document(answer, what), what)


async def _of_node(ctx: Context) -> Token:
    """The role of the machine, by the second version of its metadata service."""
    what = "the metadata service of the AWS node"
    node = (ctx.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _NODE).rstrip("/")
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": str(_SECONDS)}
    try:
        url = f"{node}/latest/api/token"
        answer = await ctx.http.send("PUT", url, headers=lifetime, route=_LOCAL)
    except Unanswered as error:
        raise TokenUnavailable(
            "no AWS credentials: there is none of AWS_ACCESS_KEY_ID, AWS_PROFILE, "
            "AWS_WEB_IDENTITY_TOKEN_FILE (IAM roles for service accounts), "
            "AWS_CONTAINER_CREDENTIALS_FULL_URI (EKS Pod Identity), and no node to give some: "
            f"{error}"
        ) from error
    check(answer, what)
    session = answer.body.decode(errors="replace").strip()
    headers = {"X-aws-ec2-metadata-token": session}
    url = f"{node}/latest/meta-data/iam/security-credentials/"
    answer = await ctx.http.send("GET", url, headers=headers, route=_LOCAL)
    check(answer, what, (session,))
    role = quote(answer.body.decode(errors="replace").strip().partition("\n")[0], safe="")
    answer = await ctx.http.send("GET", url + role, headers=headers, route=_LOCAL)
    check(answer, what, (session,))
    return _token(document(answer, what), what)


def _token(found: dict[str, Any], what: str) -> Token:
    return Token(
        user=text_in(found, "AccessKeyId", what),
        secret=text_in(found, "SecretAccessKey", what),
        session=text_in(found, "Token", what),
        expires_at=instant_in(found, "Expiration", what),
    )
