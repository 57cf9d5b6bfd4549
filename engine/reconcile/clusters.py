"""The clusters that Kustomizations are for: the engine's own, and those that a kubeConfig names.

A Cluster is what one set of credentials sees and does; which Kustomization wants which object (the
claims) is shared by all whose credentials lead to the same cluster.
"""

import hashlib
import ssl
from dataclasses import dataclass, replace
from random import Random

import anyio
import orjson

from engine.api.duration import format_duration
from engine.cluster import Client, Forbidden, Resource
from engine.cluster.breaker import Outage
from engine.cluster.census import Census
from engine.cluster.endpoint import Endpoint
from engine.cluster.live import Live
from engine.cluster.pool import Link, Pool
from engine.objects.ref import Object, Ref
from engine.plan.claims import Claims
from engine.plan.partition import Partitions
from engine.reconcile.drift import Drift
from engine.reconcile.kubeconfigs import Kubeconfigs
from engine.reconcile.triggers import Triggers
from engine.runtime import Clock
from engine.settings import Settings
from engine.telemetry import logger

_NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
_IDENTITY = "kube-system"  # its uid tells one cluster from another (design section 5)
_SPREAD, _LONGEST_SPREAD = 0.05, 30.0  # seconds for each Kustomization that a return wakes, and all

Place = tuple[str, str]
"""Uid of a cluster, and what shows that it is that cluster and not one that only says so."""


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """What one set of credentials sees and does in one cluster.

    name: what metrics call it, "" for the engine's own.   client: the credentials' own identity.
    link: its connection, None for the engine's own.   place: which one it is, None: its own.
    """

    name: str
    client: Client
    live: Live
    census: Census
    claims: Claims
    drift: Drift
    link: Link | None = None
    place: "Place | None" = None

    @property
    def outage(self) -> Outage | None:
        """Since when it gives no answer, None while it does."""
        return self.link.breaker.outage if self.link is not None else None


@dataclass(frozen=True, slots=True)
class Parts:
    """What every Cluster is made with."""

    triggers: Triggers
    settings: Settings
    clock: Clock
    random: Random


class Clusters:
    """The Cluster of each Kustomization.  `serve` keeps what is shown of the remote ones."""

    def __init__(self, client: Client, pool: Pool, parts: Parts) -> None:
        """client: the engine's own."""
        self._parts, self.pool = parts, pool
        self._of: dict[Ref, Cluster] = {}  # {Kustomization: of its last run}
        self._remote: dict[Link, Cluster] = {}
        self._places: dict[str, tuple[Claims, set[Ref]]] = {}  # {kubeConfig: where, who names it}
        self._named: dict[Ref, str] = {}  # {Kustomization: its kubeConfig}
        self._claims: dict[Place, Claims] = {}
        self.partitions = Partitions()
        self.kubeconfigs = Kubeconfigs(parts.clock, parts.random)
        self.own = self._made("", client, Claims(), None)
        pool.told, pool.closed = self._told, self._closed
        self.kubeconfigs.mended = self._mended

    async def serve(self) -> None:
        """Keeps connections to other clusters, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.kubeconfigs.serve)
            tasks.start_soon(self.pool.serve)

    def of(self, owner: Ref) -> Cluster:
        """The cluster of the Kustomization's last run; our own before the first."""
        return self._of.get(owner, self.own)

    def claims_of(self, owner: Ref) -> Claims:
        """What all Kustomizations want in the cluster of this one."""
        return self.of(owner).claims

    def are_apart(self, one: Object, other: Object) -> bool | None:
        """Whether two Kustomizations are for different clusters; None: that is not known."""
        places = self._place(one), self._place(other)
        return None if None in places else places[0] is not places[1]

    def is_placed(self, ks: Object) -> bool:
        """Whether it is known for which cluster the Kustomization is."""
        return self._place(ks) is not None

    async def mark_of(self, cluster: Cluster) -> str:
        """What tells the cluster from others, to the next engine too: 16 hex digits.

        Raises ApiError.
        """
        place = cluster.place or await identity_of(self.own.client)
        return hashlib.sha256("\n".join(place).encode()).hexdigest()[:16]

    def is_ours(self, ks: Object) -> bool:
        """Whether the Kustomization is for the engine's own cluster, as far as is known."""
        return self._place(ks) is self.own.claims

    def _place(self, ks: Object) -> Claims | None:
        key = _place_key(ks)
        if not key:
            return self.own.claims
        return self._places[key][0] if key in self._places else None

    async def at(self, link: Link) -> Cluster:
        """The cluster at the other end.  Raises ApiError if it does not say which one it is."""
        if link not in self._remote:
            if not self._claims:
                self._claims[await identity_of(self.own.client)] = self.own.claims
            place = await identity_of(link.client)
            if link not in self._remote:  # nobody else has asked meanwhile
                claims = self._claims.setdefault(place, Claims())
                made = replace(self._made(link.name, link.client, claims, link), place=place)
                self._remote[link] = made
                try:
                    await link.tasks.start(made.live.serve)
                except BaseException:  # what never sees anything is not to be found by the next one
                    self._remote.pop(link, None)
                    raise
        return self._remote[link]

    def enter(self, ks: Object, cluster: Cluster) -> Cluster | None:
        """The Kustomization is run for that cluster from here on.

        Gives the one for which it was run before, if that was another cluster.
        """
        owner, key = Ref.of(ks), _place_key(ks)
        before, self._of[owner] = self._of.get(owner), cluster
        if before is not None and before is not cluster:
            self._leave(owner, before)
        if self._named.get(owner, "") != key:
            self._forget_place(owner)
        if cluster.link is None:
            self.pool.use(owner, None)
        else:
            self._note_place(owner, key, cluster)
        if before is None or before.claims is cluster.claims:
            return None
        before.claims.release(owner)
        return before

    def _note_place(self, owner: Ref, key: str, cluster: Cluster) -> None:
        self._named[owner] = key
        _, owners = self._places.get(key, (None, set[Ref]()))
        owners.add(owner)
        self._places[key] = cluster.claims, owners

    def forget(self, owner: Ref) -> None:
        """The Kustomization is gone."""
        for cluster in {self.own, self.of(owner)}:
            self._leave(owner, cluster)
            cluster.claims.release(owner)
        self._forget_place(owner)
        self._of.pop(owner, None)
        self.pool.use(owner, None)
        self.partitions.end(owner)
        self._forget_claims()

    def release(self, owner: Ref) -> None:
        """The Kustomization wants nothing any more."""
        self.claims_of(owner).release(owner)

    def _leave(self, owner: Ref, cluster: Cluster) -> None:
        cluster.drift.release(owner)
        cluster.live.release(owner)

    def _forget_place(self, owner: Ref) -> None:
        key = self._named.pop(owner, "")
        if key:
            self._places[key][1].discard(owner)
            if not self._places[key][1]:
                del self._places[key]

    def _forget_claims(self) -> None:
        """Of clusters that are not connected any more, and where nobody wants anything."""
        used = {id(cluster.claims) for cluster in self.all}
        self._claims = {
            place: claims
            for place, claims in self._claims.items()
            if id(claims) in used or claims.owners()
        }

    def _made(self, name: str, client: Client, claims: Claims, link: Link | None) -> Cluster:
        parts, settings = self._parts, self._parts.settings
        clock, triggers = parts.clock, parts.triggers
        live = Live(client, clock, parts.random, settings.field_manager, settings.override_manager)
        drift = Drift(claims, live.get, triggers.drifted, clock)
        cluster = Cluster(name, client, live, Census(client, clock), claims, drift, link)
        drift.is_seen_here = lambda owner: self.of(owner).drift is drift
        live.told, drift.unwell = drift.told, triggers.unwell
        live.is_wanted = lambda ref: bool(claims.owners_of(ref))
        return cluster

    def _told(self, link: Link, is_silent: bool) -> None:
        outage = link.breaker.outage
        if is_silent and outage is not None:
            logger.warning("cluster '%s' cannot be reached: %s", link.name, outage.why)
            self.partitions.begin(link.users)
            return
        lasted = format_duration(round(link.breaker.lasted))
        logger.info("cluster '%s' answers again after %s", link.name, lasted)
        spread = min(_LONGEST_SPREAD, _SPREAD * len(link.users))
        for user in sorted(link.users):
            self._parts.triggers.reachable(user, self._parts.random.uniform(0.0, spread))

    def _mended(self, link: Link) -> None:
        """Its credentials or its address were changed while it gave no answer."""
        for user in sorted(link.users):
            self._parts.triggers.reachable(user, 0.0)

    def _closed(self, link: Link) -> None:
        self._remote.pop(link, None)
        self._forget_claims()
        self.kubeconfigs.closed(link)
        self.own.client.doubt(link.client.doubtful_until)

    @property
    def all(self) -> list[Cluster]:
        """Our own, and those that are connected."""
        return [self.own, *self._remote.values()]

    def __repr__(self) -> str:
        """How many, for logs and debuggers."""
        return f"<Clusters: {len(self._remote)} remote ones>"


async def identity_of(client: Client) -> Place:
    """Which cluster it is, as far as the credentials may see.

    A cluster could claim the uid of another one: it must also show the certificate of the same
    authority, or have the same address.  Who may not read the uid shares claims with its like.
    """
    place = _proof(client.endpoint)
    try:
        found = await client.get(_NAMESPACES, "", _IDENTITY)
    except Forbidden:
        found = None
    return str((found or {}).get("metadata", {}).get("uid", "")), place


def _proof(endpoint: Endpoint) -> str:
    """What an answer from there had to show.

    By the system's authorities anybody may prove a name of his own: `tls-server-name` behind a
    proxy makes it the proof of another one's address.
    """
    is_verified = endpoint.tls is not None and endpoint.tls.verify_mode is ssl.CERT_REQUIRED
    unproven = f"{endpoint.host} as {endpoint.server_name} {is_verified}"
    return endpoint.trust or unproven


def _place_key(ks: Object) -> str:
    """What names the cluster of a Kustomization, "" for the engine's own."""
    config = (ks.get("spec") or {}).get("kubeConfig")
    if not config:
        return ""
    text = orjson.dumps(config, option=orjson.OPT_SORT_KEYS).decode()
    return f"{ks['metadata'].get('namespace', '')}/{text}"
