"""How the story looks, without and on a terminal."""

import io
from collections import Counter
from typing import Any

from rich.console import Console

from engine.demo.demo import Played, summary
from engine.demo.news import Line, Tone
from engine.demo.show import Lines, cells_of, table_of
from tests.support.clock import ManualClock

READY: Any = {
    "status": {
        "conditions": [{"type": "Ready", "status": "True", "message": "fine"}],
        "lastAppliedRevision": "main@sha1:" + "1f0a3c22" + "0" * 32,
    }
}


async def test_a_plain_line_has_the_seconds_since_the_start_and_a_mark_if_it_is_bad() -> None:
    clock, out = ManualClock(), io.StringIO()
    show = Lines(clock, out)

    show.title("1. It starts")
    await clock.advance(0.25)
    show.tell(Line("apps", "fine", Tone.GOOD))
    show.tell(Line("monitoring", "not fine", Tone.BAD))

    assert out.getvalue().splitlines() == [
        "",
        "1. It starts",
        "   0.250   apps               fine",
        "   0.250 ! monitoring         not fine",
    ]


def printed(columns: int, **kustomizations: Any) -> list[str]:
    """The lines of the table on a terminal."""
    console = Console(file=io.StringIO(), width=columns)
    console.print(table_of(kustomizations, wide=columns >= 100))
    text: str = console.file.getvalue()  # type: ignore[attr-defined] # it is the StringIO
    return text.splitlines()


def with_message(message: str, status: str = "False") -> Any:
    ready = {"type": "Ready", "status": status, "message": message}
    return {"status": {**READY["status"], "conditions": [ready]}}


def test_the_table_has_a_row_for_each_kustomization_known_or_not() -> None:
    rows = {line.split()[0]: line.split()[1:] for line in printed(100, apps=READY)}

    assert rows["KUSTOMIZATION"] == ["READY", "REVISION", "MESSAGE"]
    assert rows["apps"] == ["True", "main@sha1:1f0a3c22", "fine"]
    assert rows["infrastructure"] == ["-"]


def test_a_narrow_table_keeps_readiness_and_a_line_for_each() -> None:
    applied = "Applied revision: main@sha1:1f0a3c22"
    lines = printed(60, apps=with_message("no " * 99), infrastructure=with_message(applied, "True"))

    assert len(lines) == 1 + 4
    assert lines[0].split() == ["KUSTOMIZATION", "READY", "MESSAGE"]
    assert lines[2].rstrip() == f"infrastructure  True   {applied}"
    assert lines[3].rstrip().startswith("apps            False  no no no ")


def test_a_wait_is_no_failure() -> None:
    waiting = with_message("dependency 'flux-system/infrastructure' is not ready")

    assert cells_of(waiting) == ("waits", "main@sha1:1f0a3c22", "for infrastructure (dependsOn)")


def test_a_message_is_no_markup() -> None:
    assert "[/b] of spec" in printed(100, apps=with_message("[/b] of spec"))[3]


def test_what_is_not_known_yet_has_empty_cells() -> None:
    assert cells_of({}) == ("-", "", "")


def test_the_summary_counts_reads_and_writes_of_each_step() -> None:
    played = [
        Played("A cluster comes up from Git", 0.25, Counter(get=3, watch=1, patch=2, create=1)),
        Played("Nothing", 10.0, Counter()),
    ]

    lines = summary(played).splitlines()

    assert [line.split() for line in lines[1:4]] == [
        ["STEP", "TIME", "REQUESTS", "READ", "WRITE"],
        ["A", "cluster", "comes", "up", "from", "Git", "0.250", "s", "7", "4", "3"],
        ["Nothing", "10.000", "s", "0", "0", "0"],
    ]
    assert max(map(len, lines[1:4])) == 60
