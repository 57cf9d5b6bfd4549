"""What kubelet gives a pod of a service account, and the engine of an image as such a pod."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import anyio
from anyio.abc import Process

from tests.image.box import Box
from tests.support.fleet import Fleet
from tests.support.processes import children_of

ACCOUNT = "engine"
_FOLDER = "secrets/kubernetes.io/serviceaccount"
_RBAC = "rbac.authorization.k8s.io"
_BINDINGS = f"/apis/{_RBAC}/v1/clusterrolebindings"
_ADDRESSES = ("STORAGE", "METRICS", "HEALTH", "RECEIVER", "EVENTS_LISTEN")


@dataclass(frozen=True, slots=True)
class Pod:
    """An engine that runs."""

    process: Process
    box: Box
    "Where further commands run as in the engine's container."
    log: Path

    @property
    def pid(self) -> int:
        """Of the engine, as this machine counts."""
        (child,) = children_of(self.process.pid)
        return child

    def address(self, served: str) -> str:
        """`host:port` of `health`, `metrics` or `artifacts`, once it is logged."""
        return self.log.read_text().partition(f"serving {served} on ")[2].partition('"')[0]


@asynccontextmanager
async def pod(box: Box, fleet: Fleet) -> AsyncIterator[Pod]:
    """The image's own command in the fleet's namespace, as a service account with all rights."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(fleet.server.session())
        await stack.enter_async_context(_account(session, fleet.namespace))
        folder = fleet.folder / "account"
        _mount(fleet, folder, await _token(session, fleet.namespace))
        server = urlsplit(fleet.server.url)
        environment = {
            "KUBERNETES_SERVICE_HOST": str(server.hostname),
            "KUBERNETES_SERVICE_PORT": str(server.port),
            "RUNTIME_NAMESPACE": fleet.namespace,
            "LOCKSTEP_WATCH_ALL_NAMESPACES": "false",
            **{f"LOCKSTEP_{name}_ADDR": "127.0.0.1:0" for name in _ADDRESSES},
        }
        box = replace(box, environment=environment, secrets={_FOLDER: folder})
        log = fleet.folder / "pod.log"
        with log.open("wb") as output:
            process = await anyio.open_process(box.lockstep(), stdout=output, stderr=output)
        stack.push_async_callback(process.aclose)  # kills what still runs
        tasks = await stack.enter_async_context(anyio.create_task_group())
        tasks.start_soon(_guard, process, log)
        yield Pod(process, box, log)
        tasks.cancel_scope.cancel()


async def _guard(process: Process, log: Path) -> None:
    """Fails at once if the engine does: nobody need wait for what it would do."""
    status = await process.wait()
    assert status == 0, f"the engine ended with {status}:\n{_last_words(log)}"


def _last_words(log: Path) -> str:
    return log.read_text()[-5000:]


@asynccontextmanager
async def _account(session: aiohttp.ClientSession, namespace: str) -> AsyncIterator[None]:
    """A service account that may do everything."""
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    binding = {
        "metadata": {"name": namespace},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [subject],
    }
    await _post(session, _accounts(namespace), {"metadata": {"name": ACCOUNT}})
    await _post(session, _BINDINGS, binding)
    try:
        yield
    finally:
        async with session.delete(f"{_BINDINGS}/{namespace}") as response:
            response.raise_for_status()


async def _token(session: aiohttp.ClientSession, namespace: str) -> str:
    path = f"{_accounts(namespace)}/{ACCOUNT}/token"
    answer = await _post(session, path, {"spec": {"expirationSeconds": 3600}})
    return str(answer["status"]["token"])


def _mount(fleet: Fleet, folder: Path, token: str) -> None:
    """Makes what a pod sees as /var/run/secrets/kubernetes.io/serviceaccount."""
    assert fleet.server.ca is not None
    folder.mkdir()
    (folder / "token").write_text(token)
    (folder / "namespace").write_text(fleet.namespace)
    (folder / "ca.crt").write_bytes(fleet.server.ca.read_bytes())


async def _post(session: aiohttp.ClientSession, path: str, body: Any) -> Any:
    async with session.post(path, json=body) as response:
        response.raise_for_status()
        return await response.json()


def _accounts(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/serviceaccounts"
