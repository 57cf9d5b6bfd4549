"""`python -m tests.fuzz TARGET --seconds N [--seed S]`: with atheris if it is installed.

Without it mutations of recorded repositories are tried, at random but for the seed, which is
printed.  Ends with status 1 at the first finding, which is written to a file; give that file as
`--input` to see it again.
"""

import argparse
import resource
import signal
import sys
import time
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import NoReturn

import click

from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS, Target

LONGEST = 10
"""Seconds that one small input may take."""
MEMORY = 2 * 1024**3
"""Bytes of address space: Python, the engine, and an input of at most 20 kB."""


class Hang(Exception):  # noqa: N818 (a finding)
    """An input that takes too long."""


def main() -> int:
    """Status 0: nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", choices=[*TARGETS, "all"])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000_000)
    parser.add_argument("--input", type=Path, help="run this one input only")
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    names = list(TARGETS) if given.target == "all" else [given.target]
    if given.input:
        for name in names:
            TARGETS[name](given.input.read_bytes())
        return 0
    if given.target != "all" and _has_atheris():
        _run_atheris(TARGETS[given.target], given.seconds)
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
            TARGETS[name](data)
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


def _run_atheris(target: Target, seconds: float) -> NoReturn:
    import atheris

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], f"-max_total_time={int(seconds)}", f"-timeout={LONGEST}"], target)
    atheris.Fuzz()  # exits
    raise AssertionError


if __name__ == "__main__":
    sys.exit(main())
