"""Where events go: core Events at the API server, and the notification controller's address."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import aiohttp
import orjson

from engine.cluster.client import Client
from engine.cluster.errors import AlreadyExists, ApiError, LeaseLost, NotFound
from engine.cluster.resource import Resource
from engine.runtime.clock import Clock
from engine.runtime.priority import Priority
from engine.telemetry import because, logger

EVENTS = Resource("", "v1", "Event", "events", namespaced=True)
_POST_TIMEOUT = 5.0  # seconds a try, as Flux
_POST_TRIES = 5

Write: TypeAlias = Callable[[dict[str, Any], int], Awaitable[None]]
Post: TypeAlias = Callable[[dict[str, Any], Mapping[str, str]], Awaitable[None]]


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
            where = f"{metadata['namespace']}/{metadata['name']}"
            level = logging.DEBUG if _is_moot(error) else logging.ERROR
            logger.log(level, "event %s not written", where, extra=because(error))

    return write


def _is_moot(error: Exception) -> bool:
    """Whether nobody misses the event: its namespace is going, or another engine works here."""
    is_ending = isinstance(error, ApiError) and any(
        cause.reason == "NamespaceTerminating" for cause in error.causes
    )
    return is_ending or isinstance(error, LeaseLost | NotFound)


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

        async def post(body: dict[str, Any], headers: Mapping[str, str]) -> None:
            nonlocal tries
            problem = ""
            for attempt in range(tries):
                if attempt:
                    await clock.sleep(0.5 * 2 ** (attempt - 1))
                try:
                    problem = await _refusal(session, address, body, headers)
                except (aiohttp.ClientError, TimeoutError) as error:
                    problem = str(error) or type(error).__name__
                else:
                    tries = _POST_TRIES
                    break
            else:
                tries = 1
            if problem:
                logger.error("event not delivered to %s", address, extra=because(problem))

        yield post


async def _refusal(
    session: aiohttp.ClientSession,
    address: str,
    body: dict[str, Any],
    headers: Mapping[str, str],
) -> str:
    """Why the event was not taken, "" if it was.  Raises ClientError where a retry may help."""
    sent = {**headers, "Content-Type": "application/json"}
    async with session.post(address, data=orjson.dumps(body), headers=sent) as answer:
        if answer.status >= 500:
            raise aiohttp.ClientError(f"HTTP {answer.status}")
        is_taken = answer.status < 300 or answer.status == 429  # 429: it is known already
        return "" if is_taken else f"HTTP {answer.status}"
