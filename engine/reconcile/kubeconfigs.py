"""Which Secrets and ConfigMaps lead to which cluster: read again only once they have changed.

Each is watched by name, and of its content nothing is kept but the connection that was made of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from engine.cluster import Client, Resource
from engine.cluster.following import Followed, Following, Wanted
from engine.cluster.pool import Link
from engine.objects.ref import Object, Ref
from engine.runtime import Clock

_RESOURCES = {
    "Secret": Resource("", "v1", "Secret", "secrets", namespaced=True),
    "ConfigMap": Resource("", "v1", "ConfigMap", "configmaps", namespaced=True),
}


@dataclass(eq=False, slots=True)
class _Known:
    """What was made of one Secret or ConfigMap.  links: by key, with the version that was read."""

    followed: Followed
    wake: Callable[[], None]
    links: dict[str, tuple[str, Link]] = field(default_factory=dict)


class Kubeconfigs:
    """Connections by what names them.  `serve` keeps the watches; until then all is read anew."""

    def __init__(self, clock: Clock, random: Random) -> None:
        """`mended` is told of each connection without answers whose credentials have changed."""
        self._clock = clock
        self._following = Following(clock, random)
        self._known: dict[Ref, _Known] = {}
        self.mended: Callable[[Link], None] = _nobody

    async def serve(self) -> None:
        """Watches, until cancelled."""
        try:
            await self._following.serve()
        finally:
            self._known.clear()

    async def version(self, named: Ref, client: Client) -> str:
        """The resourceVersion of a Secret or ConfigMap as its watch shows it, "" if none does.

        client: the engine's own.
        """
        known = self._known.get(named)
        if known is None:
            resource = _RESOURCES[named.kind]
            wanted = Wanted(resource, named.namespace, _version_of, name=named.name)

            def wake() -> None:
                self._changed(named)

            followed = await self._following.begin(wanted, client, wake)
            if followed is None:
                return ""
            if named in self._known:  # another run has asked for it meanwhile
                self._following.end(followed, wake)
            else:
                self._known[named] = _Known(followed, wake)
            known = self._known[named]
        return self._shown(named, known)

    def link(self, named: Ref, key: str, version: str) -> Link | None:
        """The connection that was made of that key in that version, while it is open."""
        known = self._known.get(named)
        found = known.links.get(key) if known is not None and version else None
        return found[1] if found and found[0] == version and not found[1].is_closed else None

    def keep(self, named: Ref, key: str, version: str, link: Link) -> None:
        """That connection was made; version: as was shown before it was read."""
        if named in self._known:
            self._known[named].links[key] = version, link

    def closed(self, link: Link) -> None:
        """A connection is no more; what nothing is made of any more is not watched."""
        for named, known in list(self._known.items()):
            known.links = {key: each for key, each in known.links.items() if each[1] is not link}
            self.unmade(named)

    def unmade(self, named: Ref) -> None:
        """Nothing could be made of it: it is not watched, unless something was before."""
        known = self._known.get(named)
        if known is not None and not known.links:
            self._following.end(known.followed, known.wake)
            del self._known[named]

    def _shown(self, named: Ref, known: _Known) -> str:
        is_fresh = known.followed.is_fresh(self._clock.monotonic())
        return str(known.followed.objects.get(named.name, "")) if is_fresh else ""

    def _changed(self, named: Ref) -> None:
        known = self._known.get(named)
        if known is None:
            return
        now = self._shown(named, known)
        for version, link in known.links.values():
            if now and version != now and link.breaker.outage is not None:
                self.mended(link)

    def __repr__(self) -> str:
        """How many, for logs and debuggers."""
        return f"<Kubeconfigs: {len(self._known)} are watched>"


def _version_of(obj: Object) -> str:
    return str(obj["metadata"].get("resourceVersion", ""))


def _nobody(_link: Link) -> None:
    """Nobody listens yet."""
