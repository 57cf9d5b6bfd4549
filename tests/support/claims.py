"""A pytest plugin: of several processes with one folder, each runs the files that it claims first.

`-p tests.support.claims --claims FOLDER`; `python -m tests.support.parts` starts such processes.
Every test is run by exactly one of them, and which does adapts to what they take.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--claims", type=Path, help="folder shared with processes of the same tests")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """As pytest's own, which it leaves to answer for what could not be collected."""
    folder: Path | None = session.config.getoption("claims")
    if folder is None or session.testsfailed or session.config.option.collectonly:
        return None
    mine = claimed(session.items, folder)
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


def claimed(items: Iterable[pytest.Item], folder: Path) -> Iterator[pytest.Item]:
    """The items of files that no other process has claimed; a file is claimed when it is next."""
    for number, (_, group) in enumerate(groupby(items, key=lambda item: item.path)):
        try:
            folder.joinpath(str(number)).touch(exist_ok=False)
        except FileExistsError:
            continue
        yield from group
