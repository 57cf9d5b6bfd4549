"""Alerts and Providers in a test: real parts, on a cluster in memory, with services of the test's.

with dispatching(tmp_path) as desk:
    desk.provider("chat")
    desk.alert("a", provider="chat")
    await desk.receive(desk.event("m"))
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.api import KINDS
from engine.cluster.resource import resource_of
from engine.dispatch import Dispatch, Supplies, open_dispatch
from engine.notice import Notification, read
from engine.objects.ref import Object, Ref
from engine.plugin import Context, Destination, Notifier, Plugin
from engine.runtime import Clock
from engine.settings import Settings
from engine.status.events import Event
from engine.telemetry import Metrics
from tests.support.build import made
from tests.support.contexts import context_of
from tests.support.memory_client import MemoryClient

GROUP = "kustomize.toolkit.fluxcd.io"
NOTIFICATION = "notification.toolkit.fluxcd.io/v1beta3"


_KINDS = [
    resource_of(KINDS[GROUP, "Kustomization"]),
    resource_of(KINDS["notification.toolkit.fluxcd.io", "Provider"]),
]


class Service:
    """A notifier that notes what it is told; failures: raised first, in turn."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []  # (Provider's name, message)
        self.destinations: list[Destination] = []
        self.failures: list[Exception] = []
        self.tries = 0

    async def __call__(self, notification: Notification, to: Destination, _: Context) -> None:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)
        self.told.append((to.provider.name, notification.message))
        self.destinations.append(to)


class Desk:
    """An open dispatch, and what came of it; made by `dispatching`."""

    def __init__(
        self, dispatch: Dispatch, client: MemoryClient, series: Metrics, events: list[Event]
    ) -> None:
        self.dispatch, self.client, self.series, self.events = dispatch, client, series, events
        self.known: dict[Ref, Object] = {}

    def put(self, kind: str, name: str, spec: Object, **metadata: Any) -> dict[str, Any]:
        """An Alert or Provider that a watch has told of."""
        obj = made(kind, name, api_version=NOTIFICATION, uid=f"uid-{name}", **metadata, spec=spec)
        self.dispatch.directory.told(obj)
        return obj

    def provider(self, name: str = "chat", **spec: Any) -> dict[str, Any]:
        return self.put("Provider", name, {"type": "slack", "address": "https://x.test", **spec})

    def alert(self, name: str = "a", provider: str = "chat", **spec: Any) -> dict[str, Any]:
        sources = [{"kind": "Kustomization", "name": "*"}]
        given = {"providerRef": {"name": provider}, "eventSources": sources}
        return self.put("Alert", name, {**given, **spec})

    def secret(self, name: str, **data: bytes) -> None:
        values = {key: b64encode(value).decode() for key, value in data.items()}
        self.client.put(made("Secret", name, data=values))

    async def receive(self, *notifications: Notification) -> list[bool]:
        return [await self.dispatch.courier.receive(each) for each in notifications]

    def synced(self) -> None:
        """All Alerts and Providers are told."""
        for kind in ("Alert", "Provider"):
            self.dispatch.directory.synced(kind)

    def said(self) -> list[str]:
        """Events about Alerts and Providers: `reason: message`."""
        return [f"{each.reason}: {each.message}" for each in self.events]

    def counted(self, outcome: str, kind: str = "slack") -> float:
        found = self.series.registry.get_sample_value(
            "lockstep_notifications_total", {"type": kind, "outcome": outcome}
        )
        return found or 0.0


def event(
    message: str = "m", metadata: Mapping[str, str] | None = None, **more: Any
) -> Notification:
    """What a kustomize-controller says of the Kustomization `ns/app`."""
    involved = {"kind": "Kustomization", "namespace": "ns", "name": "app"}
    return read(
        {
            "involvedObject": {**involved, "apiVersion": f"{GROUP}/v1", **more.pop("of", {})},
            "severity": "info",
            "timestamp": "2026-11-23T10:00:00Z",
            "message": message,
            "reason": "Progressing",
            "metadata": metadata or {},
            "reportingController": "kustomize-controller",
            **more,
        }
    )


@contextmanager
def dispatching(
    folder: Path, clock: Clock, notifiers: Mapping[str, Notifier], **settings: Any
) -> Iterator[Desk]:
    """A dispatch whose journal is in the folder."""
    client, series = MemoryClient(kinds=_KINDS), Metrics()
    desk: Desk
    events: list[Event] = []

    def context(_: Ref) -> Context:
        return context_of(client.as_client(), clock=clock)

    supplies = Supplies(
        client=client.as_client(),
        clock=clock,
        settings=Settings(**settings),
        plugins=Plugin("test", notifiers=notifiers),
        series=series,
        context=context,
        emit=events.append,
        lookup=lambda ref: desk.known.get(ref),
    )
    with open_dispatch(folder, supplies) as dispatch:
        desk = Desk(dispatch, client, series, events)
        yield desk
