"""A server without HTTP, with a clock and chance of its own."""

from collections.abc import Mapping
from random import Random
from typing import Any

import orjson
import pytest

from engine.apiserver.embedded import Embedded, Surroundings, embed
from engine.apiserver.errors import Refused
from engine.apiserver.http.api import Answer, Observe, Request
from engine.apiserver.http.requests import parse_path
from engine.apiserver.operations.watching import Watch

NOW = 1_790_000_000.0
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


class Client:
    """Sends requests to a server without HTTP; controllers settle after each."""

    def __init__(self, embedded: Embedded) -> None:
        self.embedded = embedded

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        media: str = "application/json",
        accept: str = "",
    ) -> tuple[int, Any]:
        """The code and the decoded body; a refusal's Status like any other."""
        answer = self.respond(method, path, body, {"Content-Type": media, "Accept": accept})
        assert isinstance(answer, Answer | Refused)
        self.embedded.controllers.settle()
        if isinstance(answer, Refused):
            return answer.code, answer.status()
        return answer.code, orjson.loads(answer.body)

    def respond(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer | Observe | Refused:
        """The answer as it is."""
        place, _, query = target.partition("?")
        pairs = dict(part.split("=", 1) for part in query.split("&") if part)
        data = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        path = parse_path(place)
        assert path is not None
        try:
            return self.embedded.api.respond(Request(method, path, pairs, headers or {}, data))
        except Refused as error:
            return error

    def get(self, path: str) -> Any:
        return self.send("GET", path)[1]

    def create(self, path: str, body: Any) -> tuple[int, Any]:
        return self.send("POST", path, body)

    def apply(self, path: str, body: Any, manager: str = "test", query: str = "") -> Any:
        target = f"{path}?fieldManager={manager}{query}"
        return self.send("PATCH", target, body, media=APPLY)

    def merge(self, path: str, body: Any) -> tuple[int, Any]:
        return self.send("PATCH", path, body, media=MERGE)

    def delete(self, path: str, body: Any = None) -> tuple[int, Any]:
        return self.send("DELETE", path, body)

    def observe(self, path: str) -> Observe:
        """The watch that a path asks for."""
        answer = self.respond("GET", path)
        assert isinstance(answer, Observe), answer
        return answer

    def watch(self, observe: Observe) -> Watch:
        """A watch to be opened with `watch.open(observe.options)`."""
        state = self.embedded.state
        return Watch(state, observe.wanted, observe.forms.view(), lambda: None)


def embedded(*, workloads: bool = False, window: int = 5000) -> Client:
    around = Surroundings(clock=lambda: NOW, random=Random(7), window=window)
    return Client(embed(around, workloads=workloads))


@pytest.fixture
def client() -> Client:
    return embedded()


@pytest.fixture
def busy_client() -> Client:
    """A server on which workloads become ready on paper."""
    return embedded(workloads=True)


@pytest.fixture
def forgetful_client() -> Client:
    """A server that remembers three changes of each resource."""
    return embedded(window=3)
