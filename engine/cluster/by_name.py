"""Objects of ours that no watch by label shows, as a policy strips it: each has a watch of its own.

Source: design section 3, rule 5.
"""

from collections.abc import Callable
from functools import partial

import anyio.abc

from engine.cluster.client import Client
from engine.cluster.following import Followed, Following, Wake, Wanted
from engine.cluster.resource import Resource
from engine.objects.ref import Object, Ref

MOST = 100  # half of what `Following` allows; of more, each whole run asks for each


class ByName:
    """Watches by Ref.  shown: hears of each change; gone: that the object is not there any more."""

    def __init__(
        self,
        following: Following,
        client: Client,
        shown: Callable[[Ref, Object], None],
        gone: Callable[[Ref], None],
    ) -> None:
        self._following, self._client = following, client
        self._shown, self._gone = shown, gone
        self._watches: dict[Ref, tuple[Followed, Wake] | None] = {}  # None: about to begin

    def __contains__(self, ref: Ref) -> bool:
        """Whether it is followed."""
        return ref in self._watches

    def __len__(self) -> int:
        """How many are followed."""
        return len(self._watches)

    def begin(self, ref: Ref, resource: Resource, tasks: anyio.abc.TaskGroup) -> bool:
        """Follows it from here on; False: it cannot be."""
        can_watch = not resource.verbs or "watch" in resource.verbs
        if ref not in self._watches and can_watch and len(self._watches) < MOST:
            self._watches[ref] = None
            tasks.start_soon(self._begin, ref, resource)
        return ref in self._watches

    async def _begin(self, ref: Ref, resource: Resource) -> None:
        wake = partial(self._woken, ref)
        keep = partial(self._keep, ref)
        wanted = Wanted(resource, ref.namespace, keep, name=ref.name)
        followed = await self._following.begin(wanted, self._client, wake)
        if followed is None:
            self._watches.pop(ref, None)
        elif ref in self._watches:
            self._watches[ref] = followed, wake
            self._woken(ref)  # it may have gone meanwhile
        else:
            self._following.end(followed, wake)

    def end(self, ref: Ref) -> None:
        """It needs no watch of its own any more."""
        known = self._watches.pop(ref, None)
        if known is not None:
            self._following.end(*known)

    def is_silent(self, ref: Ref, now: float) -> bool:
        """Whether what was seen of it is not to be relied on.  now: monotonic."""
        known = self._watches.get(ref)
        return known is not None and not known[0].is_fresh(now)

    def sweep(self, is_wanted: Callable[[Ref], bool]) -> None:
        """Ends the watches of objects that nobody wants."""
        for ref in [ref for ref in self._watches if not is_wanted(ref)]:
            self.end(ref)

    def _keep(self, ref: Ref, obj: Object) -> bool:
        self._shown(ref, obj)
        return True

    def _woken(self, ref: Ref) -> None:
        known = self._watches.get(ref)
        if known is not None and known[0].is_synced and ref.name not in known[0].objects:
            self._gone(ref)

    def __repr__(self) -> str:
        """How many, for logs and debuggers."""
        return f"<ByName: {len(self._watches)} objects>"
