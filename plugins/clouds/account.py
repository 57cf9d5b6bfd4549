"""What a Kubernetes service account shows to a cloud: a token of the cluster for that audience."""

from engine.cluster import ApiError
from engine.cluster.token_request import requested_token
from engine.plugin import Context, ServiceAccount, TokenUnavailable


async def proof_of(account: ServiceAccount, audience: str, ctx: Context) -> str:
    """The token.  Raises TokenUnavailable."""
    try:
        proof, _ = await requested_token(ctx.client, account.namespace, account.name, [audience])
    except ApiError as error:
        raise TokenUnavailable(
            f"failed to create a token for service account '{account.namespace}/{account.name}': "
            f"{error}: the engine needs `create` on serviceaccounts/token there"
        ) from error
    return proof
