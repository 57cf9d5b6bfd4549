"""`python -m benchmarks SCENARIO`: measure an engine, print one table, write one JSON.

Runs nothing but what it starts itself, and leaves nothing behind but the JSON.
`python -m benchmarks report` writes RESULTS.md from what was written so.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import click
from rich.console import Console

from benchmarks.peer import Ours, Peer, peer_of
from benchmarks.report import RESULTS, write_report
from benchmarks.run import Wish, measured
from benchmarks.scenarios import SCENARIOS, Sizes
from benchmarks.table import table_of
from benchmarks.world import SERVERS, EngineEnded
from engine.cli.problems import unwrapped
from tests.controlplane.build import BuildError
from tests.support.controlplane import ControlPlaneError

_EXPECTED = (EngineEnded, ControlPlaneError, BuildError, TimeoutError, ValueError)
_REPORT = "report"
_WIDTH = 140  # columns of a table that is not shown on a terminal
_Command = TypeVar("_Command", bound=Callable[..., Any])
_SIZES = {each.name: each.default for each in fields(Sizes)}


class Peers(click.ParamType[Peer]):
    """NAME=COMMAND."""

    name = "name=command"

    def convert(self, value: Any, param: Any, ctx: Any) -> Peer:
        """The peer."""
        try:
            return peer_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Numbers(click.ParamType[list[int]]):
    """`100,500,1000`."""

    name = "numbers"

    def convert(self, value: Any, param: Any, ctx: Any) -> list[int]:
        """The numbers."""
        try:
            found = [int(part) for part in value.split(",")]
        except ValueError:
            self.fail(f"{value!r} is not a number, nor several with commas between", param, ctx)
        if min(found) < 1:
            self.fail("at least 1", param, ctx)
        return found


def size(name: str, meaning: str) -> Callable[[_Command], _Command]:
    """The option of one of the Sizes."""
    default = _SIZES[name]
    return click.option(f"--{name}", default=default, show_default=True, help=meaning)


@click.command(
    epilog="Scenarios: " + " ".join(f"{name}: {each.summary}" for name, each in SCENARIOS.items())
)
@click.argument("scenario", type=click.Choice([*SCENARIOS, _REPORT]))
@click.option("--kustomizations", type=Numbers(), help="How many; 10,100 measures both.")
@click.option("--objects", type=click.IntRange(min=1), help="Of each Kustomization.")
@click.option("--interval", default="", help="Of all objects; default 1h, in steady_state 1m.")
@click.option("--seed", type=int, default=0, show_default=True)
@size("window", "steady_state: seconds with the engine, and without.")
@size("rounds", "one_change, webhook_to_ready: commits, one after the other.")
@size("singles", "drift_storm: edits, one after the other.")
@size("patience", "drift_storm: seconds after which no further of them is begun.")
@size("edits", "drift_storm: edits at once.")
@size("failing", "failing_neighbours: those that never become ready.")
@size("noisy", "tenants: Kustomizations of the noisy neighbour.")
@size("flood", "webhook_to_ready: seconds of calls as fast as they are answered.")
@size("steps", "memory: times that a fleet of the same size is added.")
@click.option("--server", type=click.Choice(SERVERS), default="real", show_default=True)
@click.option("--peer", "peers", type=Peers(), multiple=True, help="Measured too; repeatable.")
@click.option("--limit", type=float, default=600.0, show_default=True, help="Seconds an engine.")
@click.option("--json", "file", default="", help="Where to; default benchmarks/results/DATE-….json")
@click.option("--profile", default="", help="File for the engine's cProfile, which slows it.")
@click.option("--log", default="", help="File for the log of the engine.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(scenario: str, **options: Any) -> None:
    """Measure SCENARIO, or write the report.  ARGUMENTS after `--` go to `lockstep run`.

    The COMMAND of a peer runs in a shell until SIGTERM, with KUBECONFIG, GIT_URL, STORAGE (a folder
    of its own) and RUNTIME_NAMESPACE in its environment; what it starts is measured with it.  What
    it cannot do within the limit is reported as not done.
    """
    if scenario == _REPORT:
        click.echo(f"written: {write_report()}")
        return
    for name in [name for name in os.environ if name.startswith("LOCKSTEP_")]:
        if name != "LOCKSTEP_CACHE":  # where the control plane's programs are
            del os.environ[name]  # the engine's settings are those that the result names
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    numbers = options["kustomizations"] or [None]
    if options["file"] and len(numbers) > 1:
        raise click.UsageError("--json is one file, and each size has its own result")
    for number in numbers:
        _measure(wish_of(scenario, number, options), options["file"])


def wish_of(scenario: str, kustomizations: int | None, options: dict[str, Any]) -> Wish:
    """What the options say."""
    sizes = Sizes(**{name: options[name] for name in _SIZES})
    numbers = {name: options[name] for name in ("objects", "interval", "seed")}
    workload = SCENARIOS[scenario].workload(sizes, kustomizations=kustomizations, **numbers)
    return Wish(
        scenario,
        workload,
        sizes,
        options["server"],
        Ours(options["arguments"], options["profile"]),
        options["peers"],
        options["limit"],
        options["log"],
    )


def _measure(wish: Wish, file: str) -> None:
    try:
        result = anyio.run(partial(measured, wish))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as problem:
        error = unwrapped(problem)
        if not isinstance(error, _EXPECTED):
            raise
        text = f"not done in {wish.limit:g} s; --log FILE shows what the engine says"
        raise click.ClickException(str(error) or text) from error
    width = None if sys.stdout.isatty() else _WIDTH
    Console(highlight=False, width=width).print(table_of(result))
    path = Path(file) if file else default_path(result)
    path.write_text(json.dumps(result, indent=1) + "\n")
    click.echo(f"written: {path}")


def default_path(result: dict[str, Any]) -> Path:
    """The dated file of a result."""
    size = "{kustomizations}x{objects}".format(**result["workload"])
    name = f"{result['at'][:10]}-{result['scenario']}-{result['server']}-{size}"
    beside = "".join(f"-{peer}" for peer in result.get("peers", {}))
    return RESULTS / f"{name}{beside}{'-profiled' if result['profiled'] else ''}.json"


if __name__ == "__main__":
    main()
