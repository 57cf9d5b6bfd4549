"""Conditions as Flux writes them: pure changes of a list.

Reconciling and Stalled exist only while True and exclude each other; lastTransitionTime moves when
status, reason or message changes.  Source: fluxcd/pkg runtime/conditions, flux-behaviour 1.2.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from engine.api.meta import MESSAGE_LIMIT, READY, RECONCILING, STALLED

_FIRST = {STALLED: 0, RECONCILING: 1, READY: 2}

Condition: TypeAlias = Mapping[str, Any]


def condition(
    type_: str, status: str, reason: str, message: str, generation: int, now: str
) -> dict[str, Any]:
    """A new condition; now: RFC 3339, whole seconds, UTC."""
    if len(message) > MESSAGE_LIMIT:
        message = message[: MESSAGE_LIMIT - 3] + "..."
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": now,
    }


def find(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """The condition of that type, None if there is none."""
    return next((each for each in conditions if each.get("type") == type_), None)


def is_true(conditions: Iterable[Condition], type_: str) -> bool:
    """Whether the condition exists and is True."""
    found = find(conditions, type_)
    return found is not None and found.get("status") == "True"


def with_condition(conditions: Sequence[Condition], new: Condition) -> list[Condition]:
    """The list with `new` in it, ordered as Flux serialises it.

    Idempotent: a condition that says the same keeps its lastTransitionTime.
    """
    old = find(conditions, new["type"])
    if old is not None and all(old.get(key) == new[key] for key in ("status", "reason", "message")):
        new = {**new, "lastTransitionTime": old["lastTransitionTime"]}
    drop = {new["type"]}
    if new["type"] == RECONCILING:
        drop.add(STALLED)
    if new["type"] == STALLED:
        drop.add(RECONCILING)
    return ordered([*(each for each in conditions if each.get("type") not in drop), new])


def without_conditions(conditions: Iterable[Condition], *types: str) -> list[Condition]:
    """The list less the conditions of those types."""
    return [each for each in conditions if each.get("type") not in types]


def ordered(conditions: Iterable[Condition]) -> list[Condition]:
    """Stalled, Reconciling, Ready, then the newest observed generation, then by type."""

    def key(each: Condition) -> tuple[int, int, str]:
        rank = _FIRST.get(each["type"], len(_FIRST))
        return (
            rank,
            -each.get("observedGeneration", 0) if rank == len(_FIRST) else 0,
            each["type"],
        )

    return sorted(conditions, key=key)
