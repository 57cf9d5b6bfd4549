"""Tenants on one engine: each is held to the rights of its service account, and learns no more."""

from typing import Any

import pytest
from yarl import URL

from engine.cluster.census import FEW
from engine.objects.manifests import dump
from engine.objects.ref import Object
from tests.cluster.conftest import NewNamespace
from tests.support.fleet import Fleet, condition_of, config_map, has_reason, is_ready
from tests.support.tenants import Tenants

NO_RBAC = "the embedded API server evaluates no RBAC"
MAPS = "configmaps"


@pytest.fixture
def tenants(fleet: Fleet, new_namespace: NewNamespace) -> Tenants:
    return Tenants(fleet, new_namespace)


def message(ks: Object) -> str:
    return str(condition_of(ks)["message"])


def is_failed(ks: Object) -> bool:
    return condition_of(ks).get("status") == "False"


def secret(name: str, namespace: str = "") -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"a": "b"}}


@pytest.mark.real(NO_RBAC)
async def test_objects_are_applied_corrected_and_pruned_by_the_service_account(
    tenants: Tenants,
) -> None:
    fleet, own = tenants.fleet, await tenants.tenant(MAPS)
    fleet.commit({"app/a.yaml": config_map("a", own, x="1"), "app/b.yaml": config_map("b", own)})
    await tenants.source(own)
    await tenants.kustomization(own, wait=True)
    at = tenants.at(own)

    async with fleet.engine(**tenants.settings):
        await tenants.until(own, is_ready)
        await at.patch("ConfigMap", "a", {"data": {"x": "edited"}})
        await at.until("ConfigMap", "a", lambda obj: obj["data"]["x"] == "1")
        fleet.commit({"app/b.yaml": None})
        await at.request("GitRepository", "fleet", "now")
        await at.until_gone("ConfigMap", "b")


@pytest.mark.real(NO_RBAC)
async def test_what_the_service_account_may_not_do_is_not_done(tenants: Tenants) -> None:
    fleet, own, other = tenants.fleet, await tenants.tenant(MAPS), await tenants.tenant(MAPS)
    fleet.commit(
        {
            "app/a.yaml": config_map("a", other),
            "role/a.yaml": secret("a", own),
            "absent/a.yaml": config_map("a", own),
        }
    )
    await tenants.source(own)
    await tenants.kustomization(own, "app")
    await tenants.kustomization(own, "role")
    await tenants.kustomization(own, "absent", serviceAccountName="nobody")

    async with fleet.engine(**tenants.settings):
        for name in ("app", "role", "absent"):
            failed = await tenants.until(own, has_reason("ReconciliationFailed"), name)
            assert "dry-run failed (Forbidden)" in message(failed)

    assert await tenants.at(other).get("ConfigMap", "a") is None
    assert await tenants.at(own).get("ConfigMap", "a") is None
    assert await tenants.at(own).get("Secret", "a") is None


@pytest.mark.real(NO_RBAC)
@pytest.mark.limit(120)  # a health check lasts 30 s at least
async def test_an_error_does_not_tell_whether_another_tenants_object_exists(
    tenants: Tenants,
) -> None:
    fleet, own, other = tenants.fleet, await tenants.tenant(MAPS), await tenants.tenant(MAPS)
    for number in range(FEW + 2):  # of more than a few, names are listed by the engine
        disabled = config_map(f"here-{number}", x="1")
        disabled["metadata"]["annotations"] = {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}
        await tenants.create(disabled, other)
    await tenants.create(secret("here"), other)
    names = ("here", "gone")
    for name in names:
        many = [config_map(f"{name}-{number}", other, x="1") for number in range(FEW + 2)]
        fleet.commit({f"{name}/a.yaml": many})
    fleet.commit({f"health-{name}/a.yaml": config_map(f"own-{name}", own) for name in names})
    await tenants.source(own)
    for name in names:
        await tenants.kustomization(own, name)
        check = {"apiVersion": "v1", "kind": "Secret", "name": name, "namespace": other}
        await tenants.kustomization(own, f"health-{name}", healthChecks=[check], timeout="1s")

    async with fleet.engine(**tenants.settings):
        told = {
            name: message(await tenants.until(own, is_failed_for_good, name))
            for each in names
            for name in (each, f"health-{each}")
        }

    for kind in ("", "health-"):
        here, gone = told[f"{kind}here"], told[f"{kind}gone"]
        assert "forbidden" in here
        assert without_times(here).replace("here", "NAME") == without_times(gone).replace(
            "gone", "NAME"
        )


def is_failed_for_good(ks: Object) -> bool:
    return condition_of(ks).get("reason") in ("ReconciliationFailed", "HealthCheckFailed")


def without_times(text: str) -> str:
    head, mark, rest = text.partition("health check failed after ")
    return head + mark + rest.partition(":")[2] if mark else text


@pytest.mark.real(NO_RBAC)
async def test_revoked_rights_show_although_nothing_has_changed(tenants: Tenants) -> None:
    fleet, own = tenants.fleet, await tenants.tenant(MAPS)
    fleet.commit({"app/a.yaml": config_map("a", own)})
    await tenants.source(own)
    await tenants.kustomization(own)

    async with fleet.engine(**tenants.settings):
        await tenants.until(own, is_ready)
        await tenants.revoke(own)
        failed = await tenants.reconcile(own, "now")
        assert condition_of(failed)["reason"] == "ReconciliationFailed"
        assert f"ConfigMap/{own}/a dry-run failed (Forbidden)" in message(failed)
        await tenants.grant(own, [MAPS], name="again")

        assert is_ready(await tenants.reconcile(own, "later"))


@pytest.mark.real(NO_RBAC)
async def test_rights_to_single_objects_suffice(tenants: Tenants) -> None:
    fleet, own = tenants.fleet, await tenants.tenant()
    rule = {"apiGroups": [""], "resources": [MAPS], "verbs": ["get", "patch", "delete"]}
    role = {
        "kind": "Role",
        "metadata": {"name": "one"},
        "rules": [{**rule, "resourceNames": ["a"]}],
    }
    binding = {
        "kind": "RoleBinding",
        "metadata": {"name": "one"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "one"},
        "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": own}],
    }
    await tenants.create(role, own)
    await tenants.create(binding, own)
    await tenants.create(config_map("a", x="0"), own)
    fleet.commit({"app/a.yaml": config_map("a", own, x="1")})
    await tenants.source(own)
    await tenants.kustomization(own)

    async with fleet.engine(**tenants.settings):
        await tenants.until(own, is_ready)

        assert is_ready(await tenants.reconcile(own, "now"))


@pytest.mark.real(NO_RBAC)
async def test_a_tenant_cannot_keep_another_ones_object_by_writing_it_into_its_git(
    tenants: Tenants,
) -> None:
    fleet, own, thief = tenants.fleet, await tenants.tenant(MAPS), await tenants.tenant(MAPS)
    both = [config_map("a", own, x="1"), config_map("b", own)]
    fleet.commit({"app/a.yaml": both})
    fleet.commit({"app/a.yaml": config_map("a", own, x="1")}, repository="thief")
    await tenants.source(own)
    await tenants.source(thief, "thief")
    await tenants.kustomization(own)
    at = tenants.at(own)

    async with fleet.engine(**tenants.settings):
        await tenants.until(own, is_ready)
        await tenants.kustomization(thief, ignore=[{"paths": ["/data"]}])
        await tenants.until(thief, has_reason("ReconciliationFailed"))
        await at.patch("ConfigMap", "a", {"data": {"x": "edited"}})
        await at.until("ConfigMap", "a", lambda obj: obj["data"]["x"] == "1")
        fleet.commit({"app/a.yaml": config_map("b", own)})
        await at.request("GitRepository", "fleet", "now")
        await at.until_gone("ConfigMap", "a")


@pytest.mark.real(NO_RBAC)
async def test_a_kustomization_that_could_never_take_over_keeps_nothing_from_being_deleted(
    tenants: Tenants,
) -> None:
    fleet, own, thief = tenants.fleet, await tenants.tenant(MAPS), await tenants.tenant(MAPS)
    fleet.commit({"app/a.yaml": config_map("a", own), "app/b.yaml": config_map("b", own)})
    for namespace in (own, thief):
        await tenants.source(namespace)
    await tenants.kustomization(own)
    at = tenants.at(own)

    async with fleet.engine(**tenants.settings):
        await tenants.until(own, is_ready)
        # Of the same repository and path, and never to be built: the heir of a rename looks so.
        await tenants.kustomization(thief, "heir", path="./app", suspend=True)
        fleet.commit({"app/a.yaml": None})
        await at.request("GitRepository", "fleet", "now")
        await at.until_gone("ConfigMap", "a")


@pytest.mark.real(NO_RBAC)
async def test_what_a_child_imports_is_judged_by_the_childs_identity(tenants: Tenants) -> None:
    """Its parent, which the engine applies itself, could write everywhere."""
    fleet, own, other = tenants.fleet, await tenants.tenant(MAPS), await tenants.tenant(MAPS)
    child = tenants.described("child", path="./imported")
    child["metadata"]["namespace"] = own
    imported = [config_map("a", other, x="stolen"), config_map("b", own)]
    fleet.commit({"app/child.yaml": child, "imported/a.yaml": imported})
    fleet.commit({"app/a.yaml": config_map("a", other, x="1")}, repository="other")
    await tenants.source(own)
    await tenants.source(other, "other")
    await tenants.kustomization(other)

    async with fleet.engine(**tenants.settings):
        await tenants.until(other, is_ready)
        await tenants.kustomization(own, serviceAccountName="")
        await tenants.until(own, is_ready)
        refused = await tenants.until(own, has_reason("ReconciliationFailed"), "child")

    assert f"ConfigMap/{other}/a dry-run failed (Forbidden)" in message(refused)
    found = await tenants.at(other).get("ConfigMap", "a")
    assert found is not None
    assert found["data"] == {"x": "1"}


async def test_the_account_of_a_deleted_kustomization_may_be_gone(tenants: Tenants) -> None:
    fleet, own = tenants.fleet, await tenants.tenant(MAPS)
    fleet.commit({"app/a.yaml": config_map("a", own)})
    await tenants.source(own)
    await tenants.kustomization(own)
    at = tenants.at(own)

    async with fleet.engine(**tenants.settings):
        await tenants.until(own, is_ready)
        await at.delete("ServiceAccount", "tenant")
        await at.delete("Kustomization", "app")
        await at.until_gone("Kustomization", "app")

    assert await at.get("ConfigMap", "a") is not None


async def test_every_reference_to_another_namespace_is_refused_where_that_is_asked_for(
    tenants: Tenants,
) -> None:
    fleet, own, other = tenants.fleet, await tenants.tenant(MAPS), await tenants.tenant()
    fleet.commit({"app/a.yaml": config_map("a", own)})
    for namespace in (own, other):
        await tenants.source(namespace)
    kinds = ("GitRepository", "OCIRepository", "Bucket", "ExternalArtifact")
    specs: dict[str, dict[str, Any]] = {
        kind.lower(): {"sourceRef": {"kind": kind, "name": name, "namespace": other}}
        for kind in kinds
        for name in ("fleet",)
    }
    specs["absent"] = {"sourceRef": {"kind": "GitRepository", "name": "absent", "namespace": other}}
    far = {"name": "app", "namespace": other, "readyExpr": "dep.metadata.name == 'app'"}
    specs["expression"] = {"dependsOn": [far]}
    for name, spec in specs.items():
        await tenants.kustomization(own, name, path="./app", **spec)

    async with fleet.engine(no_cross_namespace_refs=True, **tenants.settings):
        for name in specs:
            denied = await tenants.until(own, has_reason("AccessDenied"), name)
            assert condition_of(denied, "Stalled")["reason"] == "AccessDenied"
            assert "cross-namespace references have been blocked" in message(denied)

    assert await tenants.at(own).get("ConfigMap", "a") is None


@pytest.mark.real(NO_RBAC)
async def test_strict_tenancy_is_one_setting(
    tenants: Tenants, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lockstep")
    fleet, own, other = tenants.fleet, await tenants.tenant(), await tenants.tenant()
    base = "https://192.0.2.1/base//app?ref=v1"
    fleet.commit(
        {"app/a.yaml": config_map("a", own), "base/kustomization.yaml": {"resources": [base]}}
    )
    for namespace in (own, other):
        await tenants.source(namespace)
    await tenants.kustomization(own, serviceAccountName="")
    await tenants.kustomization(own, "base")
    far = {"kind": "GitRepository", "name": "fleet", "namespace": other}
    await tenants.kustomization(own, "far", path="./app", sourceRef=far)
    near = {"url": "http://169.254.169.254/x", "interval": "1h"}
    await tenants.create({"kind": "GitRepository", "metadata": {"name": "near"}, "spec": near}, own)
    cluster = {"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c"}}]}
    cluster["clusters"] = [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}]
    metadata = {"name": "cluster"}
    content = {"kind": "Secret", "metadata": metadata, "stringData": {"value": dump(cluster)}}
    await tenants.create(content, own)
    await tenants.kustomization(
        own, "remote", path="./app", kubeConfig={"secretRef": {"name": "cluster"}}
    )
    git = URL(fleet.git_url)

    async with fleet.engine(
        tenancy="strict", allowed_local_addresses=(f"{git.host}:{git.port}",), **tenants.settings
    ):
        app = await tenants.until(own, has_reason("ReconciliationFailed"))
        assert f'User "system:serviceaccount:{own}:default"' in message(app)
        await tenants.until(own, has_reason("BuildFailed"), "base")
        await tenants.until(own, has_reason("AccessDenied"), "far")
        source = await tenants.at(own).until("GitRepository", "near", is_failed)
        assert "'169.254.169.254' is loopback, link-local" in message(source)
        remote = await tenants.until(own, is_failed, "remote")
        assert "'127.0.0.1' is loopback, link-local" in message(remote)

    assert "tenancy is strict: default_service_account=default, no_cross_namespace" in caplog.text
