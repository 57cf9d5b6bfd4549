"""`lockstep stats`: how many objects of each kind run, fail, rest, and what they store.

Source: flux-behaviour section 11; flux2 cmd/flux/stats.go.
"""

from collections.abc import Sequence

import click

from engine.cli import table
from engine.cli.columns import ready_of
from engine.cli.go_flags import FluxCommand
from engine.cli.help import examples
from engine.cli.kinds import KINDS
from engine.cli.target import Target, asynchronous, with_target, with_timeout, within
from engine.cluster import NotFound
from engine.objects.ref import Object
from engine.plan.suspension import is_suspended

_SHOWN = (
    "GitRepository",
    "OCIRepository",
    "HelmRepository",
    "HelmChart",
    "Bucket",
    "Kustomization",
    "HelmRelease",
    "Alert",
    "Provider",
    "Receiver",
    "ImageUpdateAutomation",
    "ImagePolicy",
    "ImageRepository",
)
_UNITS = "KMGTPE"


@click.command(
    "stats", cls=FluxCommand, epilog=examples("lockstep stats -A", "lockstep stats -n team-a")
)
@click.option("-A", "--all-namespaces", is_flag=True, help="Objects of all namespaces.")
@with_timeout("5m")
@with_target
@asynchronous
async def command(target: Target, all_namespaces: bool, seconds: float) -> None:
    """Count what runs, fails or rests, and what artifacts take."""
    namespace = "" if all_namespaces else target.namespace
    rows = []
    with within(seconds):
        async with target.client() as client:
            for name in _SHOWN:
                try:
                    found = (await client.list(KINDS[name].resource, namespace)).items
                except NotFound:  # its definition is missing
                    found = ()
                rows.append([name, *counts(found)])
    table.write(["RECONCILERS", "RUNNING", "FAILING", "SUSPENDED", "STORAGE"], rows)


def counts(objects: Sequence[Object]) -> list[str]:
    """Of those objects: how many run, fail and rest, and the size of their artifacts."""
    suspended = sum(is_suspended(obj) for obj in objects)
    failing = sum(_has_failed(obj) for obj in objects)
    stored = sum(_stored(obj) for obj in objects)
    return [str(len(objects) - suspended), str(failing), str(suspended), in_bytes(stored)]


def _has_failed(obj: Object) -> bool:
    has_conditions = bool((obj.get("status") or {}).get("conditions"))
    return has_conditions and ready_of(obj)["status"] == "False"


def _stored(obj: Object) -> int:
    artifact = (obj.get("status") or {}).get("artifact") or {}
    return int(artifact.get("size") or 0)


def in_bytes(size: int) -> str:
    """`1.5 MiB`; a dash for nothing."""
    if size < 1024:
        return f"{size} B" if size else "-"
    value, unit = size / 1024, 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}iB"
