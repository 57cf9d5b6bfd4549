from typing import Any

import pytest
from aiohttp import web

from engine.plugin import Severity
from plugins.checks import permissions
from tests.unit.plugins.checks.scenes import context, found

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


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
        ({"object_level_workload_identity": True}, "create serviceaccounts/token", True),
        ({}, "create serviceaccounts/token", False),
        ({}, "delete *.*", True),
        ({"tenancy": "strict"}, "delete *.*", False),
        ({"tenancy": "strict"}, "watch *.*", True),
        ({"tenancy": "strict"}, "impersonate serviceaccounts", True),
    ],
)
async def test_what_is_needed_follows_the_settings(
    settings: dict[str, Any], deed: str, is_needed: bool
) -> None:
    async with context(**settings) as (_, given):
        assert (deed in map(str, permissions.needed(given))) == is_needed
