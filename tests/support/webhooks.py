"""What senders of webhooks send: bodies of their shape, and each one's proof."""

import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import anyio
from msgspec import convert

from engine.api.meta import NOTIFICATION_GROUP
from engine.api.notification import ReceiverSpec
from engine.hooks import filters_of, path_of
from engine.objects.ref import Ref
from engine.reconcile.receiver_hooks import Hook
from engine.serve.receiver import receiving
from engine.settings import Settings
from plugins import PLUGIN
from tests.support.reconciling import APP, Workshop

TOKEN = "s3cret-token-of-the-webhook"
JSON = "application/json"


@dataclass(frozen=True)
class Call:
    """One call: headers by any name, and a body."""

    headers: Mapping[str, str]
    body: bytes

    def but(self, **headers: str) -> "Call":
        """The same with other headers; `X_Y=""` takes `X-Y` away."""
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        known = {name.lower(): (name, value) for name, value in self.headers.items()}
        known |= {name.lower(): (name, value) for name, value in changed.items()}
        return Call({name: value for name, value in known.values() if value}, self.body)

    @property
    def lowered(self) -> dict[str, str]:
        """The headers as a Hit has them."""
        return {name.lower(): value for name, value in self.headers.items()}


Prove = Callable[[bytes, str], Mapping[str, str]]


@dataclass(frozen=True)
class Sender:
    """One type of sender.

    body: as it sends it.  prove: the headers that prove a body with a token; None: nothing does.
    proof: the header that does.  event: the header that says which event, and another event.
    """

    body: Mapping[str, Any]
    prove: Prove | None = None
    proof: str = ""
    event: tuple[str, str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def call(self, token: str = TOKEN, body: bytes | None = None, event: str = "") -> Call:
        """A genuine call."""
        body = json.dumps(self.body).encode() if body is None else body
        headers = {"Content-Type": JSON, **self.headers}
        if self.event is not None:
            headers[self.event[0]] = event or self.event[1]
        proof = self.prove(body, token) if self.prove is not None else {}
        return Call({**headers, **proof}, body)


def signature(body: bytes, token: str, kind: str = "sha256") -> str:
    """`sha256=<hex>`."""
    return f"{kind}={hmac.digest(token.encode(), body, kind).hex()}"


_PUSH = {
    "ref": "refs/heads/main",
    "before": "0" * 40,
    "after": "1" * 40,
    "repository": {"id": 1296269, "full_name": "octo/fleet", "private": False},
    "commits": [{"id": "1" * 40, "message": "Fix ünïcode", "modified": ["app/web.yaml"]}],
}
_CHANGE_MERGED = {
    "context": {
        "version": "0.4.1",
        "id": "271069a8-fc18-44f1-b38f-9d70a1695819",
        "source": "/event/source/123",
        "type": "dev.cdevents.change.merged.0.2.0",
        "timestamp": "2026-03-20T14:27:05.315384Z",
    },
    "subject": {
        "id": "mySubject123",
        "source": "/event/source/123",
        "type": "change",
        "content": {"repository": {"id": "fleet", "source": "git.example.com"}},
    },
}

SENDERS: Mapping[str, Sender] = {
    "generic": Sender({"anything": ["goes", 1, None]}),
    "generic-hmac": Sender(
        {"image": "app:1.2"},
        lambda body, token: {"X-Signature": signature(body, token)},
        "X-Signature",
    ),
    "github": Sender(
        _PUSH,
        lambda body, token: {
            "X-Hub-Signature-256": signature(body, token),
            "X-Hub-Signature": signature(body, token, "sha1"),
        },
        "X-Hub-Signature-256",
        ("X-GitHub-Event", "push", "star"),
        {
            "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            "User-Agent": "GitHub-Hookshot",
        },
    ),
    "gitlab": Sender(
        {"object_kind": "push", "ref": "refs/heads/main", "project": {"id": 15}},
        lambda _body, token: {"X-Gitlab-Token": token},
        "X-Gitlab-Token",
        ("X-Gitlab-Event", "Push Hook", "Note Hook"),
    ),
    "bitbucket": Sender(
        {"eventKey": "repo:refs_changed", "repository": {"slug": "fleet"}},
        lambda body, token: {"X-Hub-Signature": signature(body, token)},
        "X-Hub-Signature",
        ("X-Event-Key", "repo:refs_changed", "repo:forked"),
        {"X-Request-Id": "e6c0b5b0"},
    ),
    "harbor": Sender(
        {
            "type": "PUSH_ARTIFACT",
            "occur_at": 1586922308,
            "operator": "admin",
            "event_data": {"resources": [{"tag": "latest"}], "repository": {"name": "app"}},
        },
        lambda _body, token: {"Authorization": token},
        "Authorization",
    ),
    "dockerhub": Sender(
        {
            "callback_url": "https://registry.hub.docker.com/u/x/y/hook/2141b5bi5i5b/",
            "push_data": {"pushed_at": 1417566161, "pusher": "octo", "tag": "latest"},
            "repository": {
                "repo_name": "octo/app",
                "repo_url": "https://hub.docker.com/r/octo/app",
            },
        }
    ),
    "quay": Sender(
        {
            "name": "app",
            "repository": "octo/app",
            "docker_url": "quay.io/octo/app",
            "updated_tags": ["latest", "1.2"],
        }
    ),
    "nexus": Sender(
        {"timestamp": "2026-11-10T23:57:49Z", "action": "CREATED", "repositoryName": "npm-proxy"},
        lambda body, token: {
            "X-Nexus-Webhook-Signature": hmac.digest(token.encode(), body, "sha1").hex()
        },
        "X-Nexus-Webhook-Signature",
        headers={"X-Nexus-Webhook-Id": "rm:repository:component"},
    ),
    "acr": Sender(
        {
            "id": "cb8c3971-9adc-488b-xxxx-43cbb4974ff5",
            "action": "push",
            "target": {"repository": "app", "tag": "v1", "size": 524},
        }
    ),
    "cdevents": Sender(
        _CHANGE_MERGED,
        event=("Ce-Type", "dev.cdevents.change.merged.0.2.0", "dev.cdevents.build.queued.0.2.0"),
    ),
}
"""By type of Receiver."""

FORGES: Mapping[str, Sender] = {
    "gitea": Sender(
        _PUSH,
        lambda body, token: {
            "X-Hub-Signature": signature(body, token, "sha1"),
            "X-Hub-Signature-256": signature(body, token),
            "X-Gitea-Signature": signature(body, token).partition("=")[2],
        },
        "X-Hub-Signature-256",
        ("X-GitHub-Event", "push", "issues"),
        {"X-Gitea-Event": "push", "X-Gogs-Event": "push"},
    ),
    "forgejo": Sender(
        _PUSH,
        lambda body, token: {"X-Hub-Signature-256": signature(body, token)},
        "X-Hub-Signature-256",
        ("X-GitHub-Event", "push", "issues"),
        {"X-Forgejo-Event": "push", "X-Gitea-Event": "push"},
    ),
}
"""Who calls Receivers of type github without being it."""


@dataclass
class Door:
    """The webhooks of an engine in memory."""

    shop: Workshop
    address: str

    def receiver(self, name: str = "push", /, *, suspend: bool = False, **spec: Any) -> str:
        """The path of a Receiver that is ready; by default of GitHub's, for Kustomization `app`."""
        wanted = {
            "type": "github",
            "secretRef": {"name": "webhook"},
            "resources": [{"kind": "Kustomization", "name": "app"}],
        }
        ref = Ref(NOTIFICATION_GROUP, "Receiver", APP.namespace, name)
        spec = {**wanted, **spec}
        metadata = {"name": name, "namespace": ref.namespace, "generation": 1}
        api_version = f"{NOTIFICATION_GROUP}/v1"
        self.shop.tell(
            {
                "apiVersion": api_version,
                "kind": "Receiver",
                "metadata": metadata,
                "spec": {**spec, "suspend": suspend},
            }
        )
        path = path_of(TOKEN.encode(), name, ref.namespace)
        decoded = convert(spec, ReceiverSpec)
        now = self.shop.engine.clock.monotonic()
        self.shop.engine.hooks.open(
            Hook(ref, path, decoded, filters_of(decoded), TOKEN.encode(), now)
        )
        self.secret(TOKEN)
        return path

    def secret(self, token: str) -> None:
        """What the Secret holds now."""
        data = {"token": base64.b64encode(token.encode()).decode()}
        metadata = {"name": "webhook", "namespace": APP.namespace}
        self.shop.client.put(
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
        )

    async def hit(self, path: str, call: Call | None = None, method: str = "POST") -> int:
        """The status of the answer to a call; a refused caller is told nothing else."""
        call = call or SENDERS["github"].call()
        url = f"http://{self.address}{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, data=call.body, headers=call.headers) as answer,
        ):
            assert not await answer.read()
            return answer.status

    async def exchange(self, *parts: bytes) -> bytes:
        """All that comes back over one connection until it is closed."""
        host, _, port = self.address.rpartition(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            for part in parts:
                await stream.send(part)
            return b"".join([chunk async for chunk in stream])

    def patched(self) -> list[str]:
        """What was asked for since the last call."""
        found = [call.removeprefix("patch ") for call in self.shop.client.writes()]
        self.shop.client.calls.clear()
        return found

    def counted(self) -> dict[str, int]:
        """{outcome: calls}."""
        samples = next(iter(self.shop.engine.metrics.hits.collect())).samples
        return {each.labels["outcome"]: int(each.value) for each in samples if each.value}


@asynccontextmanager
async def door(**settings: Any) -> AsyncIterator[Door]:
    """An engine in memory that takes calls, with a Kustomization `app`."""
    shop = Workshop(
        plugins=PLUGIN, settings=Settings(**{"receiver_addr": "127.0.0.1:0", **settings})
    )
    shop.kustomization()
    shop.engine.hooks.known.add((NOTIFICATION_GROUP, "Receiver"))
    addresses: list[str] = []
    async with receiving(shop.engine, addresses.append):
        yield Door(shop, addresses[0])
