"""Another cluster in a test: behind a proxy that can cut it off and bring it back."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import anyio

from engine.api.meta import KUSTOMIZE_OWNER_NAME
from engine.cluster import Client, connected
from engine.cluster.connect import from_kubeconfig
from engine.objects.ref import Object
from engine.runtime import SystemClock
from tests.support.apiserver import ApiServer, kubeconfig, namespace_at
from tests.support.fleet import Fleet
from tests.support.proxy import Fault, FaultProxy, Passed, fault_proxy, hang, lose

POLL = 0.02  # seconds between two looks
SECRET = "remote"


@dataclass
class Remote:
    """A namespace in it that is called as the fleet's, and the kubeconfig that leads there.

    client: of its administrator, past the proxy.
    """

    fleet: Fleet
    server: ApiServer
    client: Client
    namespace: str
    proxy: FaultProxy

    async def secret(self, name: str = SECRET, /, **users: Any) -> None:
        """Creates the Secret with the kubeconfig; users: fields of its user."""
        config = kubeconfig(self.proxy.url)
        config["users"][0]["user"] |= users
        await self.fleet.put(secret(name, config))

    async def app(self, files: Mapping[str, Object | None], /, **spec: Any) -> str:
        """The Secret, and a Kustomization `app` of the folder `app` for this cluster."""
        await self.secret()
        wanted = {
            "kubeConfig": {"secretRef": {"name": SECRET}},
            "targetNamespace": self.namespace,
            "retryInterval": "1s",
            "timeout": "20s",
        }
        return await self.fleet.app(dict(files), **(wanted | spec))

    async def get(self, name: str, kind: str = "ConfigMap") -> dict[str, Any] | None:
        resource = await self.client.discovery.resource("", "v1", kind)
        return await self.client.get(resource, self.namespace, name)

    async def data(self, name: str) -> dict[str, str] | None:
        """Of a ConfigMap there, None if there is none."""
        found = await self.get(name)
        return None if found is None else dict(found.get("data") or {})

    async def until_data(self, name: str, data: Mapping[str, str] | None) -> None:
        """Returns once a ConfigMap there is so."""
        while True:
            if await self.data(name) == data:
                return
            await anyio.sleep(POLL)

    async def edit(self, name: str, /, **data: str) -> None:
        """Somebody changes a ConfigMap there."""
        resource = await self.client.discovery.resource("", "v1", "ConfigMap")
        patch = {"data": data}
        await self.client.merge_patch(
            resource, self.namespace, name, patch, field_manager="kubectl-edit"
        )

    async def owner(self, name: str) -> str:
        """The Kustomization whose label a ConfigMap there carries."""
        found = await self.get(name) or {"metadata": {}}
        return str((found["metadata"].get("labels") or {}).get(KUSTOMIZE_OWNER_NAME, ""))

    def cut(self) -> None:
        """From here on nothing of it gets through."""
        self.proxy.faults.append(Fault(lose))
        self.proxy.cut_watches()

    def hang(self) -> None:
        """From here on nothing of it answers, and no connection breaks."""
        self.proxy.faults.append(Fault(hang))
        self.proxy.deaden_watches()

    def mend(self) -> None:
        """It is back."""
        self.proxy.faults.clear()

    def asked(self, since: float) -> list[Passed]:
        """What was asked of it from an instant on, but for watches."""
        return [
            each
            for each in self.proxy.passed
            if each.at >= since and "watch=true" not in each.query
        ]


def secret(name: str, config: Object, key: str = "value") -> dict[str, Any]:
    """A Secret with a kubeconfig."""
    text = base64.b64encode(json.dumps(config).encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "data": {key: text},
    }


@asynccontextmanager
async def remote_at(server: ApiServer, fleet: Fleet, folder: Path) -> AsyncIterator[Remote]:
    """A Remote on that API server, for a fleet on another one."""
    endpoint = from_kubeconfig(server.kubeconfig)
    async with (
        namespace_at(server, "remote") as namespace,
        fault_proxy(server, folder) as proxy,
        connected(endpoint, SystemClock(), Random(0)) as client,
    ):
        yield Remote(fleet, server, client, namespace, proxy)
