"""Flags as Flux's CLI takes them: `--progress-bar=false`, `--ignore-paths a,b`, `K/ns/n=path`."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from engine.cli.global_flags import PARAMETERS

_ELSEWHERE = "`lockstep --help` lists what all these commands take: --as, --server, --token ..."
_TRUE, _FALSE = ("true", "t", "1"), ("false", "f", "0")


class FluxCommand(click.Command):
    """A command whose switches may have a value, as those of programs written in Go.

    A flag of its own goes before a global one of the same name.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        own = {name for each in self.params if each.name not in PARAMETERS for name in each.opts}
        self.params = [e for e in self.params if e.name not in PARAMETERS or own.isdisjoint(e.opts)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options, and where the others are."""
        super().format_options(ctx, formatter)
        if any(each.name in PARAMETERS for each in self.params):
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(_ELSEWHERE)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reads the arguments, `--flag=true` as `--flag`."""
        return super().parse_args(ctx, list(self._plain(args)))

    def _plain(self, args: list[str]) -> Iterator[str]:
        switches = {
            name: each
            for each in self.params
            if isinstance(each, click.Option) and each.is_bool_flag
            for name in each.opts
        }
        for arg in args:
            name, equals, value = arg.partition("=")
            switch = switches.get(name)
            if switch is None or not equals or value.lower() not in (*_TRUE, *_FALSE):
                yield arg
            elif value.lower() in _TRUE:
                yield name
            elif switch.secondary_opts:
                yield switch.secondary_opts[0]


def listed(values: tuple[str, ...]) -> tuple[str, ...]:
    """The items of an option that may be given several times, each with items between commas."""
    return tuple(item.strip() for value in values for item in value.split(",") if item.strip())


def variables_in(values: Iterable[str]) -> dict[str, str]:
    """`--set`: values by name.  Raises click.UsageError."""
    found = {}
    for item in values:
        name, equals, value = item.partition("=")
        if not equals:
            raise click.UsageError(f"--set '{item}': write NAME=VALUE")
        found[name] = value
    return found


def folders_of_sources(values: tuple[str, ...]) -> dict[str, Path]:
    """`--local-sources`: {`Kind/namespace/name`: its folder}.  Raises click.UsageError."""
    found = {}
    for item in listed(values):
        source, equals, folder = item.partition("=")
        if not equals or source.count("/") != 2:
            raise click.UsageError(f"--local-sources '{item}': write Kind/namespace/name=FOLDER")
        path = Path(folder)
        if not path.is_dir():
            raise click.UsageError(f"--local-sources '{item}': '{folder}' is no folder")
        found[source] = path
    return found
