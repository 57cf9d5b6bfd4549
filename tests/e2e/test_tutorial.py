"""docs/tutorial.md, walked literally: files are written, commands run, lines compared."""

from pathlib import Path

import pytest
from anyio import to_thread

from tests.support.controlplane import start
from tests.support.reader import Reader, reading
from tests.support.tutorial import Command, is_shown, shown_in, steps_of

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


@pytest.mark.limit(600)  # a hundred programs are started, some 60 s of processor time
def test_the_tutorial_shows_what_happens(tmp_path: Path) -> None:
    walk(tmp_path, None)


@pytest.mark.limit(600)
async def test_a_real_cluster_shows_the_same(tmp_path: Path) -> None:
    async with start(alive=True) as plane:  # of its own: `doctor` looks at all that is there
        await to_thread.run_sync(walk, tmp_path, plane.kubeconfig)


def walk(folder: Path, kubeconfig: Path | None) -> None:
    """All of it; kubeconfig: of the reader's own cluster."""
    with reading(folder, kubeconfig) as reader:
        for step in steps_of(TUTORIAL.read_text()):
            reader.does(step)
        ended = {name: leave(reader, name) for name in reader.terminals if name}

    assert list(ended) == ["cluster", "engine", "staging", "chat"]
    assert [text for text in ended.values() if "Traceback" in text] == []
    assert "what is in flight gets 50s to end" in ended["engine"]


def leave(reader: Reader, name: str) -> str:
    """All that a terminal printed until Ctrl-C had ended what runs there."""
    terminal = reader.terminals[name]
    terminal.end()
    return terminal.printed


def test_every_command_of_the_tutorial_says_how_it_ends() -> None:
    commands = [step for step in steps_of(TUTORIAL.read_text()) if isinstance(step, Command)]

    assert len(commands) > 80
    assert {step.status for step in commands} == {0, 1, 2, None}


@pytest.mark.parametrize(
    ("wanted", "printed", "is_equal"),
    [
        (("a  b",), "a b\n", True),
        (("a",), "b\n", False),
        (("a",), "a\nb\n", False),
        (("a", "..."), "a\nb\nc\n", True),
        (("a", "...", "c"), "a\nb\n", False),
        (("a ... c",), "a b b c\n", True),
        (("at main@sha1:1f0a3c22",), "at main@sha1:00000000\n", True),
        (("at main@sha1:1f0a3c22",), "at next@sha1:00000000\n", False),
        (("after 35ms",), "after 1m2.5s\n", True),
        (("seen 2026-11-23T13:34:32Z",), "seen 2027-01-01T00:00:00.5Z\n", True),
        (("1 object",), "2 objects\n", False),
        ((), "", True),
        ((), "a\n", False),
    ],
)
def test_only_what_changes_each_time_may_differ(
    wanted: tuple[str, ...], printed: str, is_equal: bool
) -> None:
    assert is_shown(wanted, printed) == is_equal


def test_what_another_terminal_shows_is_found_once() -> None:
    printed = "one\ntwo\nthree\ntwo\n"
    end = shown_in(("two",), printed)

    assert (end, shown_in(("...", "two"), printed[end:])) == (8, 10)
    assert shown_in(("four",), printed) == 0
