"""The Alerts and Providers that there are, as the API server last told."""

from collections import defaultdict
from dataclasses import dataclass

import anyio

from engine.api.decode import Undecodable, decode
from engine.api.notification import Alert, Provider
from engine.dispatch.complaints import INVALID_CONFIG, Complaints
from engine.notice.subscription import Subscription
from engine.objects.ref import Object, Ref

KINDS = ("Alert", "Provider")


@dataclass(frozen=True, slots=True)
class Service:
    """A Provider; obj: the same as the API server has it."""

    obj: Object
    provider: Provider


class Directory:
    """Who wants to hear what, and where that is to be told."""

    def __init__(self, complaints: Complaints) -> None:
        self._complaints = complaints
        self._alerts: dict[Ref, Subscription] = {}
        self._providers: dict[Ref, Service] = {}
        self._watchers: defaultdict[tuple[str, str], dict[Ref, Subscription]] = defaultdict(dict)
        self._left = set(KINDS)
        self.complete = anyio.Event()
        """Set once all of both kinds were told."""
        self.settled = anyio.Event()
        """Set then, too, and when it shows that they may not or cannot be watched."""

    def told(self, obj: Object) -> None:
        """An Alert or Provider was created, or changed."""
        ref = Ref.of(obj)
        self.gone(ref)
        try:
            if ref.kind == "Provider":
                self._providers[ref] = Service(obj, decode(Provider, obj))
                return
            found = Subscription.of(obj, decode(Alert, obj))
        except Undecodable as error:
            self._complaints.add(
                obj, INVALID_CONFIG, f"{error}: it is not used until that is put right"
            )
            return
        self._alerts[ref] = found
        for place in found.places:
            self._watchers[place][ref] = found
        for problem in found.problems:
            self._complaints.add(obj, INVALID_CONFIG, problem)

    def gone(self, ref: Ref) -> None:
        """It is deleted."""
        self._providers.pop(ref, None)
        found = self._alerts.pop(ref, None)
        for place in found.places if found is not None else ():
            self._watchers[place].pop(ref, None)
            if not self._watchers[place]:
                del self._watchers[place]

    def synced(self, kind: str) -> None:
        """All of a kind were told."""
        self._left.discard(kind)
        if not self._left:
            self.complete.set()
            self.settled.set()

    def unwatchable(self) -> None:
        """One of the kinds is not served, or may not be watched: events need not wait for it."""
        self.settled.set()

    def watchers(self, kind: str, namespace: str) -> list[Subscription]:
        """Who watches some objects of a kind in a namespace."""
        return list(self._watchers.get((kind, namespace), {}).values())

    def alert(self, ref: Ref) -> Subscription | None:
        """The Alert, None if there is none that can be read."""
        return self._alerts.get(ref)

    def provider(self, ref: Ref) -> Service | None:
        """The Provider, None if there is none that can be read."""
        return self._providers.get(ref)

    def __repr__(self) -> str:
        return f"Directory(alerts={len(self._alerts)}, providers={len(self._providers)})"
