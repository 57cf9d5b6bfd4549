"""Proxies on the way to a Git host: which one leads there.

Source: flux-behaviour 8; fluxcd/pkg runtime/secrets (keys of `proxySecretRef`); Go's
net/http/httpproxy and x/net/proxy (variables of the environment).
"""

import base64
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from typing import Self
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined] # not in typeshed

from aiohttp_socks import ProxyConnector, ProxyType
from yarl import URL

from engine.source.connection import address_of
from engine.source.failures import AuthenticationFailed, GitError

_SCHEMES = ("http", "https", "socks5", "socks5h")
_SOCKS_PORT = 1080


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy on the way to a server; address: its URL: http, https, socks5 or socks5h.

    is_operators: the pod's environment names it, no tenant.  Hashable, and its login is never shown
    by `repr`.
    """

    address: str
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    is_operators: bool = False

    @classmethod
    def from_url(cls, address: str) -> Self:
        """The proxy at a URL, perhaps with a login in it.  Raises GitError if it is none."""
        try:
            url = URL(address)
            host, port = url.host, url.port
        except ValueError:
            host = port = None
        if not host or url.scheme not in _SCHEMES:
            raise GitError(
                "the proxy's address is none: it must read http://, https:// or socks5://, then "
                "host:port"
            )
        plain = URL.build(scheme=url.scheme, host=host, port=port or _SOCKS_PORT)
        return cls(str(plain), url.user or "", url.password or "").checked()

    @classmethod
    def from_secret(cls, data: Mapping[str, bytes], name: str) -> Self:
        """The proxy that a Secret names.  Raises AuthenticationFailed, never with a value.

        data: decoded.   name: `namespace/name`, for messages.
        """
        failed = f"failed to configure proxy options: secret '{name}': "
        if "address" not in data:
            raise AuthenticationFailed(f"{failed}key 'address' not found")
        try:
            address, username, password = (
                data.get(key, b"").decode() for key in ("address", "username", "password")
            )
            found = cls.from_url(address.strip())
            return cls(found.address, username, password).checked() if username else found
        except UnicodeDecodeError:
            raise AuthenticationFailed(f"{failed}a value is not UTF-8 text") from None
        except GitError as error:
            raise AuthenticationFailed(f"{failed}{error.problem}") from None

    def checked(self) -> Self:
        """Itself.  Raises GitError if it cannot be asked so."""
        longest = max(len(self.username.encode()), len(self.password.encode()))
        if self.is_socks and longest > 255:  # RFC 1929, 2
            raise GitError("a SOCKS proxy takes a username and a password of at most 255 bytes")
        return self

    @property
    def url(self) -> URL:
        """Where it listens; no login in it."""
        return URL(self.address)

    @property
    def url_with_login(self) -> str:
        """As others want it, in one."""
        return str(
            self.url.with_user(self.username).with_password(self.password or None)
            if self.username
            else self.url
        )

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS 5."""
        return self.address.startswith("socks")

    @property
    def login(self) -> dict[str, str]:
        """The header that an HTTP proxy asks for, {} if there is no login."""
        if not self.username:
            return {}
        pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {pair}"}

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that no message may hold, longest first."""
        texts = {self.password, *(value.partition(" ")[2] for value in self.login.values())} - {""}
        return tuple(sorted(texts, key=len, reverse=True))


@dataclass(frozen=True, slots=True)
class Routes:
    """By which proxy a URL is reached; chosen: the object's own, for every URL.

    environment: of the pod, asked where none is chosen.
    """

    chosen: Proxy | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    def to(self, url: URL) -> Proxy | None:
        """The proxy to ask for the URL, None for the straight way.  Raises GitError."""
        if self.chosen is not None:
            return self.chosen
        address = proxy_of(str(url.with_user(None)), self.environment)
        if not address:
            return None
        try:
            found = Proxy.from_url(address if "://" in address else f"http://{address}")
            return replace(found, is_operators=True)
        except GitError:
            raise GitError(
                f"the pod's environment names a proxy for '{address_of(url)}' that is none: "
                "HTTP_PROXY, HTTPS_PROXY and ALL_PROXY must read http://, https:// or socks5://, "
                "then host:port"
            ) from None


STRAIGHT = Routes()


def socks_connector(proxy: Proxy, host: str) -> ProxyConnector:
    """Connects by a SOCKS proxy, which looks up names itself; host: the proxy's name or address."""
    return ProxyConnector(
        host,
        proxy.url.port or 0,
        ProxyType.SOCKS5,
        proxy.username or None,
        proxy.password if proxy.username else None,
        rdns=True,
    )


def proxy_of(target: str, environment: Mapping[str, str]) -> str:
    """The URL of the proxy by which the environment has `target` (a URL) reached, "" for none.

    For ssh that is ALL_PROXY, for the web HTTP_PROXY or HTTPS_PROXY.
    """
    url = urlsplit(target)
    proxies = {
        name.lower().removesuffix("_proxy"): value
        for name, value in environment.items()
        if name.lower().endswith("_proxy") and value
    }
    host = url.hostname or ""
    if host in {"localhost", "127.0.0.1", "::1"} or _is_excepted(host, proxies):
        return ""
    return proxies.get("all" if url.scheme == "ssh" else url.scheme, "")


def _is_excepted(host: str, proxies: Mapping[str, str]) -> bool:
    """Whether NO_PROXY names the host, its domain, or (as Go understands it) its network."""
    if proxy_bypass_environment(host, proxies):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    for name in proxies.get("no", "").split(","):
        if "/" in name:
            with suppress(ValueError):  # no network, so it excepts nothing
                if address in ip_network(name.strip(), strict=False):
                    return True
    return False
