"""Bad input ends in the contract's reason and says where; everything else goes on."""

import base64
import re
from typing import Any

import pytest

from engine.objects.ref import Object
from tests.support.fleet import Files, Fleet, condition_of, config_map, has_reason, is_ready


async def failed(fleet: Fleet, kind: str, name: str, reason: str) -> str:
    """The message of Ready once it is False for that reason."""
    obj = await fleet.until(kind, name, has_reason(reason))
    return str(condition_of(obj)["message"])


BROKEN_BUILDS: dict[str, tuple[Files, str]] = {
    "broken-yaml": ({"web.yaml": "kind: ConfigMap\n  data: {}\n"}, "broken-yaml/web.yaml:2"),
    "unknown-field": (
        {"kustomization.yaml": "resource: [web.yaml]\n"},
        "unknown-field/kustomization.yaml",
    ),
    "missing-file": (
        {"kustomization.yaml": "resources: [deploy.yml]\n", "deploy.yaml": config_map("d")},
        "deploy.yaml",
    ),
    "object-without-a-name": (
        {"x.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n"},
        "object-without-a-name/x.yaml",
    ),
    "two-kustomization-files": (
        {"kustomization.yml": "namePrefix: a-\n", "Kustomization": "namePrefix: b-\n"},
        "multiple kustomization files in folder 'two-kustomization-files'",
    ),
    "one-object-twice": ({"a.yaml": config_map("same"), "b.yaml": config_map("same")}, "same"),
}
"""{folder and Kustomization: (files, what is said)}"""


async def test_a_build_that_fails_names_the_file_and_leaves_the_others_alone(fleet: Fleet) -> None:
    fleet.commit({"good/web.yaml": config_map("web")})
    for name, (files, _) in BROKEN_BUILDS.items():
        fleet.commit({f"{name}/{file}": content for file, content in files.items()})
        await fleet.kustomization(name, path=f"./{name}")
    await fleet.source()
    await fleet.kustomization("good", path="./good")

    async with fleet.engine():
        told = {
            name: await failed(fleet, "Kustomization", name, "BuildFailed")
            for name in BROKEN_BUILDS
        }
        await fleet.until("Kustomization", "good", is_ready)

    assert {n: told[n] for n, (_, where) in BROKEN_BUILDS.items() if where not in told[n]} == {}


REFUSED: dict[str, tuple[Object, str]] = {
    "invalid": (
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"ports": [{"port": 123456}], "selector": {"app": "web"}},
        },
        "Service/{namespace}/web",
    ),
    "misspelt-field": (
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "misspelt"},
            "spec": {"ports": [{"port": 80}], "slector": {"app": "web"}},
        },
        "slector",
    ),
    "unknown-kind": (
        {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}},
        "no kind 'Widget'",
    ),
    "misspelt-kind": (
        {"apiVersion": "apps/v1", "kind": "Deploymnet", "metadata": {"name": "w"}},
        "there is 'Deployment'",
    ),
}


async def test_an_object_that_is_refused_is_named_with_its_line(fleet: Fleet) -> None:
    fleet.commit({"good/web.yaml": config_map("web")})
    for name, (obj, _) in REFUSED.items():
        fleet.commit({f"{name}/x.yaml": [config_map(f"fine-{name}"), obj]})
        await fleet.kustomization(name, path=f"./{name}")
    await fleet.source()
    await fleet.kustomization("good", path="./good")

    async with fleet.engine():
        told = {
            name: await failed(fleet, "Kustomization", name, "ReconciliationFailed")
            for name in REFUSED
        }
        await fleet.until("Kustomization", "good", is_ready)

    for name, (_, text) in REFUSED.items():
        assert text.format(namespace=fleet.namespace) in told[name]
        assert f"{name}/x.yaml:" in told[name]
    assert re.search(r"invalid/x\.yaml:\d+: spec\.ports\[0\]\.port\b", told["invalid"])
    assert re.search(r"misspelt-field/x\.yaml:\d+: spec\.slector\b", told["misspelt-field"])


async def test_a_missing_namespace_is_named_and_what_to_do(fleet: Fleet) -> None:
    await fleet.app({"app/x.yaml": config_map("x", "nowhere-to-be-found")}, targetNamespace=None)

    async with fleet.engine():
        message = await failed(fleet, "Kustomization", "app", "ReconciliationFailed")

    assert 'namespaces "nowhere-to-be-found" not found' in message
    assert "app/x.yaml:1" in message
    assert "create the Namespace" in message


async def test_a_path_that_is_not_there_prunes_nothing(fleet: Fleet) -> None:
    await fleet.app({"app/web.yaml": config_map("web")})

    async with fleet.engine():
        before = await fleet.until("Kustomization", "app", is_ready)
        await fleet.patch("Kustomization", "app", {"spec": {"path": "./apps"}})
        message = await failed(fleet, "Kustomization", "app", "ArtifactFailed")
        after = await fleet.get("Kustomization", "app")

    assert "kustomization path not found: './apps'" in message
    assert "folders in the root: app" in message
    assert after is not None
    assert after["status"]["inventory"] == before["status"]["inventory"]
    assert await fleet.get("ConfigMap", "web") is not None


async def test_a_broken_commit_prunes_nothing_and_the_next_one_heals(fleet: Fleet) -> None:
    await fleet.app({"app/web.yaml": config_map("web"), "app/db.yaml": config_map("db")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        fleet.commit({"app/web.yaml": "{ broken", "app/db.yaml": None})
        await fleet.request("GitRepository", "fleet", "1")
        await failed(fleet, "Kustomization", "app", "BuildFailed")
        kept = await fleet.get("ConfigMap", "db")
        fleet.commit({"app/web.yaml": config_map("web", v="2")})
        await fleet.request("GitRepository", "fleet", "2")
        await fleet.until("Kustomization", "app", is_ready)

    assert kept is not None
    assert await fleet.get("ConfigMap", "db") is None


async def test_an_immutable_field_is_named_and_force_recreates(fleet: Fleet) -> None:
    await fleet.app({"app/x.yaml": {**config_map("x", a="1"), "immutable": True}})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        fleet.commit({"app/x.yaml": {**config_map("x", a="2"), "immutable": True}})
        await fleet.request("GitRepository", "fleet", "1")
        message = await failed(fleet, "Kustomization", "app", "ReconciliationFailed")
        await fleet.patch("Kustomization", "app", {"spec": {"force": True}})
        await fleet.until("Kustomization", "app", is_ready)

    assert f"ConfigMap/{fleet.namespace}/x dry-run failed (Invalid)" in message
    assert "immutable" in message
    assert await fleet.data("x") == {"a": "2"}


@pytest.mark.real("RBAC is evaluated")
async def test_what_is_forbidden_names_identity_verb_and_resource(fleet: Fleet) -> None:
    await fleet.app({"app/web.yaml": config_map("web")}, serviceAccountName="tenant")

    async with fleet.engine():
        message = await failed(fleet, "Kustomization", "app", "ReconciliationFailed")

    assert f"system:serviceaccount:{fleet.namespace}:tenant" in message
    assert 'resource "configmaps"' in message
    assert "app/web.yaml:1" in message


async def test_a_source_that_does_not_exist_is_named(fleet: Fleet) -> None:
    await fleet.kustomization("app", path="./app")

    async with fleet.engine():
        message = await failed(fleet, "Kustomization", "app", "ArtifactFailed")
        fleet.commit({"app/web.yaml": config_map("web")})
        await fleet.source()
        await fleet.until("Kustomization", "app", is_ready)

    assert '"fleet" not found' in message


async def test_a_dependency_that_fails_holds_its_dependants_until_it_heals(fleet: Fleet) -> None:
    fleet.commit({"one/x.yaml": "{ broken", "two/y.yaml": config_map("y")})
    await fleet.source()
    await fleet.kustomization("one", path="./one")
    await fleet.kustomization("two", path="./two", dependsOn=[{"name": "one"}])

    async with fleet.engine():
        message = await failed(fleet, "Kustomization", "two", "DependencyNotReady")
        fleet.commit({"one/x.yaml": config_map("x")})
        await fleet.request("GitRepository", "fleet", "1")
        await fleet.until("Kustomization", "two", is_ready)

    assert message == f"dependency '{fleet.namespace}/one' is not ready"


SOURCES: dict[str, tuple[dict[str, Any], str, str]] = {
    "unreachable-server": ({"url": "http://127.0.0.1:9/x"}, "GitOperationFailed", "127.0.0.1:9"),
    "missing-branch": ({"ref": {"branch": "gone"}}, "GitOperationFailed", "gone"),
    "missing-tag": ({"ref": {"tag": "v9"}}, "GitOperationFailed", "v9"),
    "no-matching-version": ({"ref": {"semver": ">=9"}}, "GitOperationFailed", ">=9"),
    "missing-secret": ({"secretRef": {"name": "none"}}, "AuthenticationFailed", "none"),
    "verified-without-keys": (
        {"verify": {"secretRef": {"name": "keys"}}},
        "VerificationError",
        'secrets "keys" not found',
    ),
}


async def test_a_source_that_cannot_be_fetched_says_why(fleet: Fleet) -> None:
    for name, (spec, _, _) in SOURCES.items():
        await fleet.source(name, **spec)
    await fleet.app({"app/web.yaml": config_map("web")})

    async with fleet.engine():
        told = {
            name: await failed(fleet, "GitRepository", name, reason)
            for name, (_, reason, _) in SOURCES.items()
        }
        await fleet.until("Kustomization", "app", is_ready)

    assert {
        name: told[name] for name, (*_, text) in SOURCES.items() if text not in told[name]
    } == {}


async def test_a_secret_never_shows_in_a_status(fleet: Fleet) -> None:
    fleet.commit({"app/web.yaml": config_map("web")})
    data = {"username": "someone", "password": "hunter2-canary"}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    secret = await fleet.resource("Secret")
    metadata = {"name": "creds", "namespace": fleet.namespace}
    await fleet.client.create(
        secret, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}
    )
    await fleet.source("bad", url="http://127.0.0.1:9/x", secretRef={"name": "creds"})

    async with fleet.engine():
        obj = await fleet.until("GitRepository", "bad", has_reason("GitOperationFailed"))

    assert "hunter2-canary" not in str(obj)
    assert encoded["password"] not in str(obj)
