import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from engine.dispatch.journal import Journal, JournalBroken
from engine.dispatch.late import journal_at
from engine.dispatch.queue import Delivery, Queue
from engine.objects.ref import Ref
from tests.support.dispatching import event
from tests.support.failing_disk import hanging

ALERT = Ref("notification.toolkit.fluxcd.io", "Alert", "ns", "a")


_KEPT: list[Journal] = []


def kept(journal: Journal) -> Journal:
    """The journal, as open as a process leaves it that is killed; closed after the test."""
    _KEPT.append(journal)
    return journal


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while _KEPT:
        _KEPT.pop().close()


def line(name: str) -> Ref:
    return Ref("notification.toolkit.fluxcd.io", "Provider", "ns", name)


def delivery(message: str, provider: str = "chat") -> Delivery:
    return Delivery(ALERT, line(provider), event(message), "status")


def messages(queue: Queue, provider: str = "chat") -> list[str]:
    """What waits for a Provider, first to last; the line is empty afterwards."""
    found = []
    while (first := queue.first(line(provider))) is not None:
        found.append(first.delivery.notification.message)
        queue._remove(first)
    return found


class Dropped(list[str]):
    def __call__(self, delivery: Delivery) -> None:
        self.append(delivery.notification.message)


def opened(path: Path, most: int = 2**20, dropped: Dropped | None = None) -> Queue:
    journal = kept(Journal.opened(path / "q.db"))
    return Queue(journal, most, Dropped() if dropped is None else dropped)


async def test_what_waits_survives_in_order_until_it_is_done(tmp_path: Path) -> None:
    queue = opened(tmp_path)
    await queue.put([delivery("1"), delivery("2"), delivery("x", "other")])
    first = queue.first(line("chat"))
    assert first is not None
    await queue.done(first)
    await queue.put([delivery("3")])
    # The process ends here, with nothing closed.

    again = opened(tmp_path)
    await again.put([delivery("4")])

    assert again.first(line("other")).delivery == delivery("x", "other")  # type: ignore[union-attr] # it is there
    assert messages(again) == ["2", "3", "4"]


async def test_the_file_is_for_nobody_else_to_read(tmp_path: Path) -> None:
    opened(tmp_path)

    assert (tmp_path / "q.db").stat().st_mode & 0o077 == 0


async def test_when_it_is_full_the_oldest_of_the_longest_line_go(tmp_path: Path) -> None:
    size, dropped = len(delivery("00").encoded()), Dropped()
    queue = opened(tmp_path, most=size * 5, dropped=dropped)

    await queue.put([delivery("a0", "b"), *(delivery(f"m{n}") for n in range(6))])

    assert dropped == ["m0", "m1"]
    assert messages(queue, "b") == ["a0"]
    assert messages(queue) == ["m2", "m3", "m4", "m5"]
    assert messages(opened(tmp_path)) == ["m2", "m3", "m4", "m5"]


async def test_what_is_larger_than_all_goes_itself(tmp_path: Path) -> None:
    dropped = Dropped()
    queue = opened(tmp_path, most=100, dropped=dropped)

    await queue.put([delivery("x" * 200)])

    assert (len(dropped), queue.waiting) == (1, 0)


class Failing(Journal):
    """A disk that is full for a while."""

    is_full = True

    def write(self, added: object, done: object) -> None:
        if self.is_full:
            raise JournalBroken("disk full")
        super().write(added, done)  # type: ignore[arg-type] # handed on


async def test_a_full_disk_costs_nothing_but_survival(tmp_path: Path) -> None:
    journal = Failing(tmp_path / "q.db")
    kept(journal)
    queue = Queue(journal, 2**20, Dropped())
    await queue.put([delivery("1"), delivery("2")])
    first = queue.first(line("chat"))
    assert first is not None
    await queue.done(first)
    assert kept(Journal(tmp_path / "q.db")).rows() == []

    journal.is_full = False
    await queue.put([delivery("3")])

    assert messages(opened(tmp_path)) == ["2", "3"]
    assert messages(queue) == ["2", "3"]


async def test_whoever_writes_also_writes_for_those_who_gave_up_waiting(tmp_path: Path) -> None:
    queue, impatient = opened(tmp_path), anyio.CancelScope()

    async def put() -> None:
        with impatient:
            await queue.put([delivery("2")])

    with hanging(tmp_path / "q.db") as go_on:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(queue.put, [delivery("1")])
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(put)
            await anyio.wait_all_tasks_blocked()
            impatient.cancel()
            await anyio.wait_all_tasks_blocked()
            go_on()

    assert messages(opened(tmp_path)) == ["1", "2"]


async def test_what_was_not_written_as_all_threads_were_busy_is_made_up_for(
    tmp_path: Path,
) -> None:
    queue, impatient = opened(tmp_path), anyio.CancelScope()
    threads, others = to_thread.current_default_thread_limiter(), [object() for _ in range(99)]

    async def put() -> None:
        with impatient:
            await queue.put([delivery("1")])

    others = others[: int(threads.available_tokens)]
    async with anyio.create_task_group() as tasks:
        for other in others:
            threads.acquire_on_behalf_of_nowait(other)
        tasks.start_soon(put)
        await anyio.wait_all_tasks_blocked()
        impatient.cancel()
    for other in others:
        threads.release_on_behalf_of(other)
    await queue.put([delivery("2")])

    assert messages(opened(tmp_path)) == ["1", "2"]


async def test_a_file_that_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "q.db").write_bytes(b"no database at all, " * 100)

    queue = opened(tmp_path)
    await queue.put([delivery("1")])

    assert messages(opened(tmp_path)) == ["1"]
    assert (tmp_path / "q.broken").exists()


async def test_what_cannot_be_understood_is_left_out(tmp_path: Path) -> None:
    await opened(tmp_path).put([delivery("1")])
    with sqlite3.connect(tmp_path / "q.db") as file:
        for number, body in enumerate((b"{", b"[]", b"{}", b'{"notification": 5}', b"\xff")):
            file.execute("insert into deliveries values (?, ?)", (number + 10, body))
    file.close()

    queue = opened(tmp_path)
    await queue.put([delivery("2")])

    assert messages(queue) == ["1", "2"]
    assert len(kept(Journal(tmp_path / "q.db")).rows()) == 2


async def test_there_is_no_file_until_something_is_to_be_told(tmp_path: Path) -> None:
    queue = Queue(journal_at(tmp_path / "q.db"), 2**20, Dropped())
    queue.close()
    assert not os.listdir(tmp_path)

    queue = Queue(journal_at(tmp_path / "q.db"), 2**20, Dropped())
    await queue.put([delivery("1")])
    queue.close()
    again = Queue(journal_at(tmp_path / "q.db"), 2**20, Dropped())

    assert messages(again) == ["1"]
    again.close()


async def test_a_folder_that_cannot_be_written_later_costs_nothing_but_survival(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "gone"
    queue = Queue(journal_at(folder / "q.db"), 2**20, Dropped())
    await queue.put([delivery("1")])
    assert queue.waiting == 1

    folder.mkdir()
    await queue.put([delivery("2")])
    queue.close()

    assert messages(opened(folder)) == ["1", "2"]


def test_a_folder_that_may_not_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(JournalBroken):
        Journal.opened(tmp_path / "file" / "q.db")
