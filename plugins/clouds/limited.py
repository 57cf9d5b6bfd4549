"""Programs that open what may ask for any amount of work: each in a process that can be ended."""

import os
import sys
from pathlib import Path
from typing import Final

import anyio

from engine.plugin import Context, share_of
from engine.runtime.fairness import FairLimiter

CHILDREN: Final = FairLimiter(2)  # at a time, each with up to 96 MiB; they are rare
_RUNNER: Final = Path(__file__).with_name("limited_child.py")
CPU_SECONDS = 10
_SECONDS: Final = 60.0  # in all: a busy machine gives it a part of its CPU
_REFUSED: Final = 3  # the status with which a program says why


class Unopened(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """The program says, a line each, why there is no content."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class Overspent(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """The program took more memory or time than it may have."""


async def opened(program: Path, given: bytes, ctx: Context) -> bytes:
    """What the program writes when it gets that on stdin.  Raises Unopened, Overspent."""
    async with CHILDREN.held(*share_of(ctx)):
        with anyio.move_on_after(_SECONDS):
            done = await anyio.run_process(
                [sys.executable, "-P", str(_RUNNER), str(CPU_SECONDS), str(program)],
                input=given,
                check=False,
                # Modules are looked for where this process finds them; no token of ours goes along.
                env={"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
                start_new_session=True,  # Ctrl-C goes to a whole group
            )
            if done.returncode == 0:
                return done.stdout
            if done.returncode == _REFUSED:
                raise Unopened(done.stdout.decode(errors="replace").splitlines())
    raise Overspent
