"""A small Kubernetes API in one process, for the demo, simulation and fast tests.

    async with serve() as server:
        print(server.url, server.kubeconfig(), server.statistics())

A request's way: `http` (bodies, paths, forms, streams) -> `decoding` (bytes to an object of its
kind, with `defaults`) -> `operations` (read, write, delete, watch), which ask `ownership` (who owns
which field, by the merge in `typed`) and `validation` -> `storage` (revisions and history).
`kinds` says what there is, `printing` makes kubectl's columns, `controllers` do what the server
does by itself.  `embedded.embed` gives all but HTTP; `server.serve` puts it on a port.

Never: admission by webhooks or policies, authorization, and rules in CEL of definitions
(`x-kubernetes-validations`), which are published but not evaluated.
"""

from engine.apiserver.server import Server, Statistics, serve

__all__ = ["Server", "Statistics", "serve"]
