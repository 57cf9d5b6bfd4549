"""Secrets that cannot be decrypted: their keys are missing, or end soon."""

from collections.abc import Iterable
from dataclasses import replace

from engine.plugin import Context, Finding, Severity, Snapshot
from plugins.checks import decryption

_MATTERS = "what is encrypted cannot be applied, and nothing else of its Kustomization either"


async def diagnose(snapshot: Snapshot, context: Context) -> Iterable[Finding]:
    """What the check of the decryption Secrets finds."""
    found = await decryption.check(context)
    return [replace(each, matters=_MATTERS) for each in found if each.severity is not Severity.OK]
