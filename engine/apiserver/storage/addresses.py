"""Cluster addresses and node ports of Services: which are taken, and the next free one.

Source: kubernetes pkg/registry/core/service (ipallocator, portallocator).
"""

import ipaddress
from collections.abc import Iterator

from engine.apiserver.storage.store import Change, Store
from engine.objects.ref import Object

_NETWORK = ipaddress.IPv4Network("10.96.0.0/16")
_KEPT_FREE = 256  # at each end of the network, for addresses that people choose
_NODE_PORTS = range(30000, 32768)
_SERVICES = "services"


class Addresses:
    """Follows the Services of a store, so that a new one costs the same however many there are."""

    def __init__(self, store: Store) -> None:
        """Note what is taken already, and listen from now on."""
        self._taken: set[str | int] = set()  # addresses and ports
        for record in store.records(_SERVICES):
            self._taken.update(_of(record.obj))
        store.tell_all(self._follow)

    def free_address(self, uid: str) -> str:
        """An address for a Service; from its uid, so that a run with one seed gives the same.

        `None`, which is what a Service without address says, if all are taken.
        """
        size = _NETWORK.num_addresses - 2 * _KEPT_FREE
        start = int(uid.replace("-", "")[:8] or "0", 16) % size
        for step in range(size):
            address = str(_NETWORK[_KEPT_FREE + (start + step) % size])
            if address not in self._taken:
                return address
        return "None"

    def free_ports(self) -> Iterator[int]:
        """Node ports that no Service has, lowest first; taken once the Service is stored."""
        return (number for number in _NODE_PORTS if number not in self._taken)

    def _follow(self, change: Change) -> None:
        if change.record.key.resource != _SERVICES:
            return
        if change.previous is not None:
            self._taken.difference_update(_of(change.previous.obj))
        if change.type != "DELETED":
            self._taken.update(_of(change.record.obj))


def _of(service: Object) -> Iterator[str | int]:
    spec = service.get("spec") or {}
    if spec.get("clusterIP"):
        yield spec["clusterIP"]
    for port in spec.get("ports") or ():
        if port.get("nodePort"):
            yield port["nodePort"]
