"""The chart's admission policy as engine, tenant, break-glass and Kubernetes itself meet it.

By RBAC each of them may do anything in the tenant's namespace: the policy alone refuses.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from engine.app import State
from engine.cluster.endpoint import MARK
from engine.cluster.token_request import requested_token
from engine.objects.ref import Object
from tests.cluster.conftest import NewNamespace
from tests.support.fleet import Fleet, config_map
from tests.support.kubectl import Done, kubectl_at
from tests.support.releases import POLL, Release, released, until_allowed
from tests.support.tenants import RBAC, Tenants
from tests.support.workloads import deployment, pods

pytestmark = pytest.mark.real("the embedded API server knows no admission policies")

OWNER = "kustomize.toolkit.fluxcd.io"
GLASS = "platform-admins"
INJECTOR = "system:serviceaccount:mesh:injector"
NAMESPACES = "system:serviceaccount:kube-system:namespace-controller"
GARBAGE = "system:serviceaccount:kube-system:generic-garbage-collector"
ARGUMENTS = (
    "--set=tenancy=strict",
    "--set=admissionPolicies.enabled=true",
    f"--set=admissionPolicies.breakGlass.groups={{{GLASS}}}",
    # The controllers of this control plane are administrators, as are the tests beside this one.
    f"--set=admissionPolicies.controllers.users={{admin,{INJECTOR}}}",
)
MARKED = f"Impersonate-Extra-{MARK.replace('/', '%2F')}"
ADMIN = {"Impersonate-Group": "system:masters"}
DENIED = "ValidatingAdmissionPolicy '"
DATA = {"data": {"x": "2"}}


@dataclass
class Guarded:
    """A tenant's namespace with what its Kustomization `app` has applied, and a policy over it."""

    release: Release
    fleet: Fleet
    tenants: Tenants
    session: aiohttp.ClientSession
    folder: Path

    @property
    def namespace(self) -> str:
        return self.fleet.namespace

    @property
    def tenant(self) -> str:
        """The service account as which the engine applies."""
        return f"system:serviceaccount:{self.namespace}:tenant"

    async def kubectl(self, who: str, *words: str, status: int = 0, given: str = "") -> Done:
        """What comes of it; who: a user, or `@group`."""
        names = [f"--as={who}"] if who[0] != "@" else ["--as=jane", f"--as-group={who[1:]}"]
        kubectl = kubectl_at(self.fleet.server, self.namespace, self.folder)
        return await kubectl(*names, *words, status=status, given=given)

    async def refused(self, *words: str) -> str:
        """Why the policy keeps the tenant from that."""
        done = await self.kubectl(self.tenant, *words, status=1)
        assert DENIED in done.err, str(done)
        return done.err

    async def asked(
        self, user: str, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, str]:
        """Status and message; path: below the namespace's of `v1`, or a whole one."""
        whole = path if path[0] == "/" else f"/api/v1/namespaces/{self.namespace}/{path}"
        kind = "merge-patch+json" if method == "PATCH" else "json"
        names = {"Impersonate-User": user, "Content-Type": f"application/{kind}"}
        content = None if body is None else json.dumps(body)
        request = self.session.request(method, whole, data=content, headers=names | headers)
        async with request as answer:
            return answer.status, str((await answer.json()).get("message", ""))

    async def is_denied(self, user: str, method: str, path: str, body: Any = None) -> bool:
        """Whether the policy forbids it; no other answer than success is one."""
        status, message = await self.asked(user, method, path, body)
        assert status < 300 or DENIED in message, (status, message)
        return status >= 300

    async def create(self, obj: Object, **metadata: Any) -> Object:
        """Makes an object as the Kustomization `app` has applied it."""
        client = self.fleet.client
        resource = await client.resource(obj["apiVersion"], obj["kind"])
        given = {**obj, "metadata": {**obj["metadata"], "labels": self.labels, **metadata}}
        return await client.create(resource, given, self.namespace)

    @property
    def labels(self) -> Mapping[str, str]:
        return {f"{OWNER}/name": "app", f"{OWNER}/namespace": self.namespace}

    def engine(self) -> AbstractAsyncContextManager[State]:
        settings = {**self.release.settings, **self.tenants.settings}
        git = self.fleet.git_url.removeprefix("http://")
        return self.release.fleet.engine(allowed_local_addresses=(git,), **settings)


@pytest.fixture
async def guarded(
    fleet: Fleet, new_namespace: NewNamespace, tmp_path: Path
) -> AsyncIterator[Guarded]:
    tenants = Tenants(fleet, new_namespace)
    own = await tenants.tenant()
    groups = [GLASS, "system:serviceaccounts", "people"]
    binding = {
        "kind": "RoleBinding",
        "metadata": {"name": "anything"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "Group", "apiGroup": RBAC, "name": name} for name in groups],
    }
    await tenants.create(binding, own)
    async with fleet.server.session() as session:
        async with released(fleet, *ARGUMENTS) as release:
            guarded = Guarded(release, tenants.at(own), tenants, session, tmp_path)
            await until_allowed(fleet.client, guarded.tenant, "delete", "configmaps", own)
            await _until(guarded, in_force=True)
            yield guarded
        await _until(guarded, in_force=False)  # it would hinder the engine of the next test


async def _until(guarded: Guarded, *, in_force: bool) -> None:
    """Returns once the API server goes by the policy, or does no more: no event tells of it."""
    probe = {**config_map("probe"), "metadata": {"name": "probe", "labels": guarded.labels}}
    while await guarded.is_denied(guarded.tenant, "POST", "configmaps", probe) != in_force:
        await guarded.asked("admin", "DELETE", "configmaps/probe", None, **ADMIN)
        await anyio.sleep(POLL)


async def test_what_the_engine_applies_as_a_tenant_is_changed_in_git_only(guarded: Guarded) -> None:
    fleet, own = guarded.fleet, guarded.namespace
    fleet.commit({"app/a.yaml": config_map("a", own, x="1"), "app/b.yaml": config_map("b", own)})
    await guarded.tenants.source(own)
    await guarded.tenants.kustomization(own)

    async with guarded.engine():
        for name in ("a", "b"):
            await fleet.until("ConfigMap", name, lambda obj: bool(obj["metadata"].get("labels")))
        told = await guarded.refused("patch", "cm", "a", "-p", json.dumps(DATA))
        await guarded.refused("delete", "cm", "a")
        await guarded.refused("delete", "cm", f"--selector={OWNER}/name=app")
        await guarded.kubectl(f"@{GLASS}", "patch", "cm", "a", "-p", json.dumps(DATA))
        await fleet.until("ConfigMap", "a", lambda obj: obj["data"]["x"] == "1")
        fleet.commit({"app/b.yaml": None})
        await fleet.request("GitRepository", "fleet", "now")
        await fleet.until_gone("ConfigMap", "b")

    assert f"ConfigMap {own}/a belongs to Kustomization {own}/app, which keeps it as Git" in told
    assert f"In an emergency turn to group {GLASS}" in told


async def test_no_way_leads_round_the_policy(guarded: Guarded) -> None:
    await guarded.create(config_map("a", x="1"))
    await guarded.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, **_pod()})
    await guarded.fleet.put(config_map("free", x="1"))
    owner = {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "1", "controller": True}
    changes: list[dict[str, Any]] = [
        DATA,
        {"immutable": True},
        {"metadata": {"labels": {f"{OWNER}/name": None}}},
        {"metadata": {"labels": {f"{OWNER}/namespace": "other"}}},
        {"metadata": {"labels": {"mine": "too"}}},
        {"metadata": {"annotations": {f"{OWNER}/reconcile": "disabled"}}},
        {"metadata": {"ownerReferences": [owner]}},
    ]
    user, patch = guarded.tenant, "PATCH"
    hijack = {"metadata": {"labels": guarded.labels}}

    for change in changes:
        assert await guarded.is_denied(user, patch, "configmaps/a", change), change
    assert await guarded.is_denied(user, patch, "pods/p/status", changes[2])
    assert await guarded.is_denied(user, patch, "configmaps/free", hijack)
    assert await guarded.is_denied(user, "DELETE", "configmaps/a")
    assert await guarded.is_denied(user, "DELETE", f"configmaps?labelSelector={OWNER}%2Fname")
    new = {**config_map("new"), "metadata": {"name": "new", **hijack["metadata"]}}
    _, message = await guarded.asked(user, "POST", "configmaps", new)
    assert "would count as an object of Kustomization" in message
    assert not await guarded.is_denied(user, patch, "configmaps/free", DATA)


async def test_nobody_but_the_engine_can_bear_its_mark(guarded: Guarded) -> None:
    await guarded.create(config_map("a", x="1"))
    fleet, path = guarded.fleet, "configmaps/a"
    token, _ = await requested_token(fleet.client, guarded.namespace, "tenant", [])
    own = {MARKED: guarded.release.settings["impersonation_mark"]}
    tenant = {"Authorization": f"Bearer {token}"}

    status, message = await guarded.asked(guarded.tenant, "PATCH", path, DATA, **own, **tenant)
    assert (status, DENIED in message) == (403, False)
    assert "cannot impersonate resource" in message
    assert await guarded.is_denied(guarded.tenant, "PATCH", path, DATA)
    assert await guarded.asked(guarded.tenant, "PATCH", path, DATA, **own) == (200, "")
    assert not await guarded.is_denied(guarded.release.user, "DELETE", path)


async def test_whoever_has_to_write_into_owned_objects_still_can(guarded: Guarded) -> None:
    workload = deployment("web", pods("web"))
    uid = (await guarded.create(workload))["metadata"]["uid"]  # else what it owns is collected
    kind = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    owner = {**kind, "uid": uid, "controller": True}
    for name in ("a", "b", "c"):
        await guarded.create(config_map(name, x="1"))
    apps = f"/apis/apps/v1/namespaces/{guarded.namespace}/deployments/web"
    shared = {"annotations": {f"{OWNER}/ssa": "IfNotPresent"}}
    await guarded.create(config_map("shared", x="1"), **shared)
    copied = {"name": "copy", "labels": guarded.labels, "ownerReferences": [owner]}
    finalizer = {"metadata": {"finalizers": ["example.com/operator"]}}
    asked = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}}
    allowed: list[tuple[str, str, str, Any]] = [
        (guarded.tenant, "PATCH", f"{apps}/scale", {"spec": {"replicas": 3}}),
        (guarded.tenant, "PATCH", f"{apps}/status", {"status": {"replicas": 3}}),
        (guarded.tenant, "PATCH", "configmaps/a", finalizer),
        (guarded.tenant, "PATCH", "configmaps/a", asked),
        (guarded.tenant, "PATCH", "configmaps/b?dryRun=All", DATA),
        (guarded.tenant, "POST", "configmaps", {**config_map("copy"), "metadata": copied}),
        (guarded.tenant, "PATCH", "configmaps/copy", DATA),
        (guarded.tenant, "PATCH", "configmaps/shared", DATA),
        (INJECTOR, "PATCH", "configmaps/b", DATA),
        (GARBAGE, "DELETE", "configmaps/b", None),
    ]

    for case in allowed:
        assert not await guarded.is_denied(*case), case
    await guarded.kubectl("@people", "annotate", "cm", "c", "reconcile.fluxcd.io/requestedAt=1")
    done = await guarded.kubectl("@people", "annotate", "cm", "c", "note=1", status=1)
    assert DENIED in done.err
    away = json.dumps({"metadata": {"finalizers": None}})
    done = await guarded.kubectl("@people", "patch", "cm", "a", "-p", away, status=1)
    assert DENIED in done.err
    await guarded.kubectl(f"@{GLASS}", "patch", "cm", "a", "-p", away)
    all_of_it = f"configmaps?labelSelector={OWNER}%2Fname"
    assert not await guarded.is_denied(NAMESPACES, "DELETE", all_of_it)


def _pod() -> dict[str, Any]:
    return {"spec": pods("p")["spec"]}
