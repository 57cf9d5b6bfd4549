"""`lockstep diff`: what a change would do, before it is made."""

from collections.abc import Mapping
from importlib import import_module

import click

from engine.cli.help import examples

_COMMANDS: Mapping[str, str] = {
    "kustomization": "engine.cli.diff_kustomization",
    "ks": "engine.cli.diff_kustomization",
    "all": "engine.cli.diff_all",
}


class _Kinds(click.Group):
    """Imports what is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, without abbreviations."""
        return [name for name in _COMMANDS if name != "ks"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, None if there is none."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name]).command
        return command


@click.group(
    "diff",
    cls=_Kinds,
    epilog=examples(
        "lockstep diff kustomization apps --path ./apps/production",
        "lockstep diff all ./clusters/production --base origin/main",
    ),
)
def command() -> None:
    """Show what a change would do, before it is made.

    Exit status: 0 nothing would change, 1 something would, 2 that is not known.
    """
