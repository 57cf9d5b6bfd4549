"""Lists and watches of an API server that does not stream its lists."""

import itertools
from typing import Any

from aiohttp import web

from tests.support.scripted_api import Reply, events, json, status


def listing(*items: dict[str, Any]) -> Reply:
    """An answer with these objects."""
    return json({"items": list(items), "metadata": {"resourceVersion": "5"}})


def watched(first: Reply, *watches: Reply) -> Reply:
    """One path for all: lists get `first`, watches the others in turn, in the end silence."""
    silence = events(then="silence")
    turns = itertools.chain(watches, itertools.repeat(silence))

    async def reply(request: web.Request) -> web.StreamResponse:
        if request.query.get("sendInitialEvents"):
            return await status(422, "sendInitialEvents is forbidden", reason="Invalid")(request)
        chosen = next(turns) if request.query.get("watch") else first
        return await chosen(request)

    return reply
