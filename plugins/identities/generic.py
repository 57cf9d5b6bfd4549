"""No cloud: the token of the service account itself, for clusters and Vaults that trust its issuer.

Its audience is who it goes to, so that it is worth nothing anywhere else.  A tenant chooses address
and audiences of a cluster: of the engine's own account nothing is given away that its own API
server would accept.
Source: fluxcd/pkg auth/generic.
"""

import re
from urllib.parse import urlsplit

from engine.cluster import ApiError, UnknownKind
from engine.cluster.token_request import requested_token
from engine.plugin import Context, Purpose, Scope, ServiceAccount, Token, TokenUnavailable

_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|(?=.*:)[0-9a-f:.]{2,45}")
_SHOWN = 100  # characters of what is no address
_SUBJECT = "system:serviceaccount:"


async def token(account: ServiceAccount | None, scope: Scope, ctx: Context) -> Token:
    """KEYS: for a Vault (`scope.audiences`); CLUSTER: for the API server at `scope.address`."""
    if scope.purpose is Purpose.GIT:
        raise TokenUnavailable("provider 'generic' has no tokens for Git: use spec.secretRef")
    address = ""
    if scope.purpose is Purpose.CLUSTER:
        address = _address(scope.address)
    audiences = scope.audiences or (scope.address,)
    if not all(audiences):  # a token for nobody would be one for the API server itself
        raise TokenUnavailable("a token of a service account must say who is to accept it")
    is_own = account is None
    account = account or await _own(ctx)
    try:
        proof, until = await requested_token(ctx.client, account.namespace, account.name, audiences)
        if is_own and await _is_good_here(proof, ctx):
            raise TokenUnavailable(
                f"audiences {', '.join(audiences)}: the engine's own token would be good for the "
                "API server that it runs in, and is not given away; name a service account"
            )
    except (ApiError, UnknownKind) as error:
        raise TokenUnavailable(
            f"failed to create a token for service account '{account.namespace}/{account.name}': "
            f"{error}: the engine needs `create` on serviceaccounts/token there"
        ) from error
    return Token(secret=proof, expires_at=until, address=address, ca=scope.ca)


def _address(text: str) -> str:
    """`https://<host in lower case>:<port>`.  Raises TokenUnavailable."""
    try:
        parts = urlsplit(text if text.startswith("http") else f"https://{text}")
        port = 443 if parts.port is None else parts.port
    except ValueError:
        parts, port = urlsplit(""), 0
    host = parts.hostname or ""
    is_plain = parts.username is None and not parts.query and not parts.fragment
    if parts.scheme != "https" or not port or not is_plain or not _HOST.fullmatch(host):
        raise TokenUnavailable(
            f"address '{text[:_SHOWN]}' of the cluster is none: it reads https://<host>:<port>, "
            "always https"
        )
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


async def _is_good_here(proof: str, ctx: Context) -> bool:
    """Whether the engine's own API server would take the token for its holder's.

    Raises ApiError: then nobody knows.
    """
    resource = await ctx.client.resource("authentication.k8s.io/v1", "TokenReview")
    spec = {"token": proof}
    asked = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
    answer = await ctx.client.create(resource, asked)
    return (answer.get("status") or {}).get("authenticated") is True


async def _own(ctx: Context) -> ServiceAccount:
    """Who the engine is.  Raises TokenUnavailable if it is no service account."""
    try:
        resource = await ctx.client.resource("authentication.k8s.io/v1", "SelfSubjectReview")
        asked = {"apiVersion": resource.api_version, "kind": resource.kind}
        answer = await ctx.client.create(resource, asked)
    except (ApiError, UnknownKind) as error:
        raise TokenUnavailable(f"the API server does not say who the engine is: {error}") from error
    user = ((answer.get("status") or {}).get("userInfo") or {}).get("username", "")
    namespace, _, name = user.removeprefix(_SUBJECT).partition(":")
    if not user.startswith(_SUBJECT) or not namespace or not name:
        raise TokenUnavailable(
            f"the engine has no service account of its own, it is '{user}': name one in "
            "serviceAccountName"
        )
    return ServiceAccount(namespace, name)
