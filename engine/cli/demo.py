"""`lockstep demo`: the engine at work, without a cluster."""

import anyio
import click

from engine.cli.help import examples
from engine.demo import Demo, demo


@click.command("demo", epilog=examples("lockstep demo", "lockstep demo --keep"))
@click.option("--keep", is_flag=True, help="Go on after it; say how to reach it with kubectl.")
@click.option("-v", "--verbose", is_flag=True, help="Show the engine's log, on standard error.")
def command(*, keep: bool, verbose: bool) -> None:
    """Show the engine at work, without a cluster.

    It starts a small Kubernetes API, serves a fleet repository over Git's smart HTTP, and runs
    the engine on both: a commit goes live, a manual edit is corrected, a removed app is pruned,
    and a broken manifest is reported while the rest goes on.  All of it is in this process and in
    a temporary folder; nothing is left behind, whether it ends by itself or by Ctrl-C.
    """
    click.get_current_context().exit(anyio.run(demo, Demo(keep, verbose)))
