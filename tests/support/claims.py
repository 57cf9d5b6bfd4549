"""A pytest plugin: of several processes with one folder, each runs the files that it claims first.

`-p tests.support.claims --claims FOLDER`; `python -m tests.support.parts` starts such processes.
Every test is run by exactly one of them, and which does adapts to what they take.  A file is
imported by who runs it, when it is next: to import all costs ten seconds.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.support import soak

Tests: TypeAlias = Callable[[], Iterable[pytest.Item]]
"""Gives the tests of one file."""

WAITING = pytest.StashKey[list[pytest.Module]]()
"""Files that are not imported yet."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--claims", type=Path, help="folder shared with processes of the same tests")


def pytest_configure(config: pytest.Config) -> None:
    is_asked_for_tests = any("::" in argument for argument in config.args)
    # A soak shares its time out among all laws, so it has to know them.
    if config.getoption("claims") and not (
        is_asked_for_tests or config.option.collectonly or soak.SECONDS
    ):
        config.stash[WAITING] = []


@pytest.hookimpl(tryfirst=True)
def pytest_make_collect_report(collector: pytest.Collector) -> pytest.CollectReport | None:
    """Finds nothing in a file as long as none is claimed."""
    waiting = collector.config.stash.get(WAITING, None)
    if waiting is None or not isinstance(collector, pytest.Module):
        return None
    waiting.append(collector)
    return pytest.CollectReport(collector.nodeid, "passed", None, [])


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """As pytest's own, which it leaves to answer for what could not be collected."""
    folder: Path | None = session.config.getoption("claims")
    if folder is None or session.testsfailed or session.config.option.collectonly:
        return None
    mine = claimed(files(session), folder)
    item = next(mine, None)
    while item is not None:
        following = next(mine, None)  # what it needs, too, is not torn down in between
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        item = following
    return True


def files(session: pytest.Session) -> list[Tests]:
    """The files in their order, the same in each process."""
    stash = session.config.stash
    if WAITING not in stash:
        grouped = groupby(session.items, key=lambda item: item.path)
        return [partial(tuple, list(group)) for _, group in grouped]
    waiting = stash[WAITING]
    del stash[WAITING]
    return [partial(collected, session, module) for module in waiting]


def collected(session: pytest.Session, module: pytest.Module) -> list[pytest.Item]:
    """The tests of a file, which is imported now; what is wrong with it is reported."""
    items = list(session.genitems(module))
    session.config.hook.pytest_collection_modifyitems(
        session=session, config=session.config, items=items
    )
    session.items += items
    session.testscollected += len(items)
    return items


def claimed(files: Iterable[Tests], folder: Path) -> Iterator[pytest.Item]:
    """The items of files that no other process has claimed; a file is claimed when it is next."""
    for number, tests in enumerate(files):
        try:
            folder.joinpath(str(number)).touch(exist_ok=False)
        except FileExistsError:
            continue
        yield from tests()
