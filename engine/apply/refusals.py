"""The lines about objects that the API server refused, with the lines of their fields in Git."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from engine.apply.executor import FindPlaces
from engine.apply.failures import placed, refused
from engine.apply.refused_fields import refused_fields
from engine.objects.ref import Ref
from engine.plan import Change
from engine.plan.policy import Policy, is_forced


class Origins(Protocol):
    """Who knows where objects come from: an Executor, an Oracle."""

    @property
    def origins(self) -> Mapping[Ref, str]:
        """`file:line` of each object."""

    @property
    def places(self) -> FindPlaces:
        """Finds that of fields."""


async def refusals(
    pairs: Iterable[tuple[Change, object]], verb: str, who: Origins, policy: Policy
) -> dict[Ref, str]:
    """A line for each object whose result is an exception, in their order.

    verb: as of `refused`.
    """
    failed = [(change, error) for change, error in pairs if isinstance(error, Exception)]
    fields = {
        change.ref: paths
        for change, error in failed
        if change.desired is not None and (paths := refused_fields(error, change.desired))
    }
    places = await who.places(fields) if fields else {}
    return {
        change.ref: refused(
            change.ref,
            error,
            verb,
            placed(who.origins.get(change.ref, ""), places.get(change.ref, {})),
            change.desired,
            forced=change.desired is not None and is_forced(change.desired, change.live, policy),
        )
        for change, error in failed
    }
