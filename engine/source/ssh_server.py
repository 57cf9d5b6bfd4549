"""Whom to log in to over ssh, and how; without the library that does it, which weighs 13 MB."""

from dataclasses import dataclass, field
from typing import Final

from yarl import URL

from engine.source.addresses import Guarded
from engine.source.credentials import Credentials
from engine.source.proxies import Proxy

SSH_PORT: Final = 22


@dataclass(frozen=True, slots=True)
class Algorithms:
    """What may be used; empty: what the library prefers.

    kex: of key exchange.   host_keys: of the server's key.
    """

    kex: tuple[str, ...] = ()
    host_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SshServer:
    """Where to log in, and as whom; equal for those who may share a connection.

    names: judges where the host and the proxy lead, None: they may lead anywhere.
    """

    host: str
    port: int
    user: str
    credentials: Credentials = field(repr=False)
    proxy: Proxy | None = None
    names: Guarded | None = field(default=None, repr=False, compare=False)

    @property
    def url(self) -> URL:
        """Its address, without a path."""
        return URL.build(scheme="ssh", host=self.host, port=self.port)
