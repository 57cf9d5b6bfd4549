"""Serve stored artifacts under the paths that Flux's controllers know."""

from aiohttp import web
from anyio import to_thread

from engine.source.storage import ArtifactStorage


def add_artifact_routes(application: web.Application, storage: ArtifactStorage) -> None:
    """Add `/` (for probes) and `/<kind>/<namespace>/<name>/<file>`, for GET and HEAD."""

    async def root(_: web.Request) -> web.Response:
        return web.Response(text="")

    async def artifact(request: web.Request) -> web.StreamResponse:
        path = "/".join(request.match_info[part] for part in ("kind", "namespace", "name", "file"))
        found = await to_thread.run_sync(storage.locate, path)
        if found is None:
            raise web.HTTPNotFound(text="artifact not found\n")
        headers = {"Content-Type": "application/gzip", "Cache-Control": "no-cache"}
        return web.FileResponse(found, headers=headers)

    application.router.add_get("/", root)
    application.router.add_get("/{kind}/{namespace}/{name}/{file}", artifact)
