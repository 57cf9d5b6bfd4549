"""What the engine would leave as it is, though it is not as Git says.

Drift that an annotation asks to leave, and what another Kustomization applied since: until the
desired object itself changes.  The engine remembers what it applied; here the history of the
Kustomization tells, and the build of the commit that was applied last.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from anyio import to_thread

from engine.api import Undecodable
from engine.api.meta import RECONCILIATION_SUCCEEDED
from engine.cli.problems import Problem
from engine.cli.rendering import Made, decoded
from engine.cluster.discovery import Discovery
from engine.errors import Failure
from engine.objects.ref import Object, Ref
from engine.plan.policy import Owner
from engine.plan.reservation import listed
from engine.plan.tolerance import ANNOTATION, Tolerance, tolerance
from engine.reconcile.builds import Desired
from engine.reconcile.desired import scoped

_COMMIT = re.compile(r"sha(?:1|256):([0-9a-f]{40,64})$")


@dataclass(frozen=True, slots=True)
class Left:
    """settled: left alone.  warned: that is told, too.  unsure: whether they are is not known."""

    settled: frozenset[Ref] = frozenset()
    warned: frozenset[Ref] = frozenset()
    unsure: frozenset[Ref] = frozenset()

    def doubts(self, changed: Collection[Ref]) -> list[str]:
        """What is to be said of those that are shown as changes."""
        unsure = sorted(self.unsure & set(changed))
        if not unsure:
            return []
        return [
            f"whether {listed(unsure)} would change is not known: unless Git changed it since, the "
            f"engine leaves it as it is ({ANNOTATION}, or another Kustomization has it, too); what "
            "was applied last cannot be built from here: give a --path in a clone that has that "
            "commit"
        ]


async def left_alone(
    made: Made,
    desired: Desired,
    live: Mapping[Ref, Object],
    live_ks: Object | None,
    shared: Collection[Ref],
    discovery: Discovery,
) -> Left:
    """What of the desired objects stays as it is.

    shared: those that another Kustomization has, too, and was the last one to apply.
    """
    modes = _modes(made, (obj for obj in desired.objects if Ref.of(obj) in live))
    asked = modes.keys() | set(shared)
    if not asked:
        return Left()
    applied = await _applied(made, desired, live_ks, discovery)
    if applied is None:
        return Left(unsure=frozenset(asked))
    same = {ref for ref in asked if applied.get(ref) == desired.contents[ref]}
    warned = {ref for ref in same if modes.get(ref) is Tolerance.WARN}
    return Left(frozenset(same - warned), frozenset(warned))


def _modes(made: Made, objects: Iterable[Object]) -> dict[Ref, Tolerance]:
    """What holds for the objects whose drift is not corrected; a suspension ends before it."""
    ks = {"metadata": {"annotations": made.ks.metadata.annotations}}
    found = {Ref.of(obj): tolerance(obj, ks) for obj in objects}
    return {ref: mode for ref, mode in found.items() if mode is not Tolerance.CORRECT}


async def _applied(
    made: Made, desired: Desired, live_ks: Object | None, discovery: Discovery
) -> Mapping[Ref, bytes] | None:
    """Digests of the objects as they were applied last, None if that is not known."""
    status = (live_ks or {}).get("status") or {}
    if live_ks is None or not status.get("lastAppliedRevision"):
        return {}  # nothing was
    history = status.get("history") or []
    digests = [
        each.get("digest")
        for each in history
        if each.get("lastReconciledStatus") == RECONCILIATION_SUCCEEDED
    ]
    if desired.digest in digests[:1] and desired.digest == history[0].get("digest"):
        return desired.contents
    commit = _COMMIT.search(status["lastAppliedRevision"])
    if commit is None:
        return None
    try:
        place = await to_thread.run_sync(made.place.at, commit[1])
        then = await made.like(decoded(live_ks), place)
    except (Failure, Undecodable, Problem):
        return None
    if then.rendered.digest not in digests:  # of other variables, or of rules of its source
        return None
    owner = Owner(then.ks.metadata.name, then.ks.metadata.namespace)
    before, _ = await scoped(then.rendered, owner, discovery)
    return before.contents
