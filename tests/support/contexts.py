"""A Context for plugins, from as little as a test has."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from engine.cluster import Client
from engine.cluster.outbound import Http
from engine.cluster.tokens import Tokens
from engine.objects.ref import Ref
from engine.plugin import Context
from engine.runtime import Clock, Priority, SystemClock
from engine.settings import Settings
from engine.telemetry import Metrics
from plugins import PLUGIN
from tests.support.no_http import NoHttp


def asked_by(namespace: str, priority: Priority = Priority.INTERVAL) -> Context:
    """A Context of who asks nobody, for a Kustomization in a namespace."""
    context = context_of(cast("Client", None))
    return replace(context, asker=Ref("", "Kustomization", namespace, "app"), priority=priority)


def context_of(
    client: Client,
    http: Http | None = None,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
    **settings: Any,
) -> Context:
    """A Context with built-in identities; settings: those that are not at their default."""
    clock = clock or SystemClock()
    return Context(
        client=client,
        settings=Settings(**settings),
        version="0",
        http=http or NoHttp(),
        clock=clock,
        tokens=Tokens(clock, Metrics(), 100, 3600.0),
        environ=environ or {},
        identities=PLUGIN.identities,
    )
