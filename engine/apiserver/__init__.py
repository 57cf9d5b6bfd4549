"""A small Kubernetes API in one process, for the demo, simulation and fast tests.

    async with serve() as server:
        print(server.url, server.kubeconfig(), server.statistics())

A request's way: `http` (bodies and streams) -> `api` (which operation) -> `reading`, `writing`,
`deleting`, `watching` (semantics) -> `store` (revisions and history).  `embedded.embed` gives all
but HTTP.
"""

from engine.apiserver.server import Server, Statistics, serve

__all__ = ["Server", "Statistics", "serve"]
