"""Tell a Git repository's URL from a path, and take it apart.

Source: kustomize api/internal/git/repospec.go.
"""

import posixpath
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from engine.api.duration import parse_duration

_SCHEMES = ("ssh://", "https://", "http://", "file://")
_USER = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*@")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_COMMIT = re.compile(r"[0-9a-fA-F]{40}")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_FALSE = ("0", "f", "F", "false", "False", "FALSE")  # Go's strconv.ParseBool
_SEGMENTS = 2
"""A repository's path is `owner/name` where nothing marks its end."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder of a remote repository.

    clone: what Git clones, host and path.  folder: inside of it.  ref: branch, tag or commit, "" if
    none is given.  timeout: seconds that fetching may take, None if the URL does not say.
    submodules: whether its submodules are fetched as well.
    """

    clone: str
    folder: str
    ref: str
    timeout: float | None = field(default=None, compare=False)
    submodules: bool = True

    @property
    def is_pinned(self) -> bool:
        """Whether the URL names a commit: it can never stand for another one."""
        return _COMMIT.fullmatch(self.ref) is not None


def parse_repository(url: str) -> Repository | None:
    """The repository that a resource names, None if it is a path."""
    if url.startswith("/"):
        return None
    address, _, query = url.partition("?")
    host, path = _host(address)
    if host is None:
        return None
    repository, folder = _split(path, is_local=host.startswith("file://"))
    if not repository or posixpath.normpath(folder.removeprefix("/")).split("/")[0] == "..":
        return None
    values = _values(query)
    ref = values.get("ref") or values.get("version", "")
    timeout = _timeout(values.get("timeout", ""))
    submodules = values.get("submodules", "") not in _FALSE
    return Repository(host + repository, folder.removeprefix("/"), ref, timeout, submodules)


def is_http(path: str) -> bool:
    """True for what may be a single file to download."""
    return path.lower().startswith(("http://", "https://"))


def _values(query: str) -> dict[str, str]:
    """The first value of each key; none at all if Go could not read the query."""
    if ";" in query or _BAD_ESCAPE.search(query):
        return {}
    pairs = parse_qsl(query, keep_blank_values=True)
    return dict(reversed(pairs))


def _timeout(text: str) -> float | None:
    """Whole seconds, or a duration as Go writes it."""
    if _INTEGER.fullmatch(text):
        return float(text) if int(text) > 0 else None
    try:
        seconds = parse_duration(text)
    except ValueError:
        return None
    return seconds if seconds > 0 else None


def _host(address: str) -> tuple[str | None, str]:
    """(scheme, user and host, the rest); (None, "") if there is no host."""
    rest = address[5:] if address.lower().startswith("git::") else address
    scheme = next((known for known in _SCHEMES if rest.lower().startswith(known)), "")
    rest = rest[len(scheme) :]
    user = match.group() if (match := _USER.match(rest)) else ""
    rest = rest[len(user) :]
    is_github = rest.lower().startswith(("github.com/", "github.com:"))
    is_scp = not scheme and (bool(user) or is_github)
    if not scheme and not is_scp:
        return None, ""
    if scheme == "file://":
        return scheme, user + rest
    end = _host_end(rest, is_scp=is_scp)
    host, path = (rest[: end + 1], rest[end + 1 :]) if end >= 0 else (rest, "")
    if is_github:
        is_ssh = scheme == "ssh://" or bool(user)
        return (f"{user}github.com:" if is_ssh else "https://github.com/"), path
    return (scheme + user + host, path) if host else (None, "")


def _host_end(rest: str, *, is_scp: bool) -> int:
    slash = rest.find("/")
    colon = rest.find(":") if is_scp else -1
    if is_scp and (slash == -1 or 0 < colon < slash):
        return colon
    return slash


def _split(path: str, *, is_local: bool) -> tuple[str, str]:
    """(the repository's path, the folder in it)."""
    if "_git/" in path:
        before, _, after = path.partition("_git/")
        name, _, folder = after.partition("/")
        return f"{before}_git/{name}", folder
    if "//" in path:
        repository, _, folder = path.partition("//")
        return repository, folder
    if ".git" in path:
        repository, _, folder = path.partition(".git")
        return repository + ".git", folder
    if is_local:
        return path, ""
    segments = path.split("/")
    if len(segments) < _SEGMENTS:
        return "", ""
    return "/".join(segments[:_SEGMENTS]), "/".join(segments[_SEGMENTS:])
