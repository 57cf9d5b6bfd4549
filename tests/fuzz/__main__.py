"""`python -m tests.fuzz TARGET --seconds N [--seed S]`: with atheris if it is installed.

Without it mutations of recorded repositories are tried, at random but for the seed, which is
printed.  Ends with status 1 at the first finding, which is written to a file; give that file as
`--input` to see it again.
"""

import argparse
import gc
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from types import FunctionType
from typing import NoReturn

import click

from tests.fuzz.mutations import mutated
from tests.fuzz.targets import RECEIVERS, TARGETS, Target

ALL = {**TARGETS, **RECEIVERS}
_EXAMPLES = 500  # inputs that atheris begins from
_FUZZED = ("engine.render.", "engine.objects.", "engine.hooks.", "engine.notice.")
LONGEST = 10
"""Seconds that one small input may take."""
MEMORY = 2 * 1024**3
"""Bytes of address space: Python, the engine, and an input of at most 20 kB."""


class Hang(Exception):  # noqa: N818 (a finding)
    """An input that takes too long."""


def main() -> int:
    """Status 0: nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", choices=[*ALL, "all"])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000_000)
    parser.add_argument("--input", type=Path, help="run this one input only")
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    names = list(ALL) if given.target == "all" else [given.target]
    if given.input:
        for name in names:
            ALL[name](given.input.read_bytes())
        return 0
    if given.target != "all" and _has_atheris():
        return _run_atheris(ALL[given.target], given.seconds, given.seed)
    return max(_run(name, given.seconds / len(names), given.seed) for name in names)


def _run(name: str, seconds: float, seed: int) -> int:
    """The mutation loop; status 1 with a finding."""
    click.echo(f"{name}: --seed {seed}")
    random, end, tried = Random(seed), time.monotonic() + seconds, 0
    signal.signal(signal.SIGALRM, _hang)
    while time.monotonic() < end:
        data = mutated(random)
        signal.alarm(LONGEST)
        try:
            ALL[name](data)
        except BaseException:
            file = Path(f"fuzz-{name}-{sha256(data).hexdigest()[:12]}")
            file.write_bytes(data)
            click.echo(f"{name}: found after {tried} inputs, see {file}", err=True)
            raise
        finally:
            signal.alarm(0)
        tried += 1
    click.echo(f"{name}: {tried} inputs, nothing found")
    return 0


def _hang(*_: object) -> NoReturn:
    raise Hang(f"an input takes more than {LONGEST} s")


def _has_atheris() -> bool:
    try:
        import atheris  # noqa: F401 (has no wheel for every Python that we run on)
    except ImportError:
        return False
    return True


def _functions() -> Iterator[FunctionType]:
    """Those that are fuzzed; all that are imported would take minutes to instrument."""
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and (each.__module__ or "").startswith(_FUZZED):
            yield each


def _run_atheris(target: Target, seconds: float, seed: int) -> int:
    """The status of a process of its own, as atheris ends the one it is in."""
    with tempfile.TemporaryDirectory(prefix="lockstep-fuzz-") as folder:
        random = Random(seed)
        for number in range(_EXAMPLES):
            Path(folder, str(number)).write_bytes(mutated(random))
        child = os.fork()
        if not child:
            _fuzz(target, f"-max_total_time={int(seconds)}", f"-seed={seed}", folder)
        _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _fuzz(target: Target, *arguments: str) -> NoReturn:
    import atheris

    for function in list(_functions()):
        atheris.instrument_func(function)
    atheris.Setup([sys.argv[0], f"-timeout={LONGEST}", *arguments], target)
    atheris.Fuzz()  # exits
    raise AssertionError


if __name__ == "__main__":
    sys.exit(main())
