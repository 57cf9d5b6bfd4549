"""A posted event from its bytes to what each kind of service is sent."""

from typing import Any

import orjson

from engine.api.meta import LocalReference
from engine.api.notification import AlertSpec
from engine.cluster.outbound import Answer
from engine.notice import Notification, read
from engine.notice.audience import is_for
from engine.notice.metadata import merged
from engine.notice.notification import identity, restored, with_metadata, without_token
from engine.objects.ref import Ref
from engine.plugin import Destination, Undelivered
from plugins import PLUGIN
from tests.support.contexts import context_of
from tests.support.memory_client import MemoryClient

PROVIDER = Ref("notification.toolkit.fluxcd.io", "Provider", "ns", "p")
ADDRESS = "https://example.com/org/fleet"
_SPEC = AlertSpec(
    provider_ref=LocalReference(name="p"),
    event_sources=(),
    event_metadata={"cluster": "eu"},
    summary="s",
)


class Listening:
    """An `Http` whose services say yes, and hold that nothing was said before."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    async def send(self, method: str, url: str, *, body: bytes = b"", **_: Any) -> Answer:
        self.sent.append(body)
        return Answer(200, {}, b"[]" if method == "GET" else b'{"ok": true}')


def event_of(body: bytes) -> Notification:
    """As a server reads it, and as it is after its way over the disk.

    Raises Undecodable, JSONDecodeError.
    """
    found = read(orjson.loads(body))
    assert len(identity(found)) == 64
    kept = restored(orjson.loads(orjson.dumps(without_token(found).as_json())))
    assert kept.as_json() == without_token(found).as_json()
    return kept


async def announced(notification: Notification) -> list[bytes]:
    """What all services together were sent; what they refuse they say."""
    http = Listening()
    ctx = context_of(MemoryClient().as_client(), http)
    told = with_metadata(notification, merged(notification, _SPEC).metadata)
    for kind, notify in PLUGIN.notifiers.items():
        if is_for(kind, notification):
            to = Destination(provider=PROVIDER, address=ADDRESS, token="t", status="s")
            try:
                await notify(told, to, ctx)
            except Undelivered:
                continue
    return http.sent
