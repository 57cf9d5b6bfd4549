"""Groups of commands out of a table, imported when they are used."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, TypeAlias

import click

Table: TypeAlias = Mapping[str, tuple[str, str]]
"""By name: the module whose `command` it is, and the first line of its help."""


_WIDE = 80  # characters of a line about a command; click would cut it at 45


class TableGroup(click.Group):
    """Commands out of a table, and such that were added."""

    def __init__(self, name: str, table: Table, **attributes: Any) -> None:
        """table: in the order of the help."""
        super().__init__(name, **attributes)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the table, then what was added."""
        return [*self._table, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, None if there is none."""
        if cmd_name not in self._table:
            return super().get_command(ctx, cmd_name)
        module = self._table[cmd_name][0]
        command = import_module(module).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.command is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first argument names.  Raises click.UsageError."""
        near = get_close_matches(args[0], self.list_commands(ctx), n=1)
        if near and args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            raise click.UsageError(f"No such command '{args[0]}'; there is '{near[0]}'", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the table, without importing anything."""
        added = [(name, each.get_short_help_str(_WIDE)) for name, each in self.commands.items()]
        rows = [(name, summary) for name, (_, summary) in self._table.items()]
        with formatter.section("Commands"):
            formatter.write_dl([*rows, *added])
