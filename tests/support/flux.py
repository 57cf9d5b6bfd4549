"""The flux CLI of a test: the real one where FLUX_BIN names it, and a twin that always runs.

The twin sends the requests that section 11 of flux-behaviour.md lists, over a bare HTTP client.
"""

import hashlib
import hmac
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import anyio

from engine.api import KINDS
from engine.api.meta import REQUESTED_AT
from engine.objects.kstatus import Status, health
from engine.objects.ref import Object
from engine.runtime import SystemClock
from tests.support.apiserver import ApiServer
from tests.support.fleet import condition_of
from tests.support.kubectl import Program, program_at

FLUX_BIN = os.environ.get("FLUX_BIN", "")
POLL = 0.05  # seconds between two looks; the CLI's are 2
USER_AGENT = "flux/v0.0.0 (linux/amd64) kubernetes/$Format"  # its manager is what is before the /
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
MERGE_PATCH = "application/merge-patch+json"
_PATHS = {kind.name: (f"/apis/{kind.group}/{kind.version}", kind.plural) for kind in KINDS.values()}


def flux_at(server: ApiServer, namespace: str, folder: Path) -> Program:
    """The real CLI in that namespace."""
    return program_at(server, [FLUX_BIN, f"--namespace={namespace}", "--timeout=40s"], folder)


def rfc3339_nano(at: int) -> str:
    """Nanoseconds since 1970 as Go's time.RFC3339Nano: without zeros at the end."""
    seconds, rest = divmod(at, 10**9)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:09d}".rstrip("0").rstrip(".") + "Z"


class FluxError(Exception):
    """What the CLI would have ended with."""


@dataclass(frozen=True)
class FluxTwin:
    """What the CLI asks for and waits for; made by `flux_twin`."""

    session: aiohttp.ClientSession
    namespace: str

    async def get(self, kind: str, name: str) -> dict[str, Any]:
        """An object, as every command begins."""
        return await self._ask("GET", self._path(kind, name))

    async def all_of(self, kind: str, name: str = "", *, everywhere: bool = False) -> list[Object]:
        """Objects as `flux get` lists them; one is a list with a field selector."""
        query = {"fieldSelector": f"metadata.name={name}"} if name else {}
        found = await self._ask("GET", self._path(kind, everywhere=everywhere), query=query)
        items: list[Object] = found["items"]
        return items

    async def annotate(self, kind: str, name: str) -> str:
        """The token with which a reconcile was asked for."""
        path, token = self._path(kind, name), rfc3339_nano(time.time_ns())
        partial = await self._ask("GET", path, accept=PARTIAL)
        assert partial["kind"] == "PartialObjectMetadata"
        patch = {"metadata": {"annotations": {REQUESTED_AT: token}}}
        await self._ask("PATCH", path, patch=patch, accept=PARTIAL)
        return token

    async def reconcile(self, kind: str, name: str) -> dict[str, Any]:
        """The object once the request was handled with success.  Raises FluxError otherwise."""
        before = await self.get(kind, name)
        if before["spec"].get("suspend"):
            raise FluxError("resource is suspended")
        await self.annotate(kind, name)
        last = handled(before)
        while True:
            obj = await self.get(kind, name)
            if handled(obj) != last and is_over(obj):
                break
            await anyio.sleep(POLL)
        ready = condition_of(obj)
        if ready.get("status") != "True":
            raise FluxError(f"{kind} reconciliation failed: '{ready.get('message')}'")
        return obj

    async def suspend(self, kind: str, name: str) -> None:
        """Returns when the object says `suspend`."""
        await self._set_suspend(kind, name, True)

    async def resume(self, kind: str, name: str) -> dict[str, Any]:
        """The object once it is Ready at the generation that it got by this."""
        await self._set_suspend(kind, name, None)
        while True:
            obj = await self.get(kind, name)
            observed = condition_of(obj).get("observedGeneration")
            if observed == obj["metadata"]["generation"] and is_over(obj):
                return obj
            await anyio.sleep(POLL)

    async def events(self, kind: str, name: str) -> list[Object]:
        """Events about one object, as `flux events --for`."""
        selector = f"involvedObject.kind={kind},involvedObject.name={name}"
        path = f"/api/v1/namespaces/{self.namespace}/events"
        found = await self._ask("GET", path, query={"fieldSelector": selector, "limit": "500"})
        items: list[Object] = found["items"]
        return items

    async def create(self, kind: str, name: str, spec: Object) -> dict[str, Any]:
        """The object once it is ready; at once for what nothing reconciles."""
        root, _ = _PATHS[kind]
        version = root.removeprefix("/apis/")
        metadata = {"name": name, "namespace": self.namespace}
        obj = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
        await self._ask("POST", self._path(kind), patch=obj, content="application/json")
        while True:
            made = await self.get(kind, name)
            observed = condition_of(made).get("observedGeneration")
            if kind in ("Alert", "Provider") or (
                observed == made["metadata"]["generation"] and is_over(made)
            ):
                return made
            await anyio.sleep(POLL)

    async def delete(self, kind: str, name: str) -> None:
        """Returns when the deletion is accepted."""
        await self._ask("DELETE", self._path(kind, name))

    async def _set_suspend(self, kind: str, name: str, value: bool | None) -> None:
        assert len(await self.all_of(kind, name)) == 1
        await self._ask("PATCH", self._path(kind, name), patch={"spec": {"suspend": value}})

    def _path(self, kind: str, name: str = "", *, everywhere: bool = False) -> str:
        root, plural = _PATHS[kind]
        scope = "" if everywhere else f"/namespaces/{self.namespace}"
        return f"{root}{scope}/{plural}" + (f"/{name}" if name else "")

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        patch: Object | None = None,
        accept: str = "application/json",
        content: str = MERGE_PATCH,
    ) -> dict[str, Any]:
        headers = {"Accept": accept, "User-Agent": USER_AGENT}
        if patch is not None:
            headers["Content-Type"] = content
        async with self.session.request(
            method, path, params=query, json=patch, headers=headers
        ) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status < 300, answer
        return answer


async def trigger(base: str, name: str, namespace: str, token: str, payload: bytes) -> int:
    """The status with which the webhook of a generic-hmac Receiver answers: no cluster is asked.

    Source: notification-controller api/v1, GetWebhookPath.
    """
    path = hashlib.sha256(f"{token}{name}{namespace}".encode()).hexdigest()
    signature = hmac.new(token.encode(), payload, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Signature": f"sha256={signature}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{base}/hook/{path}", data=payload, headers=headers) as response,
    ):
        return response.status


@asynccontextmanager
async def flux_twin(server: ApiServer, namespace: str) -> AsyncIterator[FluxTwin]:
    """A FluxTwin in that namespace."""
    async with server.session() as session:
        yield FluxTwin(session, namespace)


def handled(obj: Object) -> str:
    """The request that the object's status says was handled last."""
    return str((obj.get("status") or {}).get("lastHandledReconcileAt", ""))


def is_over(obj: Object) -> bool:
    """Whether kstatus calls it Current.  Raises FluxError where the CLI gives up waiting."""
    found = health(obj, SystemClock().wall())
    if found.status not in (Status.CURRENT, Status.IN_PROGRESS):
        raise FluxError(found.message)
    return found.status is Status.CURRENT
