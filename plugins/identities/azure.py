"""Microsoft: tokens for Key Vault, AKS and Azure DevOps.

A token of a Kubernetes service account (audience api://AzureADTokenExchange) goes to the
operator's authority only.  Source: fluxcd/pkg auth/azure, kustomize-controller internal/sops/azkv.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from engine.cluster.outbound import Unanswered
from engine.objects.manifests import ManifestError, load_short
from engine.plugin import Context, Purpose, Scope, ServiceAccount, Token, TokenUnavailable
from plugins.clouds import azure, azure_pod
from plugins.clouds.account import proof_of
from plugins.clouds.answers import Refused, check, document
from plugins.clouds.endpoints import host_of

STATIC = "sops.azure-kv"
"""Key of a decryption Secret with an application of Entra ID."""
_CLIENT, _TENANT = "azure.workload.identity/client-id", "azure.workload.identity/tenant-id"
_DEVOPS = "499b84ac-1321-427f-aa17-267ca6975798"  # Azure DevOps' application
_AKS = "6dae42f8-4368-4678-94ff-3960e28e3630"  # AKS' application
_AKS_VERSION = "2024-09-01"
_CLUSTER = re.compile(
    r"/subscriptions/[\w-]{36}/resourceGroups/[^/?#]{1,200}/providers/"
    r"Microsoft\.ContainerService/managedClusters/[\w.-]{1,200}",
    re.IGNORECASE,
)
_DEVOPS_HOSTS = re.compile(r"(?:[\w-]+@)?dev\.azure\.com|[\w-]+\.visualstudio\.com")


async def token(account: ServiceAccount | None, scope: Scope, ctx: Context) -> Token:
    """KEYS: for the vault of `scope.resource`; CLUSTER: for AKS; GIT: for Azure DevOps."""
    try:
        if scope.purpose is Purpose.CLUSTER:
            return await _for_cluster(account, scope, ctx)
        if scope.purpose is Purpose.GIT:
            _check_devops(scope.resource)
            return await _token(account, _DEVOPS, scope, ctx)
        return await _token(account, azure.vault_audience(scope.resource, ctx), scope, ctx)
    except (Refused, Unanswered) as error:
        who = f" for service account '{account.namespace}/{account.name}'" if account else ""
        raise TokenUnavailable(f"no Azure credentials{who}: {error}") from error


def _check_devops(url: str) -> None:
    """Raises TokenUnavailable for another host: the token is good for all that one may read."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not _DEVOPS_HOSTS.fullmatch(parts.netloc.lower()):
        raise TokenUnavailable(
            f"'{parts.hostname or ''}' is no host of Azure DevOps: the URL reads "
            "https://dev.azure.com/<organization>/<project>/_git/<repository>"
        )


async def _token(
    account: ServiceAccount | None, audience: str, scope: Scope, ctx: Context
) -> Token:
    if STATIC in scope.secret:
        return await _of_secret(_fields(scope.secret[STATIC]), audience, ctx)
    if account is None:
        return await azure_pod.own(audience, ctx)
    client, tenant = (_annotation(account, name) for name in (_CLIENT, _TENANT))
    proof = await proof_of(account, "api://AzureADTokenExchange", ctx)
    authority = ctx.environ.get("AZURE_AUTHORITY_HOST") or azure.PUBLIC
    app = azure.Application(tenant, client, authority)
    return await azure.by_assertion(app, proof, audience, ctx, scope.route)


def _annotation(account: ServiceAccount, name: str) -> str:
    value = account.annotations.get(name, "")
    if not value:
        raise TokenUnavailable(f"service account '{account.name}' has no annotation {name}")
    return value


def _fields(content: bytes) -> Mapping[str, Any]:
    """Raises TokenUnavailable, which quotes nothing of it."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):  # as PowerShell writes files
        content = content.decode("utf-16", errors="replace").encode()
    try:
        found = load_short(content.removeprefix(b"\xef\xbb\xbf"))
    except ManifestError:
        found = None
    if not isinstance(found, Mapping):
        raise TokenUnavailable(f"'{STATIC}' is no YAML or JSON with tenantId, clientId and its kin")
    return found


async def _of_secret(fields: Mapping[str, Any], audience: str, ctx: Context) -> Token:
    """By what stands there, in this order: as Flux's TokenCredentialFromAADConfig."""
    given = {name: str(value) for name, value in fields.items() if value not in (None, "", False)}
    authority = given.get("authorityHost", "")
    app = azure.Application(
        given.get("tenantId") or given.get("tenant", ""),
        given.get("clientId") or given.get("appId", ""),
        authority or azure.PUBLIC,
        sends_chain="clientCertificateSendChain" in given,
        is_guarded=bool(authority),
    )
    if given.keys() >= {"tenantId", "clientId", "clientSecret"}:
        return await azure.by_secret(app, given["clientSecret"], audience, ctx)
    if given.keys() >= {"tenantId", "clientId", "clientCertificate"}:
        password = given.get("clientCertificatePassword", "").encode()
        content = given["clientCertificate"].encode()
        return await azure.by_certificate(app, content, password, audience, ctx)
    if given.keys() >= {"tenant", "appId", "password"}:
        return await azure.by_secret(app, given["password"], audience, ctx)
    if "clientId" in given:
        return await azure_pod.of_machine(given["clientId"], audience, ctx)
    raise TokenUnavailable(
        f"'{STATIC}' needs tenantId, clientId and clientSecret or clientCertificate; or tenant, "
        "appId and password; or clientId alone (managed identity)"
    )


async def _for_cluster(account: ServiceAccount | None, scope: Scope, ctx: Context) -> Token:
    found = await _token(account, _AKS, scope, ctx)
    address, ca = scope.address, scope.ca
    if not address or not ca or account is None:  # see `clouds.endpoints`
        described = await _described(account, scope, ctx)
        address, ca = address or described[0], ca or described[1]
    return Token(secret=found.secret, expires_at=found.expires_at, address=address, ca=ca)


async def _described(
    account: ServiceAccount | None, scope: Scope, ctx: Context
) -> tuple[str, bytes]:
    """The address and the authority of a cluster, of the first kubeconfig with that address."""
    if not _CLUSTER.fullmatch(scope.resource):
        raise TokenUnavailable(
            f"invalid AKS cluster id: '{scope.resource}': it reads /subscriptions/<id>/"
            "resourceGroups/<name>/providers/Microsoft.ContainerService/managedClusters/<name>"
        )
    cloud, what = azure.cloud_of(ctx.environ), f"AKS cluster '{scope.resource}'"
    found = await _token(account, cloud.manager_audience, scope, ctx)
    url = f"{cloud.manager}{scope.resource}/listClusterUserCredential?api-version={_AKS_VERSION}"
    headers = {"Authorization": f"Bearer {found.secret}", "Content-Length": "0"}
    answer = await ctx.http.send("POST", url, headers=headers, route=scope.route)
    check(answer, what, (found.secret,))
    clusters = [
        each
        for config in document(answer, what).get("kubeconfigs") or ()
        for each in _clusters(config)
    ]
    for server, ca in clusters:
        if not scope.address or host_of(server) == host_of(scope.address):
            return server, ca
    raise TokenUnavailable(
        f"{what} has no kubeconfig with address '{scope.address}', only "
        + (", ".join(f"'{server}'" for server, _ in clusters) or "none at all")
    )


def _clusters(config: Any) -> list[tuple[str, bytes]]:
    """(server, CA) of each cluster in an entry of the answer."""
    try:
        loaded = load_short(base64.b64decode(config["value"]))
        return [
            (
                str(each["cluster"]["server"]),
                base64.b64decode(each["cluster"].get("certificate-authority-data") or ""),
            )
            for each in loaded["clusters"]
        ]
    except (ManifestError, KeyError, TypeError, ValueError):
        raise TokenUnavailable("a kubeconfig that AKS gave cannot be read") from None
