"""What the built-in checks find, on an API server that says what a test wants."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
from aiohttp import web

from engine.api import KINDS
from engine.cluster import connected
from engine.cluster.endpoint import Endpoint
from engine.plugin import Check, Context, Finding, Severity
from engine.runtime import SystemClock
from engine.settings import Settings
from plugins.checks import definitions, kubernetes, leases, permissions, unreconciled
from tests.support.scripted_api import ScriptedApi, json, scripted_api

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/flux-system/leases"
NOW = 1_000_000.0  # 1970-01-12T13:46:40Z


@asynccontextmanager
async def context(**settings: Any) -> AsyncIterator[tuple[ScriptedApi, Context]]:
    async with (
        scripted_api() as api,
        connected(Endpoint(api.url), SystemClock(), Random(1)) as client,
    ):
        yield api, Context(client, Settings(**settings), "0")


async def found(check: Check, replies: Mapping[tuple[str, str], Any]) -> list[Finding]:
    async with context() as (api, given):
        for (method, path), reply in replies.items():
            api.on(method, path, reply)
        return list(await check(given))


def discovery(*kinds: tuple[str, str, str, str]) -> dict[tuple[str, str], Any]:
    """The answers to discovery: (group, version, kind, plural) of namespaced kinds."""
    groups: dict[str, dict[str, list[Any]]] = {}
    for group, version, kind, plural in kinds:
        resource = {
            "resource": plural,
            "responseKind": {"group": group, "version": version, "kind": kind},
            "scope": "Namespaced",
            "verbs": ["list"],
        }
        groups.setdefault(group, {}).setdefault(version, []).append(resource)
    items = [
        {
            "metadata": {"name": group},
            "versions": [
                {"version": version, "resources": found} for version, found in versions.items()
            ],
        }
        for group, versions in groups.items()
    ]
    empty = {"kind": "APIGroupDiscoveryList", "items": []}
    return {("GET", "/api"): json(empty), ("GET", "/apis"): json({**empty, "items": items})}


ALL = [(kind.group, kind.version, kind.name, kind.plural) for kind in KINDS.values()]


@pytest.mark.parametrize(
    ("version", "severity"),
    [
        ("v1.33.0", Severity.OK),
        ("v1.36.3-eks-1", Severity.OK),
        ("v1.32.9", Severity.WARNING),
        ("v2.0.0", Severity.OK),
        ("unknown", Severity.WARNING),
    ],
)
async def test_kubernetes_must_not_be_older_than_flux_wants(
    version: str, severity: Severity
) -> None:
    (finding,) = await found(kubernetes.check, {("GET", "/version"): json({"gitVersion": version})})

    assert finding.severity == severity
    assert version in finding.what


async def test_all_definitions_are_one_finding() -> None:
    findings = await found(definitions.check, discovery(*ALL))

    assert findings == [Finding(Severity.OK, "all 11 definitions are served")]


async def test_a_missing_definition_is_an_error_only_if_the_engine_needs_it() -> None:
    there = [each for each in ALL if each[2] not in ("Kustomization", "Bucket")]
    error, warning = await found(definitions.check, discovery(*there))

    assert (error.severity, error.what) == (Severity.ERROR, "not served: Kustomization (v1)")
    assert (warning.severity, warning.what) == (Severity.WARNING, "not served: Bucket (v1)")
    assert "--install-crds" in error.fix


async def test_a_definition_in_another_version_does_not_count() -> None:
    old = [
        ("helm.toolkit.fluxcd.io", "v2beta1", *each[2:]) if each[2] == "HelmRelease" else each
        for each in ALL
    ]
    (finding,) = await found(definitions.check, discovery(*old))

    assert finding.what == "not served: HelmRelease (v2)"


def reviews(*denied: str) -> dict[tuple[str, str], Any]:
    async def review(request: web.Request) -> web.StreamResponse:
        attributes = (await request.json())["spec"]["resourceAttributes"]
        allowed = f"{attributes['verb']} {attributes['resource']}" not in denied
        return web.json_response({"status": {"allowed": allowed}})

    return {("POST", REVIEWS): review}


async def test_who_may_do_everything_may_run_the_engine() -> None:
    (finding,) = await found(permissions.check, reviews())

    assert finding.severity == Severity.OK


async def test_what_may_not_be_done_is_listed() -> None:
    (finding,) = await found(permissions.check, reviews("patch *", "create events"))

    assert finding.severity == Severity.ERROR
    assert finding.what == "this identity may not: create events, patch *.*"


async def test_without_reviews_permissions_are_not_checked() -> None:
    (finding,) = await found(permissions.check, {})

    assert finding.severity == Severity.WARNING


@pytest.mark.parametrize(
    ("settings", "deed", "is_needed"),
    [
        ({}, "patch gitrepositories.source.toolkit.fluxcd.io/status", True),
        ({"sources": "none"}, "patch gitrepositories.source.toolkit.fluxcd.io/status", False),
        ({}, "create leases.coordination.k8s.io in flux-system", True),
        (
            {"enable_leader_election": False},
            "create leases.coordination.k8s.io in flux-system",
            False,
        ),
        ({"watch_all_namespaces": False}, "create events in flux-system", True),
    ],
)
async def test_what_is_needed_follows_the_settings(
    settings: dict[str, Any], deed: str, is_needed: bool
) -> None:
    async with context(**settings) as (_, given):
        assert (deed in map(str, permissions.needed(given))) == is_needed


def lease(holder: str | None, renewed: str = "1970-01-12T13:46:30.000000Z") -> dict[str, Any]:
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 35, "renewTime": renewed}
    return {"spec": spec}


@pytest.mark.parametrize(
    ("given", "severity", "what"),
    [
        (None, Severity.WARNING, "nobody holds Lease x: no engine runs"),
        (lease(None), Severity.WARNING, "nobody holds Lease x: no engine runs"),
        (lease("pod_1"), Severity.OK, "Lease x is held by 'pod_1'"),
        (
            lease("pod_1", "1970-01-12T13:46:00.000000Z"),
            Severity.WARNING,
            "Lease x is held by 'pod_1', which has not renewed it for 40s",
        ),
    ],
)
def test_a_lease_says_who_writes(
    given: dict[str, Any] | None, severity: Severity, what: str
) -> None:
    finding = leases.judged("x", given, NOW)

    assert (finding.severity, finding.what) == (severity, what)


async def test_each_lease_is_a_finding() -> None:
    name = "kustomize-controller-leader-election"
    held = json({**lease("pod_1", "2999-01-01T00:00:00.000000Z"), "kind": "Lease"})
    ours, theirs = await found(leases.check, {("GET", f"{LEASES}/{name}"): held})

    assert ours.what == f"Lease flux-system/{name} is held by 'pod_1'"
    assert theirs.what.startswith("nobody holds Lease flux-system/source-controller")


def objects(count: int) -> Any:
    metadata = [{"name": f"o{number}", "namespace": "ns"} for number in range(count)]
    return json({"items": [{"metadata": each} for each in metadata], "metadata": {}})


async def test_objects_of_other_kinds_are_counted_and_named() -> None:
    replies = {
        **discovery(
            *ALL,
            ("image.toolkit.fluxcd.io", "v1", "ImagePolicy", "imagepolicies"),
            ("apps", "v1", "Deployment", "deployments"),
        ),
        **{
            ("GET", f"/apis/{group}/{version}/{plural}"): objects(0)
            for group, version, _, plural in ALL
        },
        ("GET", "/apis/helm.toolkit.fluxcd.io/v2/helmreleases"): objects(5),
        ("GET", "/apis/image.toolkit.fluxcd.io/v1/imagepolicies"): objects(1),
    }
    findings = await found(unreconciled.check, replies)

    assert [each.what for each in findings] == [
        "5 of HelmRelease (helm.toolkit.fluxcd.io): ns/o0, ns/o1, ns/o2 and 2 more",
        "1 of ImagePolicy (image.toolkit.fluxcd.io): ns/o0",
    ]
    assert {each.severity for each in findings} == {Severity.WARNING}


async def test_objects_of_the_engine_s_own_kinds_are_not() -> None:
    own = [each for each in ALL if each[2] in ("Kustomization", "GitRepository")]
    (finding,) = await found(unreconciled.check, discovery(*own))

    assert finding.severity == Severity.OK
