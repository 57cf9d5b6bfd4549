"""A program in a terminal: in tmux where that is installed, and in a pseudo-terminal of our own.

tmux shows what a person would see; the other one what was written, as it came.
"""

import fcntl
import os
import re
import secrets
import shlex
import shutil
import struct
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import anyio

KINDS = ("pty", "tmux") if shutil.which("tmux") else ("pty",)
COLUMNS, LINES = 120, 30
_CONTROL_C = b"\x03"
_PAUSE = 0.05  # seconds between two looks: a terminal tells nobody that it has changed
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(Protocol):
    """A terminal in which a program runs; its status is shown once it ends, as `status=N`."""

    async def screen(self) -> str:
        """What stands there, without colours."""
        ...

    async def is_coloured(self) -> bool:
        """Whether anything there has a colour."""
        ...

    async def interrupt(self) -> None:
        """Presses Ctrl-C."""
        ...


async def until(terminal: Terminal, text: str) -> str:
    """The screen once it shows the text."""
    while text not in (shown := await terminal.screen()):  # noqa: ASYNC110
        await anyio.sleep(_PAUSE)
    return shown


@asynccontextmanager
async def terminal(
    kind: str, command: Sequence[str], environment: Mapping[str, str]
) -> AsyncIterator[Terminal]:
    """The program in a terminal of that kind; both end on leaving."""
    line = f"{shlex.join(command)}; echo status=$?; exec cat"
    opened = _tmux(line, environment) if kind == "tmux" else _pty(line, environment)
    async with opened as found:
        yield found


class _Pty:
    def __init__(self, end: int) -> None:
        self._end = end
        self._written = b""

    async def screen(self) -> str:
        """All that was written so far."""
        return _COLOUR.sub("", self._written.decode(errors="replace")).replace("\r\n", "\n")

    async def is_coloured(self) -> bool:
        return bool(_COLOUR.search(self._written.decode(errors="replace")))

    async def interrupt(self) -> None:
        os.write(self._end, _CONTROL_C)

    async def read(self) -> None:
        """Takes in what is written, until all programs have closed the terminal."""
        while True:
            await anyio.wait_readable(self._end)
            try:
                piece = os.read(self._end, 65_536)
            except OSError:  # EIO: nobody holds the other end
                return
            if not piece:
                return
            self._written += piece


@asynccontextmanager
async def _pty(line: str, environment: Mapping[str, str]) -> AsyncIterator[_Pty]:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))

    # Who begins a session and opens a terminal, has it: Ctrl-C reaches the program.
    opened = f"exec 0<>{os.ttyname(theirs)} 1>&0 2>&0; trap : INT; {line}"
    process = await anyio.open_process(
        ["bash", "-c", opened],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    found = _Pty(ours)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(found.read)
            yield found
            process.kill()
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await process.wait()
        os.close(ours)


class _Tmux:
    def __init__(self, socket: str, environment: Mapping[str, str]) -> None:
        self._socket = socket
        self._environment = environment

    async def screen(self) -> str:
        return await self.run("capture-pane", "-p", "-t", "it")

    async def is_coloured(self) -> bool:
        return bool(_COLOUR.search(await self.run("capture-pane", "-p", "-e", "-t", "it")))

    async def interrupt(self) -> None:
        await self.run("send-keys", "-t", "it", "C-c")

    async def run(self, *arguments: str) -> str:
        """What tmux answers."""
        done = await anyio.run_process(
            ["tmux", "-L", self._socket, "-f", os.devnull, *arguments], env=self._environment
        )
        return done.stdout.decode()


@asynccontextmanager
async def _tmux(line: str, environment: Mapping[str, str]) -> AsyncIterator[_Tmux]:
    found = _Tmux(f"lockstep-{secrets.token_hex(4)}", environment)
    size = ("-x", str(COLUMNS), "-y", str(LINES))
    await found.run(
        "new-session", "-d", "-s", "it", *size, f"bash -c {shlex.quote(f'trap : INT; {line}')}"
    )
    try:
        yield found
    finally:
        with anyio.CancelScope(shield=True):
            await found.run("kill-server")
