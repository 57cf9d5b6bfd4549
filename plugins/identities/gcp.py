"""Google: tokens for Cloud KMS and GKE.

A token of a Kubernetes service account has the audience of a workload identity pool and goes to
Google's STS only.  Source: fluxcd/pkg auth/gcp.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from engine.cluster.outbound import Unanswered
from engine.plugin import Context, Purpose, Scope, ServiceAccount, Token, TokenUnavailable
from plugins.clouds import gcp, gcp_machine
from plugins.clouds.account import proof_of
from plugins.clouds.answers import Refused, check, document
from plugins.clouds.endpoints import check_known

STATIC = "sops.gcp-kms"
"""Key of a decryption Secret with the JSON key of a service account."""
_EMAIL = "iam.gke.io/gcp-service-account"
_PROVIDER = "gcp.auth.fluxcd.io/workload-identity-provider"
_PROVIDER_NAME = re.compile(
    r"projects/\d{1,30}/locations/global/workloadIdentityPools/[^/]{1,100}/providers/[^/]{1,100}"
)
_CLUSTER_NAME = re.compile(r"projects/[\w.:-]{1,200}/locations/[\w-]{1,200}/clusters/[\w-]{1,200}")


async def token(account: ServiceAccount | None, scope: Scope, ctx: Context) -> Token:
    """KEYS: a token for Google's APIs; CLUSTER: the same, with address and CA of the cluster."""
    if scope.purpose is Purpose.GIT:
        raise TokenUnavailable("Google has no Git host that takes tokens: use another provider")
    try:
        found = await _token(account, scope, ctx)
        if scope.purpose is Purpose.KEYS:
            return found
        return await _for_cluster(found, account, scope, ctx)
    except (Refused, Unanswered) as error:
        who = f" for service account '{account.namespace}/{account.name}'" if account else ""
        raise TokenUnavailable(f"no Google credentials{who}: {error}") from error


async def _token(account: ServiceAccount | None, scope: Scope, ctx: Context) -> Token:
    if STATIC in scope.secret:
        try:
            key = orjson.loads(scope.secret[STATIC].strip())
        except orjson.JSONDecodeError:
            key = None
        if not isinstance(key, dict):
            raise TokenUnavailable(f"'{STATIC}' is no JSON key of a Google service account")
        return await gcp.of_key(key, ctx)
    if account is None:
        return await gcp_machine.own(ctx)
    email, provider = (account.annotations.get(each, "") for each in (_EMAIL, _PROVIDER))
    if provider and not _PROVIDER_NAME.fullmatch(provider):
        raise TokenUnavailable(
            f"annotation {_PROVIDER} of service account '{account.name}' is '{provider}', not "
            "projects/<number>/locations/global/workloadIdentityPools/<pool>/providers/<provider>"
        )
    if provider:
        audience = wanted = f"//iam.googleapis.com/{provider}"
    else:
        wanted, audience = await _of_gke(ctx)
    proof = await proof_of(account, wanted, ctx)
    return await gcp.exchanged(proof, audience, email, ctx, scope.route)


async def _of_gke(ctx: Context) -> tuple[str, str]:
    """The workload identity pool of this GKE cluster, and its name at Google's STS."""
    project = await gcp_machine.metadata("project/project-id", ctx)
    location = await gcp_machine.metadata("instance/attributes/cluster-location", ctx)
    name = await gcp_machine.metadata("instance/attributes/cluster-name", ctx)
    pool = f"{project}.svc.id.goog"
    cluster = f"projects/{project}/locations/{location}/clusters/{name}"
    return pool, f"identitynamespace:{pool}:https://container.googleapis.com/v1/{cluster}"


async def _for_cluster(
    found: Token, account: ServiceAccount | None, scope: Scope, ctx: Context
) -> Token:
    address, ca = scope.address, scope.ca
    if not address or not ca or account is None:
        cluster = await _described(found, scope, ctx)
        known = list(_addresses(cluster))
        if address and account is None:
            check_known(address, known, f"GKE cluster '{scope.resource}'")
        data = (cluster.get("masterAuth") or {}).get("clusterCaCertificate") or ""
        address, ca = address or f"https://{known[0]}", ca or base64.b64decode(data)
    return Token(secret=found.secret, expires_at=found.expires_at, address=address, ca=ca)


async def _described(found: Token, scope: Scope, ctx: Context) -> Mapping[str, Any]:
    """What Google knows of a cluster, which has an endpoint."""
    if not _CLUSTER_NAME.fullmatch(scope.resource):
        raise TokenUnavailable(
            f"invalid GKE cluster name: '{scope.resource}': it reads "
            "projects/<project>/locations/<location>/clusters/<name>"
        )
    url = f"https://container.googleapis.com/v1/{scope.resource}"
    headers = {"Authorization": f"Bearer {found.secret}"}
    answer = await ctx.http.send("GET", url, headers=headers, route=scope.route)
    what = f"GKE cluster '{scope.resource}'"
    check(answer, what, (found.secret,))
    cluster = document(answer, what)
    if not cluster.get("endpoint"):
        raise Refused(answer.status, f"{what}: it has no endpoint (yet)")
    return cluster


def _addresses(cluster: Mapping[str, Any]) -> Iterator[str]:
    """All endpoints of a cluster, that for everybody first."""
    yield str(cluster["endpoint"])
    planes = cluster.get("controlPlaneEndpointsConfig") or {}
    yield str((planes.get("dnsEndpointConfig") or {}).get("endpoint", ""))
    for place in (cluster.get("privateClusterConfig"), planes.get("ipEndpointsConfig")):
        for name in ("privateEndpoint", "publicEndpoint"):
            yield str((place or {}).get(name, ""))
