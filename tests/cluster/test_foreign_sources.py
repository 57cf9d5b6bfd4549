"""Sources that another controller serves: downloaded, verified, unpacked, used like any other."""

import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from engine.serve.http import listening
from engine.source import archive
from engine.source.tree import MemoryTree
from tests.support.fleet import (
    Fleet,
    condition_of,
    config_map,
    content,
    has_reason,
    is_at,
    is_ready,
)


class Shelf:
    """Another controller's artifact server."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.url = ""

    def add_routes(self, application: web.Application) -> None:
        async def serve(request: web.Request) -> web.Response:
            found = self.files.get(request.path)
            return web.Response(body=found) if found else web.Response(status=404)

        application.router.add_get("/{path:.*}", serve)

    def put(self, revision: str, value: str) -> dict[str, Any]:
        """`status.artifact` of a tar.gz with one ConfigMap of that value."""
        text = content(config_map("web", value=value)) or b""
        file = io.BytesIO()
        written = archive.write(MemoryTree({"app/web.yaml": text}), file)
        path = f"/{revision.replace(':', '-')}.tar.gz"
        self.files[path] = file.getvalue()
        return {
            "digest": written.digest,
            "lastUpdateTime": "2026-01-01T00:00:00Z",
            "path": path.lstrip("/"),
            "revision": revision,
            "size": written.size,
            "url": self.url + path,
        }


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    shelf = Shelf()
    async with listening("127.0.0.1:0", shelf.add_routes) as address:
        shelf.url = f"http://{address}"
        yield shelf


async def hold(fleet: Fleet, kind: str, artifact: dict[str, Any]) -> None:
    """What the other controller writes into the status of its source."""
    resource = await fleet.resource(kind)
    patch = {"status": {"artifact": artifact}}
    await fleet.client.merge_patch(
        resource, fleet.namespace, "theirs", patch, subresource="status", field_manager="other"
    )


SPECS: dict[str, dict[str, Any]] = {
    "Bucket": {"bucketName": "x", "endpoint": "s3.example.com", "interval": "1h"},
    "ExternalArtifact": {"sourceRef": {"kind": "Other", "name": "theirs"}},
    "OCIRepository": {"url": "oci://registry.example.com/x", "interval": "1h"},
    "GitRepository": {"url": "https://git.example.com/x", "interval": "1h"},
}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            "Bucket", marks=pytest.mark.covers("Kustomization.spec.sourceRef.kind=Bucket")
        ),
        pytest.param(
            "ExternalArtifact",
            marks=pytest.mark.covers("Kustomization.spec.sourceRef.kind=ExternalArtifact"),
        ),
        pytest.param(
            "OCIRepository",
            marks=pytest.mark.covers("Kustomization.spec.sourceRef.kind=OCIRepository"),
        ),
        "GitRepository",
    ],
)
async def test_an_artifact_of_another_controller_is_applied(
    fleet: Fleet, shelf: Shelf, kind: str
) -> None:
    await fleet.create(kind, "theirs", SPECS[kind])
    await hold(fleet, kind, shelf.put("latest@sha256:aa", "1"))
    await fleet.kustomization("app", path="./app", sourceRef={"kind": kind, "name": "theirs"})

    async with fleet.engine(sources="none"):
        await fleet.until("Kustomization", "app", is_ready)
        await hold(fleet, kind, shelf.put("latest@sha256:bb", "2"))
        await fleet.until("Kustomization", "app", is_at("latest@sha256:bb"))

    assert await fleet.data("web") == {"value": "2"}


async def test_an_artifact_with_another_digest_is_refused(fleet: Fleet, shelf: Shelf) -> None:
    await fleet.create("ExternalArtifact", "theirs", SPECS["ExternalArtifact"])
    artifact = shelf.put("latest@sha256:aa", "1") | {"digest": "sha256:" + "0" * 64}
    await hold(fleet, "ExternalArtifact", artifact)
    source = {"kind": "ExternalArtifact", "name": "theirs"}
    await fleet.kustomization("app", path="./app", sourceRef=source)

    async with fleet.engine(sources="none"):
        ks = await fleet.until("Kustomization", "app", has_reason("ArtifactFailed"))

    assert "does not match" in condition_of(ks)["message"]
    assert await fleet.get("ConfigMap", "web") is None


@pytest.mark.covers("Kustomization:AccessDenied")
async def test_a_source_of_another_namespace_can_be_blocked(fleet: Fleet) -> None:
    source = {"kind": "GitRepository", "name": "fleet", "namespace": "elsewhere"}
    await fleet.kustomization("app", path="./app", sourceRef=source)

    async with fleet.engine(no_cross_namespace_refs=True):
        ks = await fleet.until("Kustomization", "app", has_reason("AccessDenied"))

    assert "cross-namespace references have been blocked" in condition_of(ks)["message"]
    assert condition_of(ks, "Stalled")["status"] == "True"
