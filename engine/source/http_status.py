"""What the status of an HTTP answer means to who asks a Git server, in plain words."""

import aiohttp
from yarl import URL

from engine.source.failures import AuthenticationFailed, FileError, GitError

REDIRECTS = {301, 302, 303, 307, 308}


def redirected(url: URL, location: str) -> URL:
    """Where a redirect leads.  Raises GitError if it must not be followed."""
    try:
        target = url.join(URL(location))
    except ValueError as error:
        raise GitError(f"the server redirects to {location[:200]!r}, which is no URL") from error
    if target.scheme not in {"http", "https"} or not target.host or not location:
        raise GitError(f"the server redirects to {location[:200]!r}, which is no web address")
    target = target.with_user(None)
    if url.scheme == "https" and target.scheme == "http":
        raise GitError(f"the server redirects from https to '{shown_url(target)}': not followed")
    return target


def shown_url(url: URL) -> str:
    """The URL without what may be a secret: user part and query."""
    return str(url.with_user(None).with_query(None).with_fragment(None))


def check_status(response: aiohttp.ClientResponse) -> None:
    """Raises GitError for all that is no success of a Git server."""
    status, url = response.status, shown_url(response.url)
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
    if status in REDIRECTS:
        raise GitError(f"the server redirects a request that must not be repeated ({answered})")
    if status == 429 or status >= 500:
        raise GitError(f"the server is overloaded or out of order ({answered}): tried again later")
    raise GitError(f"the server refuses the request ({answered}): does a Git server serve the URL?")


def check_file(response: aiohttp.ClientResponse) -> None:
    """Raises FileError if there is no such file."""
    if not 200 <= response.status < 300:
        raise FileError(f"HTTP {response.status} from '{shown_url(response.url)}'")
