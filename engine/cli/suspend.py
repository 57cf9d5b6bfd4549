"""`lockstep suspend`: leave objects as they are."""

import click

from engine.cli import steps, suspension
from engine.cli.help import examples
from engine.cli.target import Target, asynchronous, with_target


@click.command(
    "suspend",
    epilog=examples(
        "lockstep suspend ks apps",
        "lockstep suspend source git --all -n team-a",
    ),
)
@click.argument("words", metavar="KIND [NAME]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All objects of the namespace.")
@with_target
@asynchronous
async def command(target: Target, words: tuple[str, ...], everything: bool) -> None:
    """Leave objects as they are until they are resumed.

    KIND is kustomization (ks), helmrelease (hr) or `source git` (or oci, bucket, helm, chart).
    """
    kind, names = suspension.parse(words, everything)
    async with target.client() as client:
        for obj in await suspension.chosen(client, kind, names, target.namespace):
            name = obj["metadata"]["name"]
            steps.doing(f"suspending {kind.name} {name} in {target.namespace} namespace")
            await suspension.write(client, kind, obj, suspend=True)
            steps.done(f"{kind.name} {name} suspended")
