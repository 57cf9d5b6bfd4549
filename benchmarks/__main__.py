"""`python -m benchmarks SCENARIO`: measure an engine, print one table, write one JSON.

Runs nothing but what it starts itself, and leaves nothing behind but the JSON.
"""

import json
import os
import signal
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click
from rich.console import Console
from rich.table import Table

from benchmarks.meter import by_verb, machine
from benchmarks.scenarios import SCENARIOS, Outcome
from benchmarks.workload import Workload
from benchmarks.world import ENGINE, SERVERS, EngineEnded, world
from engine.cli.problems import unwrapped
from engine.reconcile.run import rfc3339
from engine.runtime import SystemClock
from tests.controlplane.build import BuildError
from tests.support.controlplane import ControlPlaneError

RESULTS = Path(__file__).parent / "results"
_EXPECTED = (EngineEnded, ControlPlaneError, BuildError, TimeoutError)
_SHOWN = 30  # rows of requests; the JSON has all


@click.command()
@click.argument("scenario", type=click.Choice(list(SCENARIOS)))
@click.option("--kustomizations", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--objects", type=click.IntRange(min=1), default=10, show_default=True, help="Each.")
@click.option("--interval", default="", help="Of all objects; default 1h, in steady_state 1m.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--server", type=click.Choice(SERVERS), default="real", show_default=True)
@click.option("--window", type=float, default=60.0, help="Seconds; of steady_state only.")
@click.option("--limit", type=float, default=600.0, show_default=True, help="Seconds for it all.")
@click.option("--json", "file", default="", help="Where to; default benchmarks/results/DATE-….json")
@click.option("--profile", default="", help="File for cProfile of the engine, which slows it.")
@click.option("--log", default="", help="File for the log of the engine.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(scenario: str, **options: Any) -> None:
    """Measure SCENARIO.  ARGUMENTS after `--` go to `lockstep run`."""
    for name in [name for name in os.environ if name.startswith("LOCKSTEP_")]:
        if name != "LOCKSTEP_CACHE":  # where the control plane's programs are
            del os.environ[name]  # the engine's settings are those that the result names
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        result = anyio.run(partial(measured, scenario, **options))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as problem:
        error = unwrapped(problem)
        if not isinstance(error, _EXPECTED):
            raise
        text = f"not done in {options['limit']:g} s; --log FILE shows what the engine says"
        raise click.ClickException(str(error) or text) from error
    Console(highlight=False).print(table_of(result))
    path = Path(options["file"]) if options["file"] else default_path(result)
    path.write_text(json.dumps(result, indent=1) + "\n")
    click.echo(f"written: {path}")


async def measured(scenario: str, **options: Any) -> dict[str, Any]:
    """The result of one scenario, as it is written to the JSON."""
    steady = {"window": options["window"]} if scenario == "steady_state" else {}
    interval = options["interval"] or ("1m" if steady else "1h")
    workload = Workload(options["kustomizations"], options["objects"], options["seed"], interval)
    started_at, environment = SystemClock().wall(), machine()
    server, arguments = options["server"], options["arguments"]
    with anyio.fail_after(options["limit"]):
        async with world(server, arguments, options["profile"], options["log"]) as made:
            environment["kubernetes"] = (await made.client.document("/version"))["gitVersion"]
            outcome: Outcome = await SCENARIOS[scenario](made, workload, **steady)
    return {
        "scenario": scenario,
        "at": rfc3339(started_at),
        "server": server,
        "arguments": list(arguments),
        "profiled": bool(options["profile"]),
        "workload": asdict(workload),
        "machine": environment,
        **asdict(outcome),
        "seconds": rounded(outcome.seconds),
        "figures": rounded(outcome.figures),
    }


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """To thousandths: what lies behind is noise."""
    return {name: round(figure, 3) for name, figure in figures.items()}


def default_path(result: dict[str, Any]) -> Path:
    """The dated file of a result."""
    size = "{kustomizations}x{objects}".format(**result["workload"])
    return RESULTS / f"{result['at'][:10]}-{result['scenario']}-{result['server']}-{size}.json"


def table_of(result: dict[str, Any]) -> Table:
    """The result for reading."""
    size = "{kustomizations} x {objects}".format(**result["workload"])
    machine = result["machine"]
    title = f"{result['scenario']}, {size}, {result['server']} API server {machine['kubernetes']}"
    caption = f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']}"
    table = Table("", "", title=title, caption=caption, show_header=False)
    table.columns[1].justify = "right"
    for name, seconds in result["seconds"].items():
        table.add_row(f"seconds, {name.replace('_', ' ')}", f"{seconds:.2f}")
    table.add_section()
    for name, used in result["usage"].items():
        table.add_row(f"CPU seconds, {name}", f"{used['cpu']:.2f}")
        table.add_row(f"peak MiB, {name}", f"{used['peak_bytes'] / 2**20:.0f}")
    table.add_section()
    for name, figure in result["figures"].items():
        table.add_row(name, f"{figure:.2f}".removesuffix(".00"))
    table.add_section()
    _add_requests(table, result["requests"])
    return table


def _add_requests(table: Table, requests: dict[str, dict[str, int]]) -> None:
    own = requests.get(ENGINE, {})
    table.add_row(f"requests of {ENGINE}", str(sum(own.values())))
    for verb, count in by_verb(own).items():
        table.add_row(f"  {verb}", str(count))
    table.add_section()
    for what, count in list(own.items())[:_SHOWN]:
        table.add_row(f"  {what}", str(count))
    table.add_section()
    for agent, counts in requests.items():
        if agent != ENGINE:
            table.add_row(f"requests of {agent}", str(sum(counts.values())))


if __name__ == "__main__":
    main()
