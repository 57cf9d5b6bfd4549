"""`lockstep reconcile`: have an object reconciled now, and wait for how it ends."""

from datetime import UTC, datetime
from typing import Any

import click

from engine.api.meta import RECONCILE_GROUP, REQUESTED_AT
from engine.cli import kinds, steps
from engine.cli.columns import source_of, static_message
from engine.cli.completing import complete_kind
from engine.cli.finding import named
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.kinds import KINDS, Kind
from engine.cli.problems import Problem
from engine.cli.target import Target, asynchronous, with_target, with_timeout
from engine.cli.waiting import Awaited, outcome, wait_reconciled
from engine.cluster import Client
from engine.objects.ref import Object
from engine.runtime import SystemClock

MANAGER = "flux"
"""The field manager of Flux's own CLI: what both write is owned by one."""

FORCE_AT = f"{RECONCILE_GROUP}/forceAt"
RESET_AT = f"{RECONCILE_GROUP}/resetAt"


@click.command(
    "reconcile",
    cls=FluxCommand,
    epilog=examples(
        "lockstep reconcile ks apps --with-source",
        "lockstep reconcile source git flux-system --timeout 1m",
        "lockstep reconcile hr podinfo --force",
        "lockstep reconcile receiver github",
    ),
)
@click.argument("words", metavar="KIND NAME", nargs=-1, shell_complete=complete_kind)
@click.option("--with-source", is_flag=True, help="Have its source reconciled first.")
@click.option("--force", is_flag=True, help="Install or upgrade a HelmRelease in any case, once.")
@click.option("--reset", is_flag=True, help="Forget how often a HelmRelease has failed.")
@with_timeout("5m")
@with_target
@asynchronous
async def command(
    target: Target, words: tuple[str, ...], with_source: bool, seconds: float, **marks: bool
) -> None:
    """Have an object reconciled now, and wait for it.

    KIND is kustomization (ks), helmrelease (hr), `source git` (or oci, bucket, helm, chart),
    receiver, or `image repository` (or policy, update).  A failure ends the wait at once, whether
    it is tried again or not.
    """
    kind, names = kinds.parse_one(words)
    if len(names) != 1:
        raise click.UsageError(f"{kind.name} name is required: lockstep reconcile KIND NAME")
    also = _also(kind, **marks)
    if kind.is_made or kind.is_static:
        raise Problem(
            f"reconciliation not supported by the object: nothing reconciles the kind {kind.name}"
        )
    async with target.client() as client:
        obj = await _active(client, kind, target.namespace, names[0])
        if static_message(obj):
            steps.done("reconciliation not supported by the object")
            return
        if with_source:
            await _reconcile_source(client, obj, seconds)
        await _reconcile(client, kind, obj, seconds, also)


def _also(kind: Kind, *, force: bool, reset: bool) -> tuple[str, ...]:
    """The annotations that are written beside the request.  Raises click.UsageError."""
    if (force or reset) and kind.name != "HelmRelease":
        raise click.UsageError("--force and --reset are for a helmrelease")
    return (FORCE_AT,) * force + (RESET_AT,) * reset


async def _active(client: Client, kind: Kind, namespace: str, name: str) -> Object:
    """The object.  Raises Problem if there is none or it is suspended."""
    obj = await named(client, kind, namespace, name)
    if (obj.get("spec") or {}).get("suspend"):
        raise Problem(
            f"resource is suspended: {kind.name} {namespace}/{name}; "
            f"`lockstep resume {kind.title} {name} -n {namespace}` ends that"
        )
    return obj


async def _reconcile_source(client: Client, obj: Object, seconds: float) -> None:
    """Has what an object is made of reconciled: of a HelmRelease its chart, and of that its source.

    Raises Problem if it names none, or there is none.
    """
    kind, source = await _source(client, obj)
    if kind.name == "HelmChart":
        await _reconcile_source(client, source, seconds)
    if not static_message(source):
        await _reconcile(client, kind, source, seconds)


async def _source(client: Client, obj: Object) -> tuple[Kind, Object]:
    reference = source_of(obj)
    name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
    if not reference:
        raise Problem(f"{obj['kind']} '{name}' names no source; leave --with-source out")
    if (obj.get("spec") or {}).get("chart") and obj["kind"] == "HelmRelease":
        chart = {"kind": "HelmChart", "name": f"{namespace}-{name}"}  # made for it
        reference = {**reference, **chart}
    kind = KINDS.get(reference["kind"])
    if kind is None or kind.is_made:
        raise Problem(f"cannot reconcile source of kind {reference['kind']}")
    return kind, await _active(client, kind, reference["namespace"], reference["name"])


async def _reconcile(
    client: Client, kind: Kind, obj: Object, seconds: float, also: tuple[str, ...] = ()
) -> None:
    """also: annotations that get the token, too."""
    name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
    steps.doing(f"annotating {kind.name} {name} in {namespace} namespace")
    token = nanoseconds_now()
    annotations: dict[str, Any] = dict.fromkeys((REQUESTED_AT, *also), token)
    patch = {"metadata": {"annotations": annotations}}
    await client.merge_patch(kind.resource, namespace, name, patch, field_manager=MANAGER)
    steps.done(f"{kind.name} annotated", on_the_way=True)
    steps.waiting(f"waiting for {kind.name} reconciliation")
    reconciled = await wait_reconciled(client, Awaited(kind, obj, token), seconds)
    steps.done(outcome(reconciled))


def nanoseconds_now() -> str:
    """The time as RFC 3339 with nanoseconds, as Flux writes requests."""
    wall = SystemClock().wall()
    instant = datetime.fromtimestamp(int(wall), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{instant}.{int(wall % 1 * 1e9):09d}Z"
