"""One writer: holds Kubernetes Leases as client-go's leader election does, so that both agree.

Source: client-go tools/leaderelection (leaderelection.go, resourcelock/leaselock.go).  A Lease
places work but fences nothing: see `Leases.fence` and design section 6.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

import anyio

from engine.cluster.client import Client
from engine.cluster.errors import AlreadyExists, ApiError, Conflict, LeaseLost, NotFound
from engine.cluster.resource import Resource
from engine.cluster.terms import JITTER, Terms
from engine.objects.ref import Object
from engine.runtime.clock import Clock
from engine.runtime.priority import Priority

LEASES = Resource("coordination.k8s.io", "v1", "Lease", "leases", namespaced=True)

log = logging.getLogger("lockstep.lease")


def lease_name(controller: str, label_selector: str = "") -> str:
    """The name of a Flux controller's Lease; shards, told apart by selector, elect separately.

    Source: fluxcd/pkg runtime/leaderelection.
    """
    name = f"{controller}-leader-election"
    if not label_selector:
        return name
    return f"{name}-{hashlib.sha256(label_selector.encode()).hexdigest()[:8]}"


@dataclass(slots=True)
class Lease:
    """One Lease as seen from here, by the local monotonic clock only."""

    name: str
    identity: str
    record: Object | None = None  #: the object as last read or written
    observed_at: float = float("-inf")  #: when its holder or renewal last changed
    renewed_at: float = float("-inf")  #: when our last successful renewal began
    ready_at: float = float("-inf")  #: nothing of a former holder is under way after this

    @property
    def spec(self) -> Object:
        """Of the record; empty before it is known."""
        return (self.record or {}).get("spec") or {}

    @property
    def holder(self) -> str:
        """Who holds it, as the record says; empty if it was released."""
        return str(self.spec.get("holderIdentity") or "")

    def observe(self, record: Object | None, now: float) -> None:
        """Take note of what the API server holds."""
        known = self.spec
        self.record = record
        fields = ("holderIdentity", "renewTime", "acquireTime", "leaseTransitions")
        if any(known.get(field) != self.spec.get(field) for field in fields):
            self.observed_at = now

    def is_free(self, now: float, terms: Terms) -> bool:
        """Whether it may be taken: never held, released, ours, or not renewed for its duration."""
        duration = float(self.spec.get("leaseDurationSeconds") or terms.duration)
        return self.holder in ("", self.identity) or now >= self.observed_at + duration

    def next_spec(self, wall: float, terms: Terms) -> dict[str, Any]:
        """What to write in order to acquire or renew it.  wall: seconds since 1970."""
        instant = micro_time(wall)
        spec = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": int(terms.duration),
            "acquireTime": instant,
            "renewTime": instant,
            "leaseTransitions": 0,
        }
        if self.record is not None:
            transitions = int(self.spec.get("leaseTransitions") or 0)
            ours = self.holder == self.identity
            spec["leaseTransitions"] = transitions if ours else transitions + 1
            if ours:
                spec["acquireTime"] = self.spec.get("acquireTime") or instant
        return spec

    def taken(self, record: Object, began: float, terms: Terms) -> None:
        """Our write succeeded; `began` is when it was sent."""
        former = self.holder
        if former not in ("", self.identity):
            # Not released: writes of the former holder may be under way for one more timeout.
            # Its Lease ran out at the earliest when we could take it, so count from there.
            self.ready_at = began + terms.request_timeout
        self.record = record
        self.observed_at = self.renewed_at = began

    def holds(self, now: float, terms: Terms) -> bool:
        """Whether a write that begins now ends while nobody else can hold it."""
        until = self.renewed_at + terms.duration - terms.margin
        return self.holder == self.identity and self.ready_at <= now < until

    def is_lost(self, now: float, terms: Terms) -> bool:
        """Whether others hold it or it was not renewed in time."""
        return self.holder != self.identity or now >= self.renewed_at + terms.renew_deadline


def micro_time(wall: float) -> str:
    """Kubernetes' MicroTime of seconds since 1970."""
    instant = datetime.fromtimestamp(wall, UTC)
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Leases:
    """A group of Leases of which all must be held; taken one after another, in a fixed order.

    The order keeps two engines from each holding what the other waits for.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        names: Sequence[str],
        identity: str,
        clock: Clock,
        *,
        terms: Terms | None = None,
    ) -> None:
        """identity: unique to this process; client-go's are `<host name>_<uuid>`."""
        self._client = client.at(Priority.LEASE).fenced(None)
        self._namespace = namespace
        self._leases = [Lease(name, identity) for name in sorted(names)]
        self._clock = clock
        self._terms = terms or Terms(request_timeout=client.endpoint.request_timeout)
        self._changed = anyio.Event()

    async def keep(self, random: Random, waiting: Callable[[str, str], None] | None = None) -> None:
        """Acquire and renew until cancelled, then release (if the terms say so).

        waiting: told (name, holder) whenever another holder is what we wait for.
        Cancel it only after the last write has ended.
        """
        told, was_held = "", False
        try:
            while True:
                began = self._clock.monotonic()
                blocker = await self._round()
                holder = blocker.holder if blocker is not None else ""
                if blocker is not None and waiting is not None and holder != told:
                    waiting(blocker.name, holder)
                told = holder
                held = self.are_held(self._clock.monotonic())
                if held != was_held:
                    log.info("leases in %s: %s", self._namespace, "held" if held else "not held")
                    self._announce()
                was_held = held
                await self._clock.sleep(self._pause(began, blocker is not None, random))
        finally:
            if self._terms.release_on_cancel:
                with anyio.move_on_after(self._terms.retry_period, shield=True):
                    await self._release()

    def _pause(self, began: float, blocked: bool, random: Random) -> float:
        """Seconds until the next round; shorter where the wait after a takeover ends sooner.

        began: when the last one did; a Lease not renewed since is tried again sooner.
        """
        period = self._terms.retry_period
        if blocked:
            return period * random.uniform(1.0, 1.0 + JITTER)
        if all(lease.renewed_at >= began for lease in self._leases):
            period = self._terms.renewal
        else:  # a try without an answer has taken its time already
            period = max(period - (self._clock.monotonic() - began), 0.0)
        left = max(lease.ready_at for lease in self._leases) - self._clock.monotonic()
        return min(period, left) if left > 0 else period

    async def _round(self) -> Lease | None:
        """Try each Lease once, up to the first that another holds: that one is the answer.

        Those behind it are only looked at.
        """
        blocker: Lease | None = None
        for lease in self._leases:
            try:
                with anyio.fail_after(self._terms.retry_period):
                    if blocker is None:
                        free = await self._try(lease)
                    else:  # so that one wait, not one a Lease, tells that its holder is dead
                        await self._look(lease)
                        continue
            except (ApiError, TimeoutError) as error:
                why = str(error) or f"no answer within {self._terms.retry_period:g} s"
                if isinstance(error, NotFound):
                    why += "; create it, or run with --install-crds"
                log.warning("lease %s/%s: %s", self._namespace, lease.name, why)
                free = lease.holder == lease.identity
            if not free and blocker is None:
                blocker = lease
        return blocker

    async def _look(self, lease: Lease) -> None:
        record = await self._client.get(LEASES, self._namespace, lease.name)
        lease.observe(record, self._clock.monotonic())

    async def _try(self, lease: Lease) -> bool:
        """Acquire or renew one Lease if it is free; whether it is ours now."""
        client, terms = self._client, self._terms
        if lease.holder != lease.identity:
            await self._look(lease)
        began = self._clock.monotonic()
        if not lease.is_free(began, terms):
            return False
        spec = lease.next_spec(self._clock.wall(), terms)
        metadata = {"name": lease.name, "namespace": self._namespace}
        try:
            if lease.record is None:
                header = {"apiVersion": LEASES.api_version, "kind": "Lease"}
                obj = {**header, "metadata": metadata, "spec": spec}
                record = await client.create(LEASES, obj)
            else:
                version = lease.record["metadata"]["resourceVersion"]
                patch = {"metadata": {"resourceVersion": version}, "spec": spec}
                record = await client.merge_patch(LEASES, self._namespace, lease.name, patch)
        except (Conflict, AlreadyExists):  # somebody wrote meanwhile: look again
            await self._look(lease)
            return lease.holder == lease.identity
        except NotFound:
            if lease.record is None:  # there is no such namespace
                raise
            lease.observe(None, began)  # somebody deleted it: take it as if it had never been
            return await self._try(lease)
        lease.taken(record, began, terms)
        return True

    async def _release(self) -> None:
        """Give back what we hold, as client-go does: no holder, one second left.

        Unless a write was given up: it may still be acted on, while the next holder works already.
        """
        if self._client.doubtful_until > self._clock.monotonic():
            log.warning("leases in %s not released: a write had no answer", self._namespace)
            return
        for lease in self._leases:
            try:
                try:
                    await self._give_back(lease)
                except Conflict:  # a renewal that was cut short has been acted on all the same
                    await self._look(lease)
                    await self._give_back(lease)
            except ApiError as error:
                log.warning("lease %s/%s not released: %s", self._namespace, lease.name, error)

    async def _give_back(self, lease: Lease) -> None:
        """Release one Lease if the record says that it is ours."""
        if lease.holder != lease.identity or lease.record is None:
            return
        instant = micro_time(self._clock.wall())
        spec = {
            "holderIdentity": None,
            "leaseDurationSeconds": 1,
            "acquireTime": instant,
            "renewTime": instant,
        }
        version = lease.record["metadata"]["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version}, "spec": spec}
        lease.renewed_at = float("-inf")
        await self._client.merge_patch(LEASES, self._namespace, lease.name, patch)

    def are_held(self, now: float) -> bool:
        """Whether a write may begin at the monotonic instant `now`."""
        return all(lease.holds(now, self._terms) for lease in self._leases)

    def statistics(self) -> dict[str, bool]:
        """Which of them are held at this moment, by name."""
        now = self._clock.monotonic()
        return {lease.name: lease.holds(now, self._terms) for lease in self._leases}

    def fence(self) -> None:
        """For `Client.fenced`.  Raises LeaseLost if a write must not begin now."""
        now = self._clock.monotonic()
        for lease in self._leases:
            if not lease.holds(now, self._terms):
                holder = f"held by {lease.holder!r}" if lease.holder else "not held"
                if lease.holder == lease.identity:
                    holder = "not renewed in time"
                raise LeaseLost(
                    f"lease {self._namespace}/{lease.name} is {holder}: nothing written"
                )

    async def wait_held(self) -> None:
        """Return once all are held."""
        while not self.are_held(self._clock.monotonic()):
            await self._changed.wait()

    async def wait_lost(self) -> None:
        """Return once one of them is held by another or was not renewed by its deadline."""
        while True:
            now = self._clock.monotonic()
            if any(lease.is_lost(now, self._terms) for lease in self._leases):
                return
            until = min(lease.renewed_at for lease in self._leases) + self._terms.renew_deadline
            await self._clock.wait(self._changed, until)

    def _announce(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def __repr__(self) -> str:
        """Names and holders."""
        return f"<Leases {', '.join(f'{x.name}: {x.holder or None}' for x in self._leases)}>"
