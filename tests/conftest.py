"""What holds for every test: the event loop, the limits, and the real control plane."""

import gc
import inspect
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import hypothesis
import pytest

from tests.support import soak
from tests.support.apiserver import ApiServer, api_server_of
from tests.support.controlplane import ControlPlane, start
from tests.support.limits import Stop, alarm, limit_of, limited, limited_law

# An example's time says nothing on a machine that also does other things; the test's limit holds.
# `make quick` tries fewer, `make soak` more, and again and again.
hypothesis.settings.register_profile(
    "lockstep",
    deadline=None,
    print_blob=True,
    max_examples=soak.examples(40),
)
hypothesis.settings.load_profile("lockstep")

STDERR = pytest.StashKey[int]()
STOP = pytest.StashKey[Stop]()
SHARE = pytest.StashKey[float]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[STOP] = Stop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, config.stash[STOP])
    config.addinivalue_line("markers", "limit(seconds): the test's body may take this long")
    config.stash[STDERR] = os.dup(2)  # while a test runs, 2 itself is captured


def pytest_unconfigure(config: pytest.Config) -> None:
    os.close(config.stash[STDERR])


def pytest_collection_finish(session: pytest.Session) -> None:
    session.config.stash[SHARE] = soak.share_of_laws(session.items)
    gc.freeze()  # some thousand tests, looked through at each collection: an eighth of the CPU


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Limit the body of a test only: what it shares with others may be built for minutes first."""
    seconds = limit_of(item)
    with ExitStack() as stack:
        if isinstance(item, pytest.Function):
            if inspect.iscoroutinefunction(item.obj):
                item.obj = limited(item.obj, seconds, item.config.stash[STOP])
                seconds += 5  # a chance to be cancelled in order
            elif soak.is_law(item):
                seconds += item.config.stash[SHARE]
                stack.enter_context(law(item, seconds))
        stack.enter_context(alarm(seconds, item.config.stash[STDERR]))
        yield


@contextmanager
def law(item: pytest.Function, seconds: float) -> Iterator[None]:
    """A law has its share of a soak; if it is async, a limit that needs no running code."""
    share = item.config.stash[SHARE]
    handle = getattr(item.obj, "hypothesis", None)  # a state machine has none, and is not async
    inner = getattr(handle, "inner_test", None)
    if handle is not None and inspect.iscoroutinefunction(inner):
        handle.inner_test = limited_law(inner, seconds)
    if share:
        item.obj = soak.repeated(item.obj, share)
    try:
        yield
    finally:
        if handle is not None:
            handle.inner_test = inner  # all cases of a parametrized test have this one


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def control_plane() -> AsyncIterator[ControlPlane]:
    """The real control plane on which no pod runs; started when the first test asks for it."""
    async with start() as plane:
        yield plane


@pytest.fixture(scope="session")
async def alive_control_plane() -> AsyncIterator[ControlPlane]:
    """The real control plane on which pods run, on paper."""
    async with start(alive=True) as plane:
        yield plane


@pytest.fixture
async def embedded_api_server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    """A new embedded API server, empty but for what every cluster has."""
    from engine.apiserver import serve

    async with serve() as server:
        yield api_server_of("embedded", server.kubeconfig(), tmp_path)
