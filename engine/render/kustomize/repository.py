"""Tell a Git repository's URL from a path, and take it apart.

Source: kustomize api/internal/git/repospec.go.
"""

import posixpath
import re
from dataclasses import dataclass
from urllib.parse import parse_qs

_SCHEMES = ("ssh://", "https://", "http://", "file://")
_USER = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*@")
_SEGMENTS = 2
"""A repository's path is `owner/name` where nothing marks its end."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder of a remote repository.

    clone: what Git clones, host and path.  folder: inside of it.  ref: branch, tag or commit, "" if
    none is given.
    """

    clone: str
    folder: str
    ref: str


def parse_repository(url: str) -> Repository | None:
    """The repository that a resource names, None if it is a path."""
    if url.startswith("/"):
        return None
    address, _, query = url.partition("?")
    host, path = _host(address)
    if host is None:
        return None
    repository, folder = _split(path, is_local=host.startswith("file://"))
    if not repository or posixpath.normpath(folder.removeprefix("/")).startswith(".."):
        return None
    return Repository(host + repository, folder.removeprefix("/"), _ref(query))


def is_http(path: str) -> bool:
    """True for what may be a single file to download."""
    return path.lower().startswith(("http://", "https://"))


def _ref(query: str) -> str:
    values = parse_qs(query)
    found = values.get("ref") or values.get("version") or [""]
    return found[0]


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
