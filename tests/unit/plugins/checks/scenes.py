"""A Context for checks, on an API server that says what a test wants."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from engine.api import KINDS
from engine.cluster import connected
from engine.cluster.endpoint import Endpoint
from engine.plugin import Check, Context, Finding
from engine.runtime import SystemClock
from tests.support.contexts import context_of
from tests.support.scripted_api import ScriptedApi, json, scripted_api


@asynccontextmanager
async def context(**settings: Any) -> AsyncIterator[tuple[ScriptedApi, Context]]:
    async with (
        scripted_api() as api,
        connected(Endpoint(api.url), SystemClock(), Random(1)) as client,
    ):
        yield api, context_of(client, **settings)


async def found(
    check: Check, replies: Mapping[tuple[str, str], Any], **settings: Any
) -> list[Finding]:
    async with context(**settings) as (api, given):
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
