"""What a command tells while it works, as Flux's CLI does: steps aside, results in the output."""

import click


def doing(text: str) -> None:
    """Something is done now."""
    click.echo(f"{click.style('►', fg='green')} {text}", err=True)


def making(text: str) -> None:
    """Something is put together."""
    click.echo(f"{click.style('✚', fg='green')} {text}", err=True)


def waiting(text: str) -> None:
    """Something is waited for."""
    click.echo(f"{click.style('◎', fg='yellow')} {text}", err=True)


def done(text: str, *, on_the_way: bool = False) -> None:
    """Something was done: the result, or a step on the way to it."""
    click.echo(f"{click.style('✔', fg='green')} {text}", err=on_the_way)


def warning(text: str) -> None:
    """Something that the caller should know."""
    click.echo(f"{click.style('!', fg='yellow')} {text}", err=True)
