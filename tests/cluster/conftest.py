"""Each test here runs on the embedded and on the real API server, so that neither is special.

`@pytest.mark.real("reason")` keeps a test off the embedded one.  `@pytest.mark.alive` wants pods
that run; only the real control plane has them, so it does the same.
`pytest tests/cluster -k embedded` needs no Go.
"""

import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.support.apiserver import ApiServer, api_server_of
from tests.support.fleet import Fleet, fleet_at

NewNamespace = Callable[[], Awaitable[str]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "api_server" not in metafunc.fixturenames:
        return
    test = metafunc.definition
    marker = test.get_closest_marker("real")
    if marker is not None and not marker.args:
        raise pytest.UsageError(f"{test.nodeid}: the marker `real` wants its reason")
    only_real = marker is not None or test.get_closest_marker("alive") is not None
    names = ["real"] if only_real else ["embedded", "real"]
    metafunc.parametrize("api_server", names, indirect=True)


@pytest.fixture
def api_server(request: pytest.FixtureRequest) -> ApiServer:
    """The API server under test.  The real one is shared: keep to your own namespaces."""
    if request.param == "embedded":
        fixture = "embedded_api_server"
    elif request.node.get_closest_marker("alive"):
        fixture = "alive_control_plane"
    else:
        fixture = "control_plane"
    server = request.getfixturevalue(fixture)
    assert isinstance(server, ApiServer)
    return server


@pytest.fixture
async def embedded_api_server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    """A new embedded API server, empty but for what every cluster has."""
    from engine.apiserver import serve

    async with serve() as server:
        yield api_server_of("embedded", server.kubeconfig(), tmp_path)


@pytest.fixture
async def new_namespace(
    api_server: ApiServer, request: pytest.FixtureRequest
) -> AsyncIterator[NewNamespace]:
    """`await new_namespace()` makes a namespace of the test's own, removed after it."""
    made: list[str] = []
    words = re.sub(r"[^a-z0-9]+", "-", request.function.__name__.removeprefix("test_"))

    async with api_server.session() as session:

        async def make() -> str:
            name = f"{words[:40].strip('-')}-{secrets.token_hex(3)}"
            manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            async with session.post("/api/v1/namespaces", json=manifest) as response:
                response.raise_for_status()
            made.append(name)
            return name

        yield make
        for name in made:  # it empties itself in the background
            async with session.delete(f"/api/v1/namespaces/{name}") as response:
                assert response.status in (200, 202, 404, 409)


@pytest.fixture
async def namespace(new_namespace: NewNamespace) -> str:
    """The name of a namespace of the test's own."""
    return await new_namespace()


@pytest.fixture
async def fleet(api_server: ApiServer, namespace: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    """A user's world on the API server under test, in a namespace of the test's own."""
    async with fleet_at(api_server, namespace, tmp_path) as fleet:
        yield fleet
