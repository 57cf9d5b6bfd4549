"""How help texts look: examples below, options in sections."""

from collections.abc import Mapping, Sequence

import click


def examples(*lines: str) -> str:
    """The epilog with these command lines, which click then does not wrap."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


class SectionedCommand(click.Command):
    """A command with so many options that its help has sections."""

    sections: Mapping[str, Sequence[str]] = {}
    """{title: names of parameters}; what is in none stands below `Options`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes a section after another, in the order of `sections`."""
        left = {each.name: each for each in self.get_params(ctx)}
        for title, names in self.sections.items():
            found = [left.pop(name) for name in names if name in left]
            _write(title, found, ctx, formatter)
        _write("Options", list(left.values()), ctx, formatter)


def _write(
    title: str,
    parameters: Sequence[click.Parameter],
    ctx: click.Context,
    formatter: click.HelpFormatter,
) -> None:
    records = [record for each in parameters if (record := each.get_help_record(ctx))]
    if records:
        with formatter.section(title):
            formatter.write_dl(records)
