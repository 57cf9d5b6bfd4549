"""Kustomizations that never delete: what leaves Git stays in the cluster."""

from collections.abc import Iterable

from engine.objects.ref import Ref
from engine.plugin import Context, Finding, Severity, Snapshot


async def diagnose(snapshot: Snapshot, context: Context) -> Iterable[Finding]:
    """A finding for each."""
    return [
        Finding(
            Severity.WARNING,
            f"{(ref := Ref.of(obj))} does not prune",
            "set spec.prune: true in Git; `lockstep diff kustomization` shows what would go",
            ref,
            ("spec.prune is false",),
            "what is deleted in Git goes on running, and nobody looks after it",
        )
        for obj in await snapshot.kustomizations()
        if not (obj.get("spec") or {}).get("prune")
    ]
