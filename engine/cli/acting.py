"""As whom a comparison asks: as whom the engine would apply, if the caller may act as that."""

from engine.api.kustomize import Kustomization
from engine.cluster import ApiError, Client, Resource

_REVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "SelfSubjectAccessReview",
    "selfsubjectaccessreviews",
    namespaced=False,
)


async def acting_for(ks: Kustomization, client: Client, default: str = "") -> tuple[Client, str]:
    """A client that acts as its service account; else the client, and why it does not ("": none).

    default: service account of those that name none, "" for none.
    """
    account, namespace = ks.spec.service_account_name or default, ks.metadata.namespace
    if not account:
        return client, ""
    user = f"system:serviceaccount:{namespace}:{account}"
    if client.user == user:
        return client, ""
    if client.user:
        return client, f"it is compared as {client.user}, but applied as {user}"
    if await _may_impersonate(account, namespace, client):
        return client.impersonating(user), ""
    return client, (
        f"it is applied as {user}, which you may not impersonate: what that may not do is not shown"
    )


async def _may_impersonate(account: str, namespace: str, client: Client) -> bool:
    attributes = {
        "verb": "impersonate",
        "resource": "serviceaccounts",
        "name": account,
        "namespace": namespace,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    try:
        answer = await client.create(_REVIEWS, review)
    except ApiError:
        return False
    return bool((answer.get("status") or {}).get("allowed"))
