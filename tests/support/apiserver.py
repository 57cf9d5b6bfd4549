"""An API server that a test may use, whichever it is, and a bare way to talk to it."""

import base64
import json
import re
import secrets
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import anyio

_HELD = (
    "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{}/kustomizations",
    "/apis/source.toolkit.fluxcd.io/v1/namespaces/{}/gitrepositories",
)
"""What engines give a finalizer."""
_MERGE = {"Content-Type": "application/merge-patch+json"}


@dataclass(frozen=True)
class ApiServer:
    """Where an API server is and how to be its administrator (a member of system:masters)."""

    name: str
    "`embedded` or `real`."
    url: str
    kubeconfig: Path
    token: str = field(repr=False)
    ca: Path | None
    "A file of certificates to trust; None where the URL is plain HTTP."

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """A bare HTTP client with the administrator's token, for looks without any client of ours.

        Add the header `Impersonate-User` to a request to act as somebody else.
        """
        trust = ssl.create_default_context(cafile=self.ca) if self.ca else True
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        connector = aiohttp.TCPConnector(ssl=trust)
        async with aiohttp.ClientSession(self.url, connector=connector, headers=headers) as session:
            yield session


@asynccontextmanager
async def namespace_at(server: ApiServer, words: str) -> AsyncIterator[str]:
    """The name, made of some words, of a new namespace that is removed on leaving.

    It empties itself in the background.
    """
    name = f"{re.sub(r'[^a-z0-9]+', '-', words)[:40].strip('-')}-{secrets.token_hex(3)}"
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    async with server.session() as session:
        async with session.post("/api/v1/namespaces", json=manifest) as response:
            response.raise_for_status()
        try:
            yield name
        finally:
            await _release(session, name)
            async with session.delete(f"/api/v1/namespaces/{name}") as response:
                assert response.status in (200, 202, 404, 409)


async def _release(session: aiohttp.ClientSession, namespace: str) -> None:
    """Takes the finalizers off what engines left in a namespace: none of them lives to do it.

    The namespace could never go, and the real controller-manager would try to empty each such one
    every eight seconds for as long as it runs: after 50 tests that took a processor for itself.
    """
    for pattern in _HELD:
        path = pattern.format(namespace)
        items = await _listed(session, path)
        held = [item["metadata"]["name"] for item in items if item["metadata"].get("finalizers")]
        patch = {"metadata": {"finalizers": None}}
        for name in held:
            async with session.patch(f"{path}/{name}", json=patch, headers=_MERGE) as response:
                assert response.status in (200, 404), await response.text()


async def _listed(session: aiohttp.ClientSession, path: str) -> list[dict[str, Any]]:
    """The objects below a path; none where the kind is not served."""
    while True:
        async with session.get(path) as response:
            if response.status == 429:  # a definition was changed: its storage begins anew
                await anyio.sleep(float(response.headers.get("Retry-After", "1")))
                continue
            if response.status == 404:  # the test had no use for Flux's definitions
                return []
            response.raise_for_status()
            found: list[dict[str, Any]] = (await response.json())["items"]
            return found


def api_server_of(name: str, content: Mapping[str, Any], folder: Path) -> ApiServer:
    """The ApiServer of a kubeconfig's content, which is written to `folder`."""
    path = folder / "kubeconfig.yaml"
    path.write_text(json.dumps(content, indent=1))
    cluster = content["clusters"][0]["cluster"]
    ca = None
    if "certificate-authority-data" in cluster:
        ca = folder / "ca.crt"
        ca.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    token = content["users"][0]["user"].get("token", "") if content.get("users") else ""
    return ApiServer(name, cluster["server"], path, token, ca)


def kubeconfig(url: str, token: str = "", ca: bytes = b"") -> dict[str, Any]:
    """The content of a kubeconfig with one cluster, one user and one context, all `lockstep`.

    Without a token nobody is named; without certificates (PEM) the URL is plain HTTP.
    """
    cluster = {"server": url}
    if ca:
        cluster["certificate-authority-data"] = base64.b64encode(ca).decode()
    name = "lockstep"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token} if token else {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
