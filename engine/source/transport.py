"""Bytes to and from a Git server over HTTP: authentication, TLS, redirects and limits.

Never: sends credentials or a client certificate to another origin than the URL's, follows a
redirect from https to http, or reads more bytes than allowed.
"""

import base64
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from engine.source.connection import CONNECT_TIMEOUT, explained
from engine.source.credentials import ANONYMOUS, Credentials
from engine.source.failures import AuthenticationFailed, FileError, GitError, URLInvalid
from engine.source.tls import tls_context
from engine.telemetry import carried

_REDIRECTS = {301, 302, 303, 307, 308}
_MOST_REDIRECTS = 5
_CHUNK = 64 * 1024
_USER_AGENT = "git/lockstep"  # some hosts answer Git's protocol only to agents named git/


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy on the way to the server."""

    address: str
    username: str = ""
    password: str = ""


def open_session() -> aiohttp.ClientSession:
    """A session to share among all sources: no cookies, no environment, no timeout of its own."""
    return aiohttp.ClientSession(
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
    if url.scheme == "ssh":
        raise GitError(
            "ssh:// is not supported yet: use the https:// URL of the repository", URLInvalid
        )
    if url.scheme not in {"http", "https"} or not url.host:
        raise GitError(
            f"scheme {url.scheme!r} cannot be fetched: use https://, http:// or ssh://", URLInvalid
        )
    return url


def without_secrets(text: str, credentials: Credentials = ANONYMOUS) -> str:
    """`text` with the user part of URLs and the secrets of `credentials` masked."""
    words = text.split("://")
    for number, word in enumerate(words[1:], start=1):
        host, slash, rest = word.partition("/")
        if "@" in host:
            words[number] = "***@" + host.rpartition("@")[2] + slash + rest
    masked = "://".join(words)
    for secret in credentials.secrets:
        masked = masked.replace(secret, "***")
    return masked


def secrets_in(url: str) -> tuple[str, ...]:
    """The secrets in the user part and the query of a URL; none in what is no URL."""
    try:
        parsed = URL(url)
        return (*_login_of(parsed).secrets, *parsed.query.values())
    except ValueError:
        return ()


def _login_of(url: URL) -> Credentials:
    """What stands in the user part; yarl has decoded it."""
    return Credentials(url.user or "", url.password or "")


class GitHttp:
    """One repository on an HTTP server, for the length of one fetch."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: URL,
        credentials: Credentials,
        proxy: Proxy | None = None,
    ) -> None:
        """url: with the user part that may stand in it, used if `credentials` name nobody."""
        self._session = session
        self._origin = url.origin()
        self._base = URL(str(url.with_user(None)).rstrip("/"))
        self._proxy = proxy
        self._credentials = credentials
        self._authorization = _authorization(url, credentials)

    async def file(self, url: URL, limit_bytes: int) -> bytes:
        """The content of a file on the server; URL: with its query.  Raises GitError."""
        headers = {"User-Agent": "lockstep"}  # to one named git/ some hosts show no files
        plain = url.with_user(None)
        async with self._request("GET", plain, headers, None, _check_file) as response:
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
            except (aiohttp.ClientError, OSError) as error:
                raise GitError(explained(error, url)) from error

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
            try:
                response = await self._send(method, url, headers, body)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise GitError(_unreachable(url, error)) from error
            async with response:
                if response.status in _REDIRECTS and method == "GET":
                    url = _redirected(url, response.headers.get("Location", ""))
                    continue
                (check or _check_status)(response)
                yield response
                return
        raise GitError(f"more than {_MOST_REDIRECTS} redirects, the last one to '{_shown(url)}'")

    async def _send(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None
    ) -> aiohttp.ClientResponse:
        is_home = url.origin() == self._origin
        sent = {"User-Agent": _USER_AGENT, **headers, **carried()}
        if is_home and self._authorization:
            sent["Authorization"] = self._authorization
        who = self._credentials
        pair = (who.certificate, who.key) if is_home else (b"", b"")
        proxy = self._proxy
        login = {}
        if proxy and proxy.username:
            login = {"Proxy-Authorization": _basic(proxy.username, proxy.password)}
        if url.scheme == "http":  # no tunnel: the proxy reads the request itself
            sent |= login
        return await self._session.request(
            method,
            url,
            headers=sent,
            data=body,
            allow_redirects=False,
            ssl=tls_context(who.ca, *pair) if url.scheme == "https" else True,
            proxy=proxy.address if proxy else None,
            proxy_headers=login if proxy else None,
        )


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


def _redirected(url: URL, location: str) -> URL:
    """Where a redirect leads.  Raises GitError if it must not be followed."""
    try:
        target = url.join(URL(location))
    except ValueError as error:
        raise GitError(f"the server redirects to {location[:200]!r}, which is no URL") from error
    if target.scheme not in {"http", "https"} or not target.host or not location:
        raise GitError(f"the server redirects to {location[:200]!r}, which is no web address")
    target = target.with_user(None)
    if url.scheme == "https" and target.scheme == "http":
        raise GitError(f"the server redirects from https to '{_shown(target)}': not followed")
    return target


def _shown(url: URL) -> str:
    """The URL without what may be a secret: user part and query."""
    return str(url.with_user(None).with_query(None).with_fragment(None))


def _check_status(response: aiohttp.ClientResponse) -> None:
    status, url = response.status, _shown(response.url)
    if status == 200:
        return
    answered = f"HTTP {status} from '{url}'"
    if status in {401, 403}:
        problem = "authentication required" if status == 401 else "authorization failed"
        raise GitError(
            f"{problem} ({answered}): check the Secret named by spec.secretRef, and that its "
            "user may read the repository",
            AuthenticationFailed,
        )
    if status == 404:
        raise GitError(
            f"repository not found ({answered}): check the URL; hosts also answer so when a "
            "private repository is asked for without, or with the wrong, credentials"
        )
    if status == 407:
        raise GitError(
            "the proxy asks for credentials (HTTP 407): check the Secret of spec.proxySecretRef"
        )
    if status in _REDIRECTS:
        raise GitError(f"the server redirects a request that must not be repeated ({answered})")
    if status == 429 or status >= 500:
        raise GitError(f"the server is overloaded or out of order ({answered}): tried again later")
    raise GitError(f"the server refuses the request ({answered}): does a Git server serve the URL?")


def _check_file(response: aiohttp.ClientResponse) -> None:
    if not 200 <= response.status < 300:
        raise FileError(f"HTTP {response.status} from '{_shown(response.url)}'")


def _unreachable(url: URL, error: Exception) -> str:
    text = explained(error, url)
    if isinstance(error, aiohttp.ClientConnectorCertificateError) and "no known authority" in text:
        text += (
            ": put the CA that signed it in the key 'ca.crt' of the Secret named by spec.secretRef"
        )
    return text


async def _read(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    try:
        return b"".join([chunk async for chunk in _chunks(response, limit_bytes)])
    except (aiohttp.ClientError, OSError) as error:
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
