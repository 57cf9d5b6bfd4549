"""Each test here runs on the embedded and on the real API server, so that neither is special.

`@pytest.mark.real("reason")` keeps a test off the embedded one.  `@pytest.mark.alive` wants pods
that run; only the real control plane has them, so it does the same.
`pytest tests/cluster -k embedded` needs no Go.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.image.base import why_not as no_image
from tests.support.apiserver import ApiServer, namespace_at
from tests.support.crash import World, world_at
from tests.support.engines import Engines, engine_processes
from tests.support.fleet import Fleet, fleet_at
from tests.support.flux import FluxTwin, flux_twin
from tests.support.kubectl import Program, kubectl_at
from tests.support.matrix import recorded
from tests.support.proxy import FaultProxy, fault_proxy

NewNamespace = Callable[[], Awaitable[str]]

collect_ignore = ["test_image.py"] if no_image() else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name in collect_ignore:
        terminalreporter.write_line(f"left out: tests/cluster/{name}, as {no_image()}")
    skipped = {each.longrepr[2] for each in terminalreporter.stats.get("skipped", [])}
    for reason in sorted(skipped):
        terminalreporter.write_line(reason)


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
async def new_namespace(
    api_server: ApiServer, request: pytest.FixtureRequest
) -> AsyncIterator[NewNamespace]:
    """`await new_namespace()` makes a namespace of the test's own, removed after it."""
    words = request.function.__name__.removeprefix("test_")

    async with AsyncExitStack() as stack:

        async def make() -> str:
            return await stack.enter_async_context(namespace_at(api_server, words))

        yield make


@pytest.fixture
async def namespace(new_namespace: NewNamespace) -> str:
    """The name of a namespace of the test's own."""
    return await new_namespace()


@pytest.fixture
async def fleet(
    api_server: ApiServer, namespace: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Fleet]:
    """A user's world on the API server under test, in a namespace of the test's own.

    What the test's mark `covers` names must have been seen when it ends.
    """
    names = [name for mark in request.node.iter_markers("covers") for name in mark.args]
    async with AsyncExitStack() as stack:
        fleet = await stack.enter_async_context(fleet_at(api_server, namespace, tmp_path))
        if not names:
            yield fleet
            return
        async with recorded(fleet.client, namespace) as record:
            yield fleet
        assert record.missing(names) == [], "the test never showed what it covers"


@pytest.fixture
async def flux(api_server: ApiServer, namespace: str) -> AsyncIterator[FluxTwin]:
    """The twin of the flux CLI in the test's namespace."""
    async with flux_twin(api_server, namespace) as twin:
        yield twin


@pytest.fixture
def kubectl(fleet: Fleet, tmp_path: Path) -> Program:
    """Kubectl in the test's namespace, where Flux's definitions are installed."""
    return kubectl_at(fleet.server, fleet.namespace, tmp_path)


@pytest.fixture(scope="session")
async def engine_server() -> AsyncIterator[Engines]:
    """It imports the engine once for all."""
    async with engine_processes() as engines:
        yield engines


@pytest.fixture
async def engines(engine_server: Engines) -> AsyncIterator[Engines]:
    """What starts engines that are processes of their own, and end with the test."""
    yield engine_server
    await engine_server.end_all()


@pytest.fixture
async def world(fleet: Fleet, engines: Engines) -> AsyncIterator[World]:
    """A World with one Kustomization, `app`, in which nothing runs yet."""
    async with world_at(fleet, engines, ["app"]) as world:
        yield world


@pytest.fixture
async def proxy(api_server: ApiServer, tmp_path: Path) -> AsyncIterator[FaultProxy]:
    """What an engine may be put behind, to trouble it."""
    async with fault_proxy(api_server, tmp_path) as proxy:
        yield proxy
