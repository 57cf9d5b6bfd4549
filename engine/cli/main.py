"""The command `lockstep`: which commands there are, and how each of them ends.

A command is imported when it is called, and only then: `lockstep --help` reads a table.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from engine.cli.global_flags import relocated, rows
from engine.cli.groups import Table, TableGroup
from engine.cli.help import examples
from engine.cli.problems import INTERRUPTED, line_of, unwrapped

COMMANDS: Table = {
    "run": ("engine.cli.run", "Run the engine until it is told to stop."),
    "demo": ("engine.cli.demo", "Show the engine at work, without a cluster."),
    "check": ("engine.cli.check", "Look at the installation and say what is wrong with it."),
    "get": ("engine.cli.get", "List objects, what they hold and whether they are ready."),
    "reconcile": ("engine.cli.reconcile", "Have an object reconciled now, and wait for it."),
    "suspend": ("engine.cli.suspend", "Leave objects as they are until they are resumed."),
    "resume": ("engine.cli.resume", "Reconcile suspended objects again, and wait for them."),
    "events": ("engine.cli.events", "Show what was told of Flux's objects, oldest first."),
    "logs": ("engine.cli.logs", "Show what was logged about Flux's objects."),
    "tree": ("engine.cli.tree", "Show what a Kustomization has applied, down to the last."),
    "trace": ("engine.cli.trace", "Show where objects in the cluster come from, up to the commit."),
    "stats": ("engine.cli.stats", "Count what runs, fails or rests, and what artifacts take."),
    "create": ("engine.cli.create", "Make objects of Flux from options."),
    "export": ("engine.cli.export", "Print objects as YAML: what people wrote, without state."),
    "delete": ("engine.cli.delete", "Delete an object of Flux, and what it has applied."),
    "trigger": ("engine.cli.trigger", "Call what waits for calls."),
    "build": ("engine.cli.build", "Render a local folder as the engine would."),
    "diff": ("engine.cli.diff", "Show what a change would do, before it is made."),
    "doctor": ("engine.cli.doctor", "Look for what is wrong in a cluster, and what mends it."),
    "secrets": (
        "engine.cli.secrets",
        "Show who can decrypt what in Git, what is wrong, and rotate keys.",
    ),
    "completion": (
        "engine.cli.completion",
        "Print the script with which a shell completes words.",
    ),
    "version": ("engine.cli.version", "Show the versions of Lockstep, Python and Kubernetes."),
}
"""By name: the module whose `command` it is, and the first line of its help."""


class LazyGroup(TableGroup):
    """The commands of the table; Flux's global flags may stand before them."""

    def __init__(self, name: str, **attributes: Any) -> None:
        super().__init__(name, COMMANDS, **attributes)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the arguments, flags before a command as flags of the command."""
        return super().parse_args(ctx, relocated(self, ctx, args))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the flags that commands share, too."""
        super().format_options(ctx, formatter)
        with formatter.section("Options of commands that ask a cluster, also before the command"):
            formatter.write_dl(rows())


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples("lockstep run --install-crds", "lockstep get all -A"),
    no_args_is_help=False,
    invoke_without_command=True,
)
@click.version_option(package_name="lockstep", message="%(version)s")
@click.pass_context
def group(ctx: click.Context) -> None:
    """Bring Kubernetes clusters to the state that Git describes; a drop-in for Flux."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and exits: 0 done, 1 failed, 2 called the wrong way.

    arguments: those of the process by default.
    """
    sys.exit(status_of(arguments))


def status_of(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; its exit status.  An error becomes one line, never a traceback."""
    plain: dict[str, Any] = {"color": False} if os.environ.get("NO_COLOR") else {}  # no-color.org
    try:
        status = group.main(arguments, prog_name="lockstep", standalone_mode=False, **plain)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as problem:
        return _told(problem)
    return status if isinstance(status, int) else 0


def _told(problem: Exception) -> int:
    """Says what went wrong; the exit status."""
    error = unwrapped(problem)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):  # `lockstep create`, as flux
        click.echo(error.ctx.get_help() if error.ctx else error.message)
        return 0
    if isinstance(error, BrokenPipeError):  # the reader had enough: `lockstep get all | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if os.environ.get("LOCKSTEP_DEBUG") and not isinstance(error, click.ClickException):
        traceback.print_exception(problem)
    click.echo(f"Error: {line_of(error)}", err=True)
    return error.exit_code if isinstance(error, click.ClickException) else 1
