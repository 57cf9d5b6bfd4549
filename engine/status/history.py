"""The last outcomes of a Kustomization: `status.history`, newest first, at most five.

Source: fluxcd/pkg apis/meta (Snapshot), kustomize-controller (upsert rule).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_KEPT = 5  # Flux's maximum


@dataclass(frozen=True, slots=True)
class Outcome:
    """One finished run; digest: of the built YAML; duration as Go prints it; now: RFC 3339."""

    digest: str
    status: str
    now: str
    duration: str
    metadata: Mapping[str, str] = field(default_factory=dict)


def with_outcome(history: Sequence[Mapping[str, Any]], new: Outcome) -> list[Mapping[str, Any]]:
    """The history after `new`: the entry of the same digest and status is refreshed."""

    def is_same(entry: Mapping[str, Any]) -> bool:
        return bool(
            entry.get("digest") == new.digest and entry.get("lastReconciledStatus") == new.status
        )

    old = next((entry for entry in history if is_same(entry)), None)
    entry = {
        "digest": new.digest,
        "firstReconciled": old["firstReconciled"] if old else new.now,
        "lastReconciled": new.now,
        "lastReconciledDuration": new.duration,
        "lastReconciledStatus": new.status,
        "totalReconciliations": (old.get("totalReconciliations", 0) if old else 0) + 1,
        "metadata": dict(new.metadata),
    }
    return [entry, *(each for each in history if not is_same(each))][:_KEPT]
