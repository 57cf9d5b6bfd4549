"""`lockstep resume`: reconcile suspended objects again, and wait for them."""

import click

from engine.cli import steps, suspension
from engine.cli.help import examples
from engine.cli.target import Target, asynchronous, with_target, with_timeout
from engine.cli.waiting import Awaited, outcome, wait_reconciled


@click.command(
    "resume",
    epilog=examples(
        "lockstep resume ks apps",
        "lockstep resume ks --all --timeout 10m",
        "lockstep resume source git flux-system --no-wait",
    ),
)
@click.argument("words", metavar="KIND [NAME]...", nargs=-1, required=True)
@click.option("--all", "everything", is_flag=True, help="All objects of the namespace.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until all are ready.")
@with_timeout("5m")
@with_target
@asynchronous
async def command(
    target: Target, words: tuple[str, ...], everything: bool, wait: bool, seconds: float
) -> None:
    """Reconcile suspended objects again, and wait for them.

    KIND is kustomization (ks), helmrelease (hr) or `source git` (or oci, bucket, helm, chart).
    """
    kind, names = suspension.parse(words, everything)
    async with target.client() as client:
        resumed = []
        for obj in await suspension.chosen(client, kind, names, target.namespace):
            name = obj["metadata"]["name"]
            steps.doing(f"resuming {kind.name} {name} in {target.namespace} namespace")
            resumed.append(await suspension.write(client, kind, obj, suspend=False))
            steps.done(f"{kind.name} {name} resumed")
        for obj in resumed if wait else ():
            name = obj["metadata"]["name"]
            steps.waiting(f"waiting for {kind.name} {name} reconciliation")
            ready = await wait_reconciled(client, Awaited(kind, obj), seconds)
            steps.done(f"{kind.name} {name}: {outcome(ready)}")
