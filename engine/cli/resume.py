"""`lockstep resume`: reconcile suspended objects again, and wait for them."""

from collections.abc import Sequence

import anyio
import click

from engine.cli import steps, suspension
from engine.cli.columns import static_message
from engine.cli.completing import complete_kind
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.kinds import Kind
from engine.cli.problems import Problem
from engine.cli.target import Target, asynchronous, with_target, with_timeout
from engine.cli.waiting import Awaited, outcome, wait_reconciled
from engine.cluster import Client
from engine.objects.ref import Object


@click.command(
    "resume",
    cls=FluxCommand,
    epilog=examples(
        "lockstep resume ks apps",
        "lockstep resume ks --all --wait --timeout 10m",
        "lockstep resume source git flux-system --no-wait",
    ),
)
@click.argument("words", metavar="KIND [NAME]...", nargs=-1, shell_complete=complete_kind)
@click.option("--all", "everything", is_flag=True, help="All objects of the namespace.")
@click.option("--wait/--no-wait", default=None, help="Wait until all are ready.")
@with_timeout("5m")
@with_target
@asynchronous
async def command(
    target: Target, words: tuple[str, ...], everything: bool, wait: bool | None, seconds: float
) -> None:
    """Reconcile suspended objects again, and wait for them.

    KIND is kustomization (ks), helmrelease (hr), `source git` (or oci, bucket, helm, chart),
    receiver, alert, alert-provider, or `image repository` (or policy, update).  Without --wait,
    only one that was named alone is waited for.
    """
    kind, names = suspension.parse(words, everything)
    async with target.client() as client:
        resumed = []
        for obj in await suspension.chosen(client, kind, names, target.namespace):
            name = obj["metadata"]["name"]
            steps.doing(f"resuming {kind.name} {name} in {target.namespace} namespace")
            resumed.append(await suspension.write(client, kind, obj, None))
            steps.done(f"{kind.name} {name} resumed")
        if wait or (wait is None and len(names) == 1):
            await _wait(client, kind, resumed, seconds)


async def _wait(client: Client, kind: Kind, resumed: Sequence[Object], seconds: float) -> None:
    """Tells how each ends, as soon as it does.  Raises Problem about all that failed."""
    problems: list[str] = []

    async def until_ready(obj: Object) -> None:
        name = obj["metadata"]["name"]
        if said := static_message(obj):
            steps.done(said)
            return
        steps.waiting(f"waiting for {kind.name} {name} reconciliation")
        try:
            ready = await wait_reconciled(client, Awaited(kind, obj), seconds)
        except Problem as problem:
            problems.append(problem.message)
        else:
            steps.done(f"{kind.name} {name}: {outcome(ready)}")

    async with anyio.create_task_group() as tasks:
        for obj in resumed:
            tasks.start_soon(until_ready, obj)
    if problems:
        raise Problem("\n".join(problems))
