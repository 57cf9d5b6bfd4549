"""Where events go: core Events at the API server, and the notification controller's address."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import aiohttp
import orjson

from engine.cluster.client import Client
from engine.cluster.errors import AlreadyExists, ApiError, LeaseLost, NotFound
from engine.cluster.resource import Resource
from engine.runtime.clock import Clock
from engine.runtime.priority import Priority
from engine.telemetry import logger

EVENTS = Resource("", "v1", "Event", "events", namespaced=True)
_POST_TIMEOUT = 5.0  # seconds a try, as Flux
_POST_TRIES = 5

Write: TypeAlias = Callable[[dict[str, Any], int], Awaitable[None]]
Post: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]


def event_writer(client: Client) -> Write:
    """Stores core Events: a count above 1 updates the one that was written before.

    An event that cannot be written is logged and dropped: it must not stop anything.
    """
    client = client.at(Priority.STATUS)

    async def write(body: dict[str, Any], count: int) -> None:
        metadata = body["metadata"]
        try:
            if count > 1:
                patch = {key: body[key] for key in ("count", "lastTimestamp")}
                try:
                    await client.merge_patch(EVENTS, metadata["namespace"], metadata["name"], patch)
                except NotFound:  # it expired; the API server keeps events for an hour
                    await client.create(EVENTS, body)
                return
            await client.create(EVENTS, body)
        except AlreadyExists:
            logger.debug("event %s exists", metadata["name"])
        except (ApiError, LeaseLost) as error:
            logger.error("event %s not written: %s", metadata["name"], error)

    return write


@asynccontextmanager
async def poster(address: str, clock: Clock) -> AsyncIterator[Post | None]:
    """Posts events as JSON to `address`; None without one.  Failures are logged and dropped.

    After an event that could not be delivered, the next ones are tried only once until one gets
    through: nobody waits long for an address that does not answer.
    """
    if not address:
        yield None
        return
    timeout = aiohttp.ClientTimeout(total=_POST_TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
        tries = _POST_TRIES

        async def post(body: dict[str, Any]) -> None:
            nonlocal tries
            problem = ""
            for attempt in range(tries):
                if attempt:
                    await clock.sleep(0.5 * 2 ** (attempt - 1))
                problem = await _posted(session, address, body)
                if not problem:
                    tries = _POST_TRIES
                    return
            tries = 1
            logger.error("event not delivered to %s: %s", address, problem)

        yield post


async def _posted(session: aiohttp.ClientSession, address: str, body: dict[str, Any]) -> str:
    """What went wrong with one try, "" if nothing did."""
    headers = {"Content-Type": "application/json"}
    try:
        async with session.post(address, data=orjson.dumps(body), headers=headers) as answer:
            is_taken = answer.status < 300 or answer.status == 429  # 429: it is known already
            return "" if is_taken else f"HTTP {answer.status}"
    except (aiohttp.ClientError, TimeoutError) as error:
        return str(error) or type(error).__name__
