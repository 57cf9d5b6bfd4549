"""The way to what a tenant names for Git, where he may not name this machine and its link."""

from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from engine.source.addresses import Guarded
from engine.source.proxies import Proxy


@dataclass(frozen=True, slots=True)
class Guard:
    """Judges repositories, redirects, bases and proxies; session: connects by what `names` says."""

    session: aiohttp.ClientSession = field(repr=False)
    names: Guarded = field(repr=False)

    def session_to(
        self, url: URL, proxy: Proxy | None, unguarded: aiohttp.ClientSession
    ) -> aiohttp.ClientSession:
        """By which session a URL is asked for.  Raises ForbiddenAddress.

        proxy: no SOCKS proxy.   unguarded: by which the operator's proxy is reached; what the
        names behind a proxy are is the proxy's own business.
        """
        self.names.check(url.host or "", url.port)
        if proxy is None:
            return self.session
        if proxy.is_operators:
            return unguarded
        self.names.check(proxy.url.host or "", proxy.url.port)
        return self.session

    async def host_of(self, proxy: Proxy, url: URL) -> str:
        """Where the SOCKS proxy is that leads to a URL: an address if a tenant named it.

        Raises ForbiddenAddress.
        """
        self.names.check(url.host or "", url.port)
        host = proxy.url.host or ""
        if proxy.is_operators:
            return host
        return (await self.names.resolve(host, proxy.url.port or 0))[0]["host"]
