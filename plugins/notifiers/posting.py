"""Posts JSON to a service, once, and says what its answer means.

Source: notification-controller internal/notifier client.go; hashicorp/go-retryablehttp (what is
tried again).  Its retries are the dispatcher's, so that a Retry-After holds for all of a service.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson

from engine.cluster.outbound import Answer, NotAsked, Unanswered
from engine.objects.redact import mask
from engine.plugin import Context, Destination, Undeliverable, Undelivered
from plugins.clouds.answers import words

_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # the tab is allowed
_NONE: Mapping[str, str] = MappingProxyType({})


async def post(
    body: Any, destination: Destination, ctx: Context, headers: Mapping[str, str] = _NONE
) -> Answer:
    """The answer to the JSON of `body` at the destination's address, a success.

    Raises Undelivered.
    """
    if not destination.address:
        raise Undeliverable("no address: set spec.address, or the key 'address' of its Secret")
    return await ask("POST", destination.address, destination, ctx, (orjson.dumps(body), headers))


async def ask(
    method: str,
    url: str,
    destination: Destination,
    ctx: Context,
    sent: tuple[bytes, Mapping[str, str]] = (b"", _NONE),
) -> Answer:
    """The answer, a success; sent: body (JSON) and headers.  Raises Undelivered."""
    body, headers = sent
    if any(_CONTROL.search(text) for text in (*headers, *headers.values())):
        raise Undeliverable(
            "a token or header of the Provider's Secret holds a line break or another control "
            "character, which no request can send: store it without"
        )
    kind = {"Content-Type": "application/json"} if body else {}
    route = destination.route
    try:
        answer = await ctx.http.send(
            method, url, headers={**kind, **headers}, body=body, route=route, tries=1
        )
    except NotAsked as error:
        raise Undeliverable(mask(str(error), destination.secrets)) from error
    except Unanswered as error:
        raise Undelivered(mask(str(error), destination.secrets)) from error
    _check(answer, destination)
    return answer


def _check(answer: Answer, destination: Destination) -> None:
    status = answer.status
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise Undeliverable(
            f"HTTP {status}: it redirects elsewhere, which is not followed: name the address that "
            "it redirects to"
        )
    said = words(answer.body, destination.secrets)
    text = f"HTTP {status}" + (f": {said}" if said else "")
    if status in _AGAIN:
        asked = answer.headers.get("Retry-After", "")
        raise Undelivered(text, after=float(asked) if asked.isdecimal() else 0.0)
    raise Undeliverable(text)


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token, none without one."""
    return {"Authorization": f"Bearer {token}"} if token else {}
