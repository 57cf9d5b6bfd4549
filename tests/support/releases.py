"""What the chart gives its engine on a real API server: rights and policies, for one test."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
from anyio import to_thread

from engine.cluster import Client
from engine.cluster.token_request import requested_token
from engine.objects.ref import Object
from tests.support.apiserver import ApiServer, kubeconfig
from tests.support.chart import rendered, settings_in
from tests.support.fleet import Fleet

NAME = "lockstep"
_POLICIES = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
_KINDS = ("ServiceAccount", "ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding", *_POLICIES)
_REVIEW = "authorization.k8s.io/v1", "SubjectAccessReview"
POLL = 0.02  # seconds; no event tells that the API server goes by what was written


@dataclass(frozen=True)
class Release:
    """A release of the chart without its Deployment: the engine runs in the test's process."""

    fleet: Fleet
    "Its engines are the release's service account; all else is still done by the administrator."
    settings: Mapping[str, Any]
    "With which the chart's Deployment runs the engine."

    @property
    def user(self) -> str:
        """The engine as the API server knows it."""
        return f"system:serviceaccount:{self.fleet.namespace}:{NAME}"


@asynccontextmanager
async def released(fleet: Fleet, *arguments: str) -> AsyncIterator[Release]:
    """The release in the fleet's namespace; arguments: Helm's.  Gone on leaving."""
    namespace = f"--namespace={fleet.namespace}"
    objects = await to_thread.run_sync(rendered, fleet.folder, namespace, *arguments)
    wanted = sorted(
        (obj for (kind, _), obj in objects.items() if kind in _KINDS),
        key=lambda obj: _KINDS.index(obj["kind"]),
    )
    client = fleet.client
    try:
        for obj in wanted:
            await client.create(await client.resource(obj["apiVersion"], obj["kind"]), obj)
        user = f"system:serviceaccount:{fleet.namespace}:{NAME}"
        await until_allowed(client, user, "create", "leases", fleet.namespace)
        await until_allowed(client, user, "patch", "kustomizations", "")
        token, _ = await requested_token(client, fleet.namespace, NAME, [])
        server = _as_bearer(fleet, token)
        settings = settings_in(objects["Deployment", NAME])
        given = {name: getattr(settings, name) for name in ("tenancy", "impersonation_mark")}
        yield Release(replace(fleet, server=server), given)
    finally:
        with anyio.CancelScope(shield=True):
            for obj in reversed(wanted):  # first what binds the rest
                await _delete(client, obj)


def _as_bearer(fleet: Fleet, token: str) -> ApiServer:
    """The fleet's API server for whoever has the token."""
    ca = fleet.server.ca.read_bytes() if fleet.server.ca else b""
    path = fleet.folder / "engine-kubeconfig.yaml"
    path.write_text(json.dumps(kubeconfig(fleet.server.url, token, ca)))
    return replace(fleet.server, kubeconfig=path, token=token)


async def _delete(client: Client, obj: Object) -> None:
    resource = await client.resource(obj["apiVersion"], obj["kind"])
    metadata = obj["metadata"]
    await client.delete(resource, metadata.get("namespace", ""), metadata["name"])


_GROUPS = {
    "leases": "coordination.k8s.io",
    "kustomizations": "kustomize.toolkit.fluxcd.io",
    "statefulsets": "apps",
}


async def until_allowed(client: Client, user: str, verb: str, plural: str, namespace: str) -> None:
    """Returns once the API server lets the user do that; namespace: empty: in all."""
    api_version, kind = _REVIEW
    resource = await client.resource(api_version, kind)
    attributes = {
        "verb": verb,
        "group": _GROUPS.get(plural, ""),
        "resource": plural,
        "namespace": namespace,
    }
    review = {
        "apiVersion": api_version,
        "kind": kind,
        "spec": {"user": user, "groups": groups_of(user), "resourceAttributes": attributes},
    }
    while True:
        answer = await client.create(resource, review)
        if answer["status"].get("allowed"):
            return
        await anyio.sleep(POLL)


def groups_of(user: str) -> list[str]:
    """The groups that the API server adds to a service account."""
    namespace = user.split(":")[2]
    return [
        "system:authenticated",
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
    ]
