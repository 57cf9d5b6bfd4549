"""Somebody who does what a tutorial says, in terminals of their own, and believes what they see."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Condition, Thread

from tests.support.tutorial import Command, File, difference, is_shown, shown_in

ENTERS = ". playground/env"
_PATIENCE = 30.0  # seconds for what one command prints; the longest needs two
_IDENTITY = "[user]\n\tname = You\n\temail = you@example.com\n"


class NotAsShown(AssertionError):  # noqa: N818 - as NotAsTold of the demo
    """The tutorial does not show what happens."""


class Terminal:
    """A shell with all that it printed so far."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        """folder: in which it begins."""
        self.shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.printed = ""
        self._news = Condition()
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def type(self, text: str) -> None:
        """Runs a command, without waiting for it; it reads nothing."""
        assert self.shell.stdin is not None
        self.shell.stdin.write(f"{{ {text}\n}} </dev/null\n".encode())
        self.shell.stdin.flush()

    def until(self, check: Callable[[str], bool]) -> bool:
        """Whether what was printed came to pass the check in time; asked at each new piece."""
        with self._news:
            return self._news.wait_for(lambda: check(self.printed), _PATIENCE)

    def end(self) -> int:
        """Ctrl-C; the exit status of the shell, which is that of its last command."""
        assert self.shell.stdin is not None
        os.killpg(self.shell.pid, signal.SIGINT)
        self.shell.stdin.close()
        status = self.shell.wait(_PATIENCE)
        self._listener.join(_PATIENCE)
        return status

    def kill(self) -> None:
        """Ends whatever still runs in it."""
        if self.shell.poll() is None:
            os.killpg(self.shell.pid, signal.SIGKILL)
        self.shell.wait()
        self._listener.join(_PATIENCE)
        for pipe in (self.shell.stdin, self.shell.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()

    def _listen(self) -> None:
        assert self.shell.stdout is not None
        while piece := os.read(self.shell.stdout.fileno(), 65536):
            with self._news:
                self.printed += piece.decode()
                self._news.notify_all()


@dataclass(slots=True)
class Reader:
    """One who begins in an empty folder; the repository is in `fleet` below it."""

    folder: Path
    home: Path
    kubeconfig: Path | None = None
    "Of a cluster of their own: KUBECONFIG is set to it after each `. playground/env`."
    terminals: dict[str, Terminal] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)  # characters of each other terminal

    def does(self, step: File | Command) -> str:
        """What came of it.  Raises NotAsShown."""
        if isinstance(step, File):
            path = self.folder / "fleet" / step.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.content)
            return ""
        if self.kubeconfig and step.text == ENTERS:
            step = replace(step, text=f"{ENTERS}; export KUBECONFIG={self.kubeconfig}")
        return self._stays(step) if step.terminal else self._runs(step)

    def _runs(self, command: Command) -> str:
        terminal = self._terminal("")
        terminal.printed = ""
        mark = f"[{secrets.token_hex(8)} "
        terminal.type(command.text)
        terminal.type(f"printf '\\n{mark}%d]\\n' $?")
        is_over = terminal.until(lambda printed: mark in printed and printed.endswith("]\n"))
        printed, _, rest = terminal.printed.partition(f"\n{mark}")
        if not is_over:
            raise NotAsShown(f"line {command.line}: `{command.text}` does not end:\n{printed}")
        printed = printed.rstrip("\n") + "\n" if printed.strip() else ""
        status = int(rest.partition("]")[0])
        if status != command.status or not is_shown(command.output, printed):
            raise NotAsShown(
                f"line {command.line}: `{command.text}` ended with {status}, "
                f"not {command.status}, or printed something else (+):\n"
                f"{difference(command.output, printed)}"
            )
        return printed

    def _stays(self, command: Command) -> str:
        name, terminal = command.terminal, self._terminal(command.terminal)
        begun = self.seen.get(name, 0)
        if command.text:
            terminal.type(command.text)
        found = terminal.until(lambda printed: not command.output or self._sees(command) > 0)
        printed = terminal.printed[begun:]
        if not found:
            what = f"line {command.line}: terminal {name} does not show it"
            raise NotAsShown(f"{what}:\n{difference(command.output, printed)}")
        if command.output:
            self.seen[name] = begun + self._sees(command)
        return printed

    def _sees(self, command: Command) -> int:
        begun = self.seen.get(command.terminal, 0)
        return shown_in(command.output, self.terminals[command.terminal].printed[begun:])

    def _terminal(self, name: str) -> Terminal:
        if name not in self.terminals:
            self.terminals[name] = Terminal(self.folder, self._environment())
        return self.terminals[name]

    def _environment(self) -> dict[str, str]:
        programs = Path(sys.executable).parent
        return {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
        }


@contextmanager
def reading(folder: Path, kubeconfig: Path | None = None) -> Iterator[Reader]:
    """A reader, of whom nothing is left running; with a cluster of their own if one is given."""
    reader = Reader(folder / "tutorial", folder / "home", kubeconfig)
    reader.folder.mkdir()
    reader.home.mkdir()
    (reader.home / ".gitconfig").write_text(_IDENTITY)
    try:
        yield reader
    finally:
        for terminal in reader.terminals.values():
            terminal.kill()
