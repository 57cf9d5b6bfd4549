"""`lockstep delete`: objects of Flux, after asking.

Source: flux-behaviour section 11; flux2 cmd/flux/delete.go.
"""

import sys

import click

from engine.cli import kinds, steps
from engine.cli.completing import complete_kind
from engine.cli.finding import named
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.problems import Problem
from engine.cli.target import Target, asynchronous, with_target, with_timeout, within


@click.command(
    "delete",
    cls=FluxCommand,
    epilog=examples(
        "lockstep delete kustomization apps",
        "lockstep delete source git fleet --silent",
        "lockstep delete alert slack -n team-a",
    ),
)
@click.argument("words", metavar="KIND NAME", nargs=-1, shell_complete=complete_kind)
@click.option("-s", "--silent", is_flag=True, help="Do not ask.")
@with_timeout("5m")
@with_target
@asynchronous
async def command(target: Target, words: tuple[str, ...], silent: bool, seconds: float) -> None:
    """Delete an object of Flux, and what it has applied.

    KIND is as for `suspend`.  Only a Kustomization with `prune` takes along what it has applied; a
    suspended Kustomization leaves everything in place.
    """
    kind, names = kinds.parse_one(words)
    if len(names) != 1:
        raise click.UsageError(f"{kind.title} name is required: lockstep delete KIND NAME")
    if kind.is_made:
        raise Problem(f"{kind.name} is made by something else, which would make it again")
    (name,) = names
    async with target.client() as client:
        with within(seconds):
            obj = await named(client, kind, target.namespace, name)
        if not silent:
            _confirm(kind.title)
        steps.doing(f"deleting {kind.title} {name} in {target.namespace} namespace")
        with within(seconds):
            uid = obj["metadata"].get("uid", "")
            await client.delete(kind.resource, target.namespace, name, uid=uid)
        steps.done(f"{kind.title} deleted")


def _confirm(title: str) -> None:
    """Asks.  Raises Problem unless the answer is yes."""
    if not sys.stdin.isatty():
        raise Problem("aborting: nobody can be asked here; give --silent")
    if not click.confirm(f"Are you sure you want to delete this {title}", err=True):
        raise Problem("aborting")
