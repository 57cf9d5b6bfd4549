"""The pod's own identity at Azure: from its environment, its token, or its machine.

In this order, as Flux: client secret, certificate, workload identity, managed identity.
"""

from urllib.parse import urlencode

import anyio

from engine.cluster.outbound import Route, Unanswered
from engine.plugin import Context, Token, TokenUnavailable
from plugins.clouds import azure
from plugins.clouds.answers import check

_MACHINE = "http://169.254.169.254"
_LOCAL = Route(is_local=True)


async def own(audience: str, ctx: Context) -> Token:
    """The token of this pod.  Raises TokenUnavailable, Refused, Unanswered."""
    env = ctx.environ
    tenant, client = env.get("AZURE_TENANT_ID", ""), env.get("AZURE_CLIENT_ID", "")
    authority = env.get("AZURE_AUTHORITY_HOST") or azure.PUBLIC
    app = azure.Application(tenant, client, authority)
    if tenant and client and env.get("AZURE_CLIENT_SECRET"):
        return await azure.by_secret(app, env["AZURE_CLIENT_SECRET"], audience, ctx)
    if tenant and client and env.get("AZURE_CLIENT_CERTIFICATE_PATH"):
        content = await _read(env["AZURE_CLIENT_CERTIFICATE_PATH"])
        password = env.get("AZURE_CLIENT_CERTIFICATE_PASSWORD", "").encode()
        return await azure.by_certificate(app, content, password, audience, ctx)
    if tenant and client and env.get("AZURE_FEDERATED_TOKEN_FILE"):
        assertion = (await _read(env["AZURE_FEDERATED_TOKEN_FILE"])).decode(errors="replace")
        return await azure.by_assertion(app, assertion.strip(), audience, ctx)
    return await of_machine(client, audience, ctx)


async def of_machine(client: str, audience: str, ctx: Context) -> Token:
    """The token of a managed identity; client: which one, "": the only one."""
    asked = {"api-version": "2018-02-01", "resource": audience}
    if client:
        asked["client_id"] = client
    at = ctx.clock.wall()
    machine = (ctx.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or _MACHINE).rstrip("/")
    url = f"{machine}/metadata/identity/oauth2/token?{urlencode(asked)}"
    try:
        answer = await ctx.http.send("GET", url, headers={"Metadata": "true"}, route=_LOCAL)
    except Unanswered as error:
        raise TokenUnavailable(
            "no Azure credentials: the pod has no AZURE_CLIENT_SECRET, "
            "AZURE_CLIENT_CERTIFICATE_PATH or AZURE_FEDERATED_TOKEN_FILE (workload identity), and "
            f"its machine no managed identity: {error}"
        ) from error
    what = "the managed identity of the Azure machine"
    check(answer, what)
    return azure.token_in(answer, what, at)


async def _read(path: str) -> bytes:
    try:
        return await anyio.Path(path).read_bytes()
    except OSError as error:
        raise TokenUnavailable(f"the file '{path}' cannot be read: {error.strerror}") from error
