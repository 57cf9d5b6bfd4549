"""Tenants on one API server: a namespace each, with a service account and its rights."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.api.meta import KUSTOMIZE_GROUP, REQUESTED_AT
from engine.objects.ref import Object
from tests.support.fleet import Fleet, has_handled

ACCOUNT = "tenant"
EDIT = ("get", "list", "watch", "create", "update", "patch", "delete")
RBAC = "rbac.authorization.k8s.io"
SHARD = "lockstep.test/world"


@dataclass
class Tenants:
    """Namespaces of one test; its engine reconciles what carries the label of the test."""

    fleet: Fleet
    make: Callable[[], Awaitable[str]]

    @property
    def settings(self) -> dict[str, Any]:
        """Of an engine for all of them."""
        selector = f"{SHARD}={self.fleet.namespace}"
        return {"watch_all_namespaces": True, "watch_label_selector": selector}

    async def tenant(self, *kinds: str) -> str:
        """A new namespace, whose service account may do everything there with these kinds."""
        namespace = await self.make()
        await self.create({"kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}, namespace)
        if kinds:
            await self.grant(namespace, kinds)
        return namespace

    async def grant(
        self,
        namespace: str,
        kinds: Collection[str],
        *,
        to: str = "",
        verbs: Sequence[str] = EDIT,
        name: str = ACCOUNT,
    ) -> None:
        """Let an account do that in a namespace; to: the account's own, that one by default."""
        rule = {"apiGroups": ["", "apps", "batch"], "resources": list(kinds), "verbs": list(verbs)}
        await self.create({"kind": "Role", "metadata": {"name": name}, "rules": [rule]}, namespace)
        subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": to or namespace}
        binding = {
            "kind": "RoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
            "subjects": [subject],
        }
        await self.create(binding, namespace)

    async def revoke(self, namespace: str, name: str = ACCOUNT) -> None:
        """Take it back."""
        resource = await self.fleet.resource("RoleBinding")
        await self.fleet.client.delete(resource, namespace, name)

    async def create(self, obj: Object, namespace: str) -> None:
        """Creates an object, which the test's engine reconciles if it is Flux's."""
        resource = await self.fleet.resource(obj["kind"])
        labels = {SHARD: self.fleet.namespace, **(obj["metadata"].get("labels") or {})}
        whole = {
            "apiVersion": resource.api_version,
            **obj,
            "metadata": {**obj["metadata"], "labels": labels},
        }
        await self.fleet.client.create(resource, whole, namespace)

    async def source(self, namespace: str, repository: str = "fleet") -> None:
        """A GitRepository of that repository, called `fleet`."""
        spec = {
            "url": f"{self.fleet.git_url}/{repository}",
            "interval": "1h",
            "ref": {"branch": "main"},
        }
        await self.create(
            {"kind": "GitRepository", "metadata": {"name": "fleet"}, "spec": spec}, namespace
        )

    def described(self, name: str, /, **spec: Any) -> dict[str, Any]:
        """A Kustomization of the source `fleet`, applied by the tenant's service account."""
        wanted = {
            "interval": "1h",
            "retryInterval": "1h",
            "prune": True,
            "path": f"./{name}",
            "sourceRef": {"kind": "GitRepository", "name": "fleet"},
            "serviceAccountName": ACCOUNT,
        }
        return {
            "apiVersion": f"{KUSTOMIZE_GROUP}/v1",
            "kind": "Kustomization",
            "metadata": {"name": name, "labels": {SHARD: self.fleet.namespace}},
            "spec": wanted | spec,
        }

    async def kustomization(self, namespace: str, name: str = "app", /, **spec: Any) -> None:
        """Creates what `described` describes."""
        await self.create(self.described(name, **spec), namespace)

    def at(self, namespace: str) -> Fleet:
        """The fleet as seen in that namespace."""
        fleet = self.fleet
        return Fleet(fleet.client, fleet.server, namespace, fleet.folder, fleet.git_url)

    async def until(
        self, namespace: str, check: Callable[[Object], bool], name: str = "app"
    ) -> dict[str, Any]:
        """The Kustomization once that holds."""
        return await self.at(namespace).until("Kustomization", name, check)

    async def reconcile(self, namespace: str, token: str, name: str = "app") -> dict[str, Any]:
        """The Kustomization once it has answered a request."""
        patch = {"metadata": {"annotations": {REQUESTED_AT: token}}}
        send = partial(self.at(namespace).patch, "Kustomization", name)
        await send(patch)
        return await self.until(namespace, has_handled(token), name)
