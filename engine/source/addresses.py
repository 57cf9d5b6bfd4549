"""Keeps requests whose host a tenant named away from this machine and its link.

A name is judged by what it resolves to, right when it is connected to: a name that resolves to
something else the second time gains nothing.
"""

import ipaddress
from collections.abc import Callable, Collection
from socket import AddressFamily

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from engine.settings import Settings

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Cloud metadata that is not link-local: of AWS over IPv6, of Azure and of Alibaba.
_METADATA = tuple(
    map(ipaddress.ip_network, ("fd00:ec2::/32", "168.63.129.16/32", "100.100.100.200/32"))
)


class ForbiddenAddress(Exception):  # noqa: N818 - says what is wrong, like a Failure
    """A host that a tenant named is this machine, or something that only its link reaches."""


def is_forbidden(address: str) -> bool:
    """Whether an IP address is loopback, link-local (cloud metadata), unspecified or multicast.

    Private networks are not: a Vault in the cluster is the rule.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        embedded = parsed.ipv4_mapped or parsed.sixtofour
        if parsed in _NAT64:
            embedded = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if embedded is not None:
            return is_forbidden(str(embedded))
    return (
        parsed.is_loopback
        or parsed.is_link_local
        or parsed.is_unspecified
        or parsed.is_multicast
        or any(parsed in network for network in _METADATA if network.version == parsed.version)
    )


class Guarded(AbstractResolver):
    """Resolves names, and refuses those that lead where a tenant may not."""

    def __init__(
        self,
        resolver: Callable[[], AbstractResolver],
        forbidden: Callable[[str], bool] = is_forbidden,
        *,
        allowed: Collection[str] = (),
        refused: Collection[str] = (),
    ) -> None:
        """forbidden: whether no tenant may name an address.

        allowed: `host` or `host:port` that may be named all the same.   refused: `host:port` that
        may not, either.
        """
        self._resolver = resolver()
        self._forbidden = forbidden
        self._allowed = frozenset(map(str.lower, allowed))
        self._refused = frozenset(refused)

    def check(self, host: str, port: int | None = None) -> None:
        """Raises ForbiddenAddress if the host is such an address; a name is judged by `resolve`."""
        self._judge(host, host, port)

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of the host.  Raises ForbiddenAddress if one of them is forbidden."""
        found = await self._resolver.resolve(host, port, family)
        for each in found:
            self._judge(host, each["host"], port)
        return found

    async def close(self) -> None:
        """Close what it asks."""
        await self._resolver.close()

    def _judge(self, host: str, address: str, port: int | None) -> None:
        if {_place(host), _place(host, port)} & self._allowed:
            return
        if self._forbidden(address):
            raise ForbiddenAddress(_told(host, address, "loopback, link-local or multicast"))
        if {_place(host, port), _place(address, port)} & self._refused:
            raise ForbiddenAddress(_told(host, address, "the API server"))


def guarded_by(settings: Settings, api_server: str = "") -> Guarded | None:
    """What keeps tenants from local addresses, None if they may name them.

    api_server: the URL of one that must not be named, either.
    """
    if not settings.no_local_addresses:
        return None
    server = URL(api_server)
    refused = [_place(server.host, server.port)] if server.host else []
    return Guarded(ThreadedResolver, allowed=settings.allowed_local_addresses, refused=refused)


def _place(host: str, port: int | None = None) -> str:
    """`host:port`, or the host alone, the same however it is written."""
    name = host.lower().rstrip(".")
    name = f"[{name}]" if ":" in name else name
    return f"{name}:{port}" if port else name


def _told(host: str, address: str, what: str) -> str:
    name = host if host == address else f"{host} ({address})"
    return (
        f"'{name}' is {what}: a tenant's object, file or Secret may not lead there; name the "
        "service by an address that other machines reach, too"
    )
