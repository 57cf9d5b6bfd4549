import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click
import pytest

from engine.cli import main
from engine.cli.main import COMMANDS, group

HEAVY = ("aiohttp", "anyio", "kubernetes_asyncio", "opentelemetry", "dulwich", "msgspec", "yaml")
WRITTEN = [name for name, (module, _) in COMMANDS.items() if find_spec(module)]

Call = Callable[..., Any]


def command_of(name: str) -> click.Command:
    command = import_module(COMMANDS[name][0]).command
    assert isinstance(command, click.Command)
    return command


def test_the_help_lists_every_command(call: Call) -> None:
    ended = call("--help")

    assert ended.status == 0
    words = " ".join(ended.out.split())  # a long line goes on in the next
    assert all(f"{name} {text}" in words for name, (_, text) in COMMANDS.items())


def test_without_a_command_the_help_is_shown(call: Call) -> None:
    assert call() == call("--help")


def test_the_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom engine.cli.main import status_of\nstatus_of(['--help'])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert ended.stderr.strip() == "[]"


@pytest.mark.parametrize("name", WRITTEN)
def test_the_table_says_what_the_command_says(name: str) -> None:
    command = command_of(name)

    assert command.name == name
    assert (command.help or "").splitlines()[0] == COMMANDS[name][1]


def paths(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    """The command and all below it."""
    yield path
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            if below.name == name:  # not another word for it
                yield from paths(below, *path, name)


@pytest.mark.parametrize("name", WRITTEN)
def test_every_command_has_an_example(name: str, call: Call) -> None:
    for path in paths(command_of(name), name):
        assert f"Examples:\n    lockstep {' '.join(path)}" in call(*path, "--help").out


@pytest.mark.parametrize("name", WRITTEN)
def test_no_help_is_missing_or_cut(name: str, call: Call) -> None:
    for path in paths(command_of(name), name):
        shown = call(*path, "--help").out
        commands = shown.partition("\nCommands:\n")[2].partition("\n\n")[0]
        assert "..." not in commands, path
        command = command_of(name)
        for word in path[1:]:
            assert isinstance(command, click.Group)
            command = command.get_command(click.Context(command), word) or command
        unexplained = [
            each.opts
            for each in command.params
            if isinstance(each, click.Option) and not each.hidden and not each.help
        ]
        assert unexplained == [], path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope",), "No such command 'nope'; see `lockstep --help`"),
        (("gett",), "No such command 'gett'; there is 'get'; see `lockstep --help`"),
        (("get", "--zzz"), "No such option '--zzz'; see `lockstep get --help`"),
        (("build",), "Missing argument 'PATH'; see `lockstep build --help`"),
    ],
)
def test_a_wrong_call_is_one_line_and_status_2(
    call: Call, arguments: tuple[str, ...], message: str
) -> None:
    ended = call(*arguments)

    assert (ended.status, ended.out, ended.err) == (2, "", f"Error: {message}\n")


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def invoke(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(group, "invoke", invoke)


def test_a_bug_is_one_line_that_says_how_to_see_more(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(monkeypatch, ZeroDivisionError("by zero"))
    ended = call("version")

    assert ended.status == 1
    assert ended.err == (
        "Error: unexpected ZeroDivisionError: by zero; this is a bug in Lockstep; "
        "run it with LOCKSTEP_DEBUG=1 for the traceback\n"
    )


def test_with_debug_a_bug_shows_its_traceback(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKSTEP_DEBUG", "1")
    raising(monkeypatch, ZeroDivisionError("by zero"))

    assert "Traceback (most recent call last)" in call("version").err


def test_an_interrupt_says_nothing_and_has_the_shells_status(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    ended = call("version")

    assert (ended.status, ended.out) == (130, "")


def test_a_reader_that_has_enough_is_told_nothing_even_by_a_task_group() -> None:
    program = (
        "from engine.cli import main\n"
        "def invoke(*_):\n    raise ExceptionGroup('tasks', [BrokenPipeError()])\n"
        "main.group.invoke = invoke\nmain.main(['version'])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", "")


def test_main_exits_with_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["nope"])

    assert ended.value.code == 2
