"""Bytes to and from a Git server: over HTTP with authentication, TLS, redirects and limits.

Over ssh: `ssh.py`, behind the same protocol.

Never: sends credentials or a client certificate to another origin than the URL's, follows a
redirect from https to http, or reads more bytes than allowed.
"""

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Protocol

import aiohttp
from yarl import URL

from engine.source.addresses import ForbiddenAddress
from engine.source.connection import CONNECT_TIMEOUT, SOCKS_ERRORS, explained, not_through
from engine.source.credentials import ANONYMOUS, Credentials
from engine.source.failures import GitError, URLInvalid
from engine.source.guard import Guard
from engine.source.http_status import REDIRECTS, check_file, check_status, redirected, shown_url
from engine.source.proxies import STRAIGHT, Proxy, Routes, socks_connector
from engine.source.tls import tls_context
from engine.telemetry import carried

_MOST_REDIRECTS = 5
_CHUNK = 64 * 1024
_USER_AGENT = "git/lockstep"  # some hosts answer Git's protocol only to agents named git/


_ERRORS = (aiohttp.ClientError, OSError, *SOCKS_ERRORS)


class Transport(Protocol):
    """One repository on a server, for the length of one fetch; to be closed."""

    async def advertisement(self, limit_bytes: int) -> bytes:
        """What the server says of itself.  Raises GitError, as the others."""
        ...

    async def ask(self, body: bytes, version: int, limit_bytes: int) -> bytes:
        """The whole answer to a request of `git-upload-pack`; version: of the protocol."""
        ...

    def stream(self, body: bytes, version: int, limit_bytes: int) -> AsyncGenerator[bytes, None]:
        """The answer, as it arrives; too long a one is an error."""
        ...

    async def aclose(self) -> None:
        """Give back what was opened for it alone."""
        ...


def open_session(connector: aiohttp.BaseConnector | None = None) -> aiohttp.ClientSession:
    """A session to share among all sources: no cookies, no environment, no timeout of its own."""
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
        trust_env=False,
        requote_redirect_url=False,
    )


def parse_url(text: str) -> URL:
    """The URL of a repository.  Raises GitError (URLInvalid) if it is none we can fetch from."""
    try:
        url = URL(text)
    except ValueError as error:
        raise GitError(f"invalid URL: {error}", URLInvalid) from error
    if url.scheme not in {"http", "https", "ssh"} or not url.host:
        raise GitError(
            f"scheme {url.scheme!r} cannot be fetched: use https://, http:// or ssh://", URLInvalid
        )
    return url


def parse_web_url(text: str) -> URL:
    """As `parse_url`, for what is asked for without a Secret: ssh needs a key."""
    url = parse_url(text)
    if url.scheme == "ssh":
        raise GitError(
            "ssh:// needs a key and known hosts, and there is no Secret for it: use the https:// "
            "URL of the repository",
            URLInvalid,
        )
    return url


def without_secrets(text: str, credentials: Credentials = ANONYMOUS) -> str:
    """`text` with the user part of URLs (of ssh only a password) and the secrets masked."""
    words = text.split("://")
    for number, word in enumerate(words[1:], start=1):
        host, slash, rest = word.partition("/")
        login, at, host = host.rpartition("@")
        if at and words[number - 1].endswith("ssh"):
            user, colon, _ = login.partition(":")
            words[number] = f"{user}:***@{host}{slash}{rest}" if colon else word
        elif at:
            words[number] = f"***@{host}{slash}{rest}"
    masked = "://".join(words)
    for secret in credentials.secrets:
        masked = masked.replace(secret, "***")
    return masked


def secrets_in(url: str) -> tuple[str, ...]:
    """The secrets in the user part and the query of a URL; none in what is no URL."""
    try:
        parsed = URL(url)
        login = _login_of(parsed)
        if parsed.scheme == "ssh":  # its user is no secret, and mostly `git`
            return (login.password,) if login.password else ()
        return (*login.secrets, *parsed.query.values())
    except ValueError:
        return ()


def _login_of(url: URL) -> Credentials:
    """What stands in the user part; yarl has decoded it."""
    return Credentials(url.user or "", url.password or "")


class GitHttp:
    """One repository on an HTTP server, for the length of one fetch; to be closed."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: URL,
        credentials: Credentials,
        routes: Routes = STRAIGHT,
        guard: Guard | None = None,
    ) -> None:
        """url: with the user part that may stand in it, used if `credentials` name nobody.

        session: may lead anywhere.   guard: what else is used where that is not wanted.
        """
        self._session = session
        self._origin = url.origin()
        self._base = URL(str(url.with_user(None)).rstrip("/"))
        self._routes = routes
        self._guard = guard
        self._through: dict[Proxy, aiohttp.ClientSession] = {}
        """SOCKS proxies; a connection through one is nobody else's."""
        self._credentials = credentials
        self._authorization = _authorization(url, credentials)

    async def file(self, url: URL, limit_bytes: int) -> bytes:
        """The content of a file on the server; URL: with its query.  Raises GitError."""
        headers = {"User-Agent": "lockstep"}  # to one named git/ some hosts show no files
        plain = url.with_user(None)
        async with self._request("GET", plain, headers, None, check_file) as response:
            return await _read(response, limit_bytes)

    async def advertisement(self, limit_bytes: int) -> bytes:
        """The answer to the first question; later requests go where it was redirected to."""
        url = _below(self._base, "info/refs").with_query(service="git-upload-pack")
        headers = {"Git-Protocol": "version=2"}
        async with self._request("GET", url, headers, None) as response:
            body = await _read(response, limit_bytes)
            base = str(response.url.with_query(None))
        if base.endswith("/info/refs"):
            self._base = URL(base.removesuffix("/info/refs"))
        return body

    async def ask(self, body: bytes, version: int, limit_bytes: int) -> bytes:
        """The whole answer to a request of `git-upload-pack`."""
        async with aclosing(self.stream(body, version, limit_bytes)) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def stream(
        self, body: bytes, version: int, limit_bytes: int
    ) -> AsyncGenerator[bytes, None]:
        """The answer, as it arrives.  Raises GitError when it is longer than `limit_bytes`."""
        headers = {
            "Content-Type": "application/x-git-upload-pack-request",
            "Accept": "application/x-git-upload-pack-result",
        }
        if version == 2:
            headers["Git-Protocol"] = "version=2"
        url = _below(self._base, "git-upload-pack")
        async with self._request("POST", url, headers, body) as response:
            try:
                async for chunk in _chunks(response, limit_bytes):
                    yield chunk
            except _ERRORS as error:
                raise GitError(explained(error, url)) from error

    async def aclose(self) -> None:
        """Close what goes through SOCKS proxies."""
        while self._through:
            await self._through.popitem()[1].close()

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | None,
        check: Callable[[aiohttp.ClientResponse], None] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response with status 200, redirects followed (only for GET, as Git does).

        check: what raises GitError for all that is no success, of a Git server if it is not given.
        """
        for _ in range(_MOST_REDIRECTS + 1):
            proxy = self._routes.to(url)
            try:
                response = await self._send(method, url, headers, body, proxy)
            except ForbiddenAddress as error:
                raise GitError(str(error)) from error
            except (*_ERRORS, ValueError) as error:
                raise GitError(_unreachable(url, error, proxy)) from error
            async with response:
                if response.status in REDIRECTS and method == "GET":
                    url = redirected(url, response.headers.get("Location", ""))
                    continue
                (check or check_status)(response)
                yield response
                return
        raise GitError(f"more than {_MOST_REDIRECTS} redirects, the last one to '{shown_url(url)}'")

    async def _send(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | None,
        proxy: Proxy | None,
    ) -> aiohttp.ClientResponse:
        is_home = url.origin() == self._origin
        sent = {"User-Agent": _USER_AGENT, **headers, **carried()}
        if is_home and self._authorization:
            sent["Authorization"] = self._authorization
        who = self._credentials
        pair = (who.certificate, who.key) if is_home else (b"", b"")
        session, login = await self._session_to(url, proxy), proxy.login if proxy else {}
        if proxy and proxy.is_socks:
            proxy, login = None, {}
        if url.scheme == "http":  # no tunnel: the proxy reads the request itself
            sent |= login
        return await session.request(
            method,
            url,
            headers=sent,
            data=body,
            allow_redirects=False,
            ssl=tls_context(who.ca, *pair) if url.scheme == "https" else True,
            proxy=proxy.address if proxy else None,
            proxy_headers=login if proxy else None,
        )

    async def _session_to(self, url: URL, proxy: Proxy | None) -> aiohttp.ClientSession:
        """Raises ForbiddenAddress."""
        guard = self._guard
        if proxy is None or not proxy.is_socks:
            return guard.session_to(url, proxy, self._session) if guard else self._session
        host = await guard.host_of(proxy, url) if guard else proxy.url.host or ""
        if proxy not in self._through:
            self._through[proxy] = open_session(socks_connector(proxy, host))
        return self._through[proxy]


def _below(base: URL, path: str) -> URL:
    return URL(f"{str(base).rstrip('/')}/{path}", encoded=True)


def _authorization(url: URL, credentials: Credentials) -> str:
    """The value of the header Authorization; empty for anonymous requests."""
    if credentials.bearer_token:
        return f"Bearer {credentials.bearer_token}"
    login = credentials if credentials.username else _login_of(url)
    return _basic(login.username, login.password) if login.username else ""


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _unreachable(url: URL, error: Exception, proxy: Proxy | None) -> str:
    if proxy is not None and isinstance(error, (*SOCKS_ERRORS, aiohttp.ClientHttpProxyError)):
        return not_through(error, proxy.url, url)
    text = explained(error, url)
    if isinstance(error, aiohttp.ClientConnectorCertificateError) and "no known authority" in text:
        text += (
            ": put the CA that signed it in the key 'ca.crt' of the Secret named by spec.secretRef"
        )
    return text


async def _read(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    try:
        return b"".join([chunk async for chunk in _chunks(response, limit_bytes)])
    except _ERRORS as error:
        raise GitError(explained(error, response.url)) from error


async def _chunks(response: aiohttp.ClientResponse, limit_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        size += len(chunk)
        if size > limit_bytes:
            raise GitError(
                f"the server sent more than the {limit_bytes} bytes allowed: the repository is "
                "too large, or the limit too low"
            )
        yield chunk
