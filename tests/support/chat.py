"""Services that are told of events, as local stand-ins: they refuse what the real ones refuse.

Source: Slack API (incoming webhooks, chat.postMessage); Adaptive Cards 1.4; Office 365 connectors;
Alertmanager API v2; REST APIs of GitHub and GitLab (commit statuses).
"""

import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import anyio
from aiohttp import web

from tests.support.clouds.world import Received, Refusal
from tests.support.git_server import serve_application

KEY = "Hook/9+key=?"
"""The token that each of them wants."""


def _json(request: Received) -> Any:
    if request.method != "POST" or request.headers.get("Content-Type") != "application/json":
        raise Refusal(415, "invalid_payload")
    try:
        return json.loads(request.body)
    except ValueError:
        raise Refusal(400, "invalid_payload") from None


def _has_keys(found: Any, *keys: str) -> None:
    if not isinstance(found, dict) or not set(keys) <= found.keys():
        raise Refusal(400, f"no {keys} in it: {found}"[:200])


@dataclass
class Told:
    """What a stand-in has taken; refuse: answers that are given first instead, in turn."""

    messages: list[Any] = field(default_factory=list)
    refuse: list[Exception] = field(default_factory=list)
    changed: anyio.Event = field(default_factory=anyio.Event)

    def take(self, message: Any) -> None:
        self.messages.append(message)
        self.changed.set()
        self.changed = anyio.Event()

    def refuse_now(self) -> None:
        if self.refuse:
            refusal = self.refuse.pop(0)
            self.changed.set()
            self.changed = anyio.Event()
            raise refusal

    async def when(self, check: Callable[[], bool]) -> None:
        """Returns once `check` holds after a message or a refusal."""
        while not check():
            await self.changed.wait()

    async def until(self, check: Callable[[Any], bool]) -> Any:
        """The first message for which `check` holds, once it is there."""
        while True:
            for each in self.messages:
                if check(each):
                    return each
            await self.changed.wait()


class Slack(Told):
    """An incoming webhook, and chat.postMessage."""

    async def answer(self, request: Received) -> web.Response:
        self.refuse_now()
        message = _json(request)
        for each in message.get("attachments") or [{}]:
            _has_keys(each, "color", "author_name", "text", "fields", "fallback")
            for shown in each["fields"]:
                _has_keys(shown, "title", "value", "short")
        if request.path.startswith("/services/"):
            self.take(message)
            return web.Response(text="ok")
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        if not message.get("channel"):
            return web.json_response({"ok": False, "error": "channel_not_found"})
        self.take(message)
        return web.json_response({"ok": True})


class Teams(Told):
    """A workflow that takes adaptive cards, or the old connector."""

    async def answer(self, request: Received) -> web.Response:
        self.refuse_now()
        card = _json(request)
        if request.host.endswith(".webhook.office.com"):
            _has_keys(card, "@type", "@context", "summary", "sections")
            self.take(card)
            return web.Response(text="1")
        _has_keys(card, "type", "attachments")
        for each in card["attachments"]:
            _has_keys(each, "contentType", "content")
            _has_keys(each["content"], "$schema", "type", "version", "body")
        self.take(card)
        return web.Response(status=202)


class Alertmanager(Told):
    """`POST /api/v2/alerts`."""

    async def answer(self, request: Received) -> web.Response:
        self.refuse_now()
        if request.headers.get("Authorization") not in (f"Bearer {KEY}", "Basic Zmx1eDpwdw=="):
            raise Refusal(401, "Unauthorized")
        alerts = _json(request)
        if not isinstance(alerts, list):
            raise Refusal(400, "no list")
        for each in alerts:
            _has_keys(each, "labels", "annotations", "startsAt")
            datetime.fromisoformat(each["startsAt"])
            if not all(isinstance(value, str) for value in each["labels"].values()):
                raise Refusal(400, "a label is no text")
        self.take(alerts)
        return web.json_response({})


class Generic(Told):
    """Somebody's own webhook; a signature is verified if there is one."""

    async def answer(self, request: Received) -> web.Response:
        self.refuse_now()
        event = _json(request)
        _has_keys(event, "involvedObject", "severity", "timestamp", "message", "reason")
        if request.headers.get("gotk-component") != event["reportingController"]:
            raise Refusal(400, "no gotk-component")
        signature = request.headers.get("X-Signature")
        if signature is not None:
            wanted = hmac.new(KEY.encode(), request.body, hashlib.sha256).hexdigest()
            if not hmac.compare_digest(signature, f"sha256={wanted}"):
                raise Refusal(403, "bad signature")
        self.take(event)
        return web.Response(status=204)


class GitHub(Told):
    """Commit statuses; messages: (commit, status), newest last."""

    base = ""

    async def answer(self, request: Received) -> web.Response:
        self.refuse_now()
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            raise Refusal(401, {"message": "Bad credentials"})
        path = request.path.removeprefix(self.base).strip("/").split("/")
        if path[:1] != ["repos"] or len(path) < 5:
            raise Refusal(404, {"message": "Not Found"})
        if request.method == "GET" and path[3] == "commits" and path[5:] == ["statuses"]:
            known = [status for commit, status in self.messages if commit == path[4]]
            return web.json_response(known[::-1][: int(request.query["per_page"])])
        if path[3] != "statuses":
            raise Refusal(404, {"message": "Not Found"})
        status = _json(request)
        _has_keys(status, "state", "context", "description")
        if status["state"] not in ("error", "failure", "pending", "success"):
            raise Refusal(422, {"message": "Validation Failed"})
        self.take((path[4], status))
        return web.json_response(status, status=201)


class GitLab(Told):
    """Commit statuses; messages: (commit, status), newest last."""

    async def answer(self, request: Received) -> web.Response:
        self.refuse_now()
        if request.headers.get("PRIVATE-TOKEN") != KEY:
            raise Refusal(401, {"message": "401 Unauthorized"})
        path = request.path.strip("/").split("/")
        if path[:3] != ["api", "v4", "projects"] or unquote(path[3]).count("/") < 1:
            raise Refusal(404, {"message": "404 Project Not Found"})
        if request.method == "GET" and path[4:6] == ["repository", "commits"]:
            name = request.query.get("name")
            known = [
                status
                for commit, status in self.messages
                if commit == path[6] and name in (None, status["name"])
            ]
            return web.json_response(known[-1:])
        status = _json(request)
        _has_keys(status, "state", "name", "description")
        if status["state"] not in ("pending", "running", "success", "failed", "canceled"):
            raise Refusal(400, {"error": "state does not have a valid value"})
        kept = {**status, "sha": path[5], "status": status["state"]}
        self.take((path[5], kept))
        return web.json_response(kept, status=201)


Answer = Callable[[Received], Awaitable[web.Response]]
HOOK = "/services/T0123/B0456/xoxKEYofTHEwebhook"
"""Path of a webhook of Slack, which is a secret."""


@asynccontextmanager
async def room(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The URL at which a stand-in listens on this machine."""

    async def handle(request: web.Request) -> web.Response:
        query: Mapping[str, str] = dict(request.query)
        body, path, url = await request.read(), request.rel_url.raw_path, str(request.url)
        try:
            return await answer(
                Received(request.method, url, "", path, query, request.headers, body)
            )
        except Refusal as refusal:
            return web.Response(status=refusal.status, text=str(refusal.body))

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    async with serve_application(application, tls) as url:
        yield url
