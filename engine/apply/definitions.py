"""Definitions that a plan brings: what is made of them cannot be judged before they are there."""

from typing import TypeAlias

from engine.cluster import ApiError, Client
from engine.objects.ref import Object, Ref
from engine.plan import Action, Change, Plan
from engine.plan.containment import kind_of
from engine.plan.drift import differences

_LEFT = (Action.SKIP, Action.UNCHANGED, Action.WARN)
Kind: TypeAlias = tuple[str, str]
"""Group and kind."""


def definition_of(ref: Ref, plan: Plan) -> Change | None:
    """The change of the definition of an object's kind, None if the plan does not bring it."""
    for change in plan.applies:
        if _is_definition(change) and kind_of(change.desired) == (ref.group, ref.kind):
            return change
    return None


async def redefined(plan: Plan, client: Client, manager: str) -> frozenset[Kind]:
    """The kinds of which the plan changes what is valid, and brings objects; asked by dry-runs."""
    kinds = {(change.ref.group, change.ref.kind) for change in plan.applies}
    found: set[Kind] = set()
    for change in plan.applies:
        kind = kind_of(change.desired)
        if _is_definition(change) and kind in kinds and await _is_changed(change, client, manager):
            found.add(kind)
    return frozenset(found)


async def _is_changed(change: Change, client: Client, manager: str) -> bool:
    """Whether a definition that exists is changed; one that is left as it is changes nothing."""
    if change.action in _LEFT or change.desired is None or change.live is None:
        return False
    try:
        resource = await client.discovery.resource(
            change.ref.group, change.version, change.ref.kind
        )
        after = await client.apply(
            resource, change.desired, manager=manager, force=True, dry_run=True
        )
    except ApiError:
        return False  # which is said of the definition itself
    return any(differences(_spec(change.live), _spec(after)))


def _is_definition(change: Change) -> bool:
    return change.ref.kind == "CustomResourceDefinition"


def _spec(definition: Object) -> Object:
    """As an object of its own, without what the API server notes beside it."""
    return {"metadata": {}, "spec": definition.get("spec") or {}}
