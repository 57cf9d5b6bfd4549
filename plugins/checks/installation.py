"""Whether there is an engine at work at all: what `lockstep check` finds wrong with it."""

from collections.abc import Iterable
from dataclasses import replace

from engine.plugin import Context, Finding, Severity, Snapshot
from plugins.checks import definitions, kubernetes, leases

_MATTERS = "without it nothing is reconciled"


async def diagnose(snapshot: Snapshot, context: Context) -> Iterable[Finding]:
    """What is wrong with it."""
    found: list[Finding] = []
    for check in (kubernetes.check, definitions.check, leases.check):
        found += await check(context)
    return [replace(each, matters=_MATTERS) for each in found if each.severity is not Severity.OK]
