"""`lockstep reconcile`: have an object reconciled now, and wait for how it ends."""

from datetime import UTC, datetime
from typing import Any

import click

from engine.api import KINDS, Kind
from engine.api.meta import REQUESTED_AT, SOURCE_GROUP
from engine.cli import kinds, steps
from engine.cli.get import named
from engine.cli.help import examples
from engine.cli.problems import Problem
from engine.cli.target import Target, asynchronous, with_target, with_timeout
from engine.cli.waiting import Awaited, outcome, wait_reconciled
from engine.cluster import Client
from engine.cluster.resource import resource_of
from engine.objects.ref import Object
from engine.runtime import SystemClock

MANAGER = "flux"
"""The field manager of Flux's own CLI: what both write is owned by one."""


@click.command(
    "reconcile",
    epilog=examples(
        "lockstep reconcile ks apps --with-source",
        "lockstep reconcile source git flux-system --timeout 1m",
    ),
)
@click.argument("words", metavar="KIND NAME", nargs=-1)
@click.option("--with-source", is_flag=True, help="Have its source reconciled first.")
@with_timeout("5m")
@with_target
@asynchronous
async def command(
    target: Target, words: tuple[str, ...], with_source: bool, seconds: float
) -> None:
    """Have an object reconciled now, and wait for it.

    KIND is kustomization (ks), helmrelease (hr) or `source git` (or oci, bucket, helm, chart).
    A failure ends the wait at once, whether it is tried again or not.
    """
    kind, names = kinds.parse_one(words)
    if len(names) != 1:
        raise click.UsageError("name one object: lockstep reconcile KIND NAME")
    if not kind.reconciled:
        raise Problem(
            f"reconciliation not supported by the object: {kind.name} is made by something else"
        )
    async with target.client() as client:
        obj = await _active(client, kind, target.namespace, names[0])
        if with_source:
            await _reconcile(client, *await _source_of(client, obj), seconds)
        await _reconcile(client, kind, obj, seconds)


async def _active(client: Client, kind: Kind, namespace: str, name: str) -> Object:
    """The object.  Raises Problem if there is none or it is suspended."""
    obj = await named(client, kind, namespace, name)
    if (obj.get("spec") or {}).get("suspend"):
        raise Problem(
            f"resource is suspended: {kind.name} {namespace}/{name}; "
            f"`lockstep resume {kind.name.lower()} {name} -n {namespace}` ends that"
        )
    return obj


async def _source_of(client: Client, obj: Object) -> tuple[Kind, Object]:
    """The source that the object names.  Raises Problem if it names none or there is none."""
    spec: Any = obj.get("spec") or {}
    reference = spec.get("sourceRef") or spec.get("chartRef")
    if not reference:
        raise Problem(f"{obj['kind']} '{obj['metadata']['name']}' names no source; omit the flag")
    kind = KINDS.get((SOURCE_GROUP, reference["kind"]))
    if kind is None or not kind.reconciled:
        raise Problem(f"reconciliation not supported by the source: {reference['kind']}")
    namespace = reference.get("namespace") or obj["metadata"]["namespace"]
    return kind, await _active(client, kind, namespace, reference["name"])


async def _reconcile(client: Client, kind: Kind, obj: Object, seconds: float) -> None:
    name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
    steps.doing(f"annotating {kind.name} {name} in {namespace} namespace")
    token = nanoseconds_now()
    patch = {"metadata": {"annotations": {REQUESTED_AT: token}}}
    resource = resource_of(kind)
    await client.merge_patch(resource, namespace, name, patch, field_manager=MANAGER)
    steps.done(f"{kind.name} annotated", on_the_way=True)
    steps.waiting(f"waiting for {kind.name} reconciliation")
    reconciled = await wait_reconciled(client, Awaited(kind, obj, token), seconds)
    steps.done(outcome(reconciled))


def nanoseconds_now() -> str:
    """The time as RFC 3339 with nanoseconds, as Flux writes requests."""
    wall = SystemClock().wall()
    instant = datetime.fromtimestamp(int(wall), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{instant}.{int(wall % 1 * 1e9):09d}Z"
