"""`lockstep demo`: the engine at work, without a cluster."""

from pathlib import Path

import anyio
import click

from engine.cli.help import examples
from engine.demo import Demo, demo, playground

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(
    "demo",
    epilog=examples("lockstep demo", "lockstep demo --keep", "lockstep demo --empty playground"),
)
@click.option("--keep", is_flag=True, help="Go on after it; say how to reach it with kubectl.")
@click.option("-v", "--verbose", is_flag=True, help="Show the engine's log, on standard error.")
@click.option(
    "--empty",
    type=_FOLDER,
    default=None,
    metavar="FOLDER",
    help="No story and no engine: only an API and a repository, for you to play with.",
)
def command(*, keep: bool, verbose: bool, empty: Path | None) -> None:
    """Show the engine at work, without a cluster.

    It starts a small Kubernetes API, serves a fleet repository over Git's smart HTTP, and runs
    the engine on both: a commit goes live, a manual edit is corrected, a removed app is pruned,
    and a broken manifest is reported while the rest goes on.  All of it is in this process and in
    a temporary folder; nothing is left behind, whether it ends by itself or by Ctrl-C.
    """
    context = click.get_current_context()
    if empty is None:
        context.exit(anyio.run(demo, Demo(keep, verbose)))
    if keep or verbose:
        raise click.UsageError("--empty tells no story: leave --keep and --verbose out")
    try:
        context.exit(anyio.run(playground, empty))
    except OSError as error:
        raise click.ClickException(str(error)) from error
