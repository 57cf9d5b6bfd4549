"""Which other repositories a commit puts into its folders, and where to fetch them from.

Never: follows anything but http(s) and ssh, reads a local file, or shows credentials to another
host, scheme or port than the repository's own.
Source: gitmodules(5), git submodule--helper.c (relative_url), go-git submodule.go.
"""

import posixpath
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import anyio
from yarl import URL

from engine.source.credentials import Credentials
from engine.source.failures import DamagedError, GitError
from engine.source.store import Store
from engine.source.transport import parse_url, without_secrets

_FILE_NAME = ".gitmodules"
_LONGEST = 1024 * 1024  # bytes of that file
_MOST = 1000  # submodules of one tree, wanted or not
_DEEPEST_FOLDER = 100  # as deep as any tree may be, see `git_pack.Limits`
_AT_ONCE = 4  # fetched by one repository: the servers are mostly one and the same
_DEEPEST = 10  # repositories inside of each other, as go-git
_SECTION = re.compile(r'\[\s*submodule\s+"((?:[^"\\]|\\.)*)"\s*\]', re.IGNORECASE)
_SCP = re.compile(r"(?P<host>[^/:\s-][^/:\s]*):(?P<path>[^:].*)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "b": "\b"}

T = TypeVar("T")


class Budget:
    """How many submodules one fetch may still take, those of submodules included."""

    def __init__(self, most: int = 200, deepest: int = _DEEPEST) -> None:
        """most: each costs a request; the largest known repositories have some fifty."""
        self._taken: list[str] = []
        self._most, self._deepest, self._depth = most, deepest, 0

    def below(self, url: str) -> "Budget":
        """The same for what is inside of one more.  Raises GitError if that is one too many."""
        self._taken.append(url)
        if len(self._taken) > self._most:
            raise GitError(f"there are more than the {self._most} submodules allowed")
        if self._depth == self._deepest:
            raise GitError(
                f"submodules are nested more than the {self._deepest} levels allowed, down to "
                f"'{without_secrets(url)}': does one of them contain itself?"
            )
        budget = Budget(self._most, self._deepest)
        budget._taken, budget._depth = self._taken, self._depth + 1
        return budget


@dataclass(frozen=True, slots=True)
class Submodule:
    """A repository inside of another one, at a commit."""

    path: str
    url: str
    commit: str


def submodules_of(
    store: Store, tree_id: str, url: str, is_wanted: Callable[[str], bool]
) -> list[Submodule]:
    """The submodules of a tree that are wanted, by path.

    url: of the repository itself.  is_wanted: by path.  Raises GitError where one has no URL that
    can be fetched from; DamagedError if an object is missing.
    """
    try:
        links = {path: commit for path, commit in links_of(store, tree_id) if is_wanted(path)}
        urls = _urls(store, tree_id) if links else {}
    except KeyError as error:
        raise DamagedError(
            f"the object {error.args[0]!r} of the tree {tree_id} is missing"
        ) from error
    found = []
    for path, commit in links.items():
        if path not in urls:
            raise GitError(
                f"no URL found for submodule path '{path}' in {_FILE_NAME}: add an entry for it, "
                "remove it from Git, or set spec.recurseSubmodules to false"
            )
        found.append(Submodule(path, absolute(urls[path], url, path), commit))
    return found


def links_of(store: Store, tree_id: str, depth: int = 0) -> tuple[tuple[str, str], ...]:
    """(path, commit) of each submodule in a tree; remembered for each folder.

    Raises GitError for a tree in which they are too many, or too deep: a few folders that hold
    each other many times may stand for more than could ever be counted.
    """
    known = store.submodules.get(tree_id)
    if known is not None:
        return known
    found: list[tuple[str, str]] = []
    for name, child in store.children(tree_id).items():
        if child.is_submodule:
            found.append((name, child.id))
        elif child.is_folder:
            below = links_of(store, child.id, depth + 1)
            found += [(f"{name}/{path}", commit) for path, commit in below]
        if len(found) > _MOST or depth > _DEEPEST_FOLDER:
            raise GitError(f"the tree {tree_id} has too many submodules, or too deep ones")
    store.submodules[tree_id] = tuple(found)
    return store.submodules[tree_id]


def _urls(store: Store, tree_id: str) -> Mapping[str, str]:
    """The URL of each path that `.gitmodules` names; of a path named twice the last one."""
    child = store.children(tree_id).get(_FILE_NAME)
    if child is None or not child.is_file:  # a link might lead anywhere (CVE-2018-11235 and kin)
        return {}
    content = store.blob(child.id)
    if len(content) > _LONGEST:
        raise GitError(f"{_FILE_NAME} has more than the {_LONGEST} bytes allowed")
    entries = parse_gitmodules(content.decode("utf-8", "replace"))
    return {entry["path"]: entry["url"] for entry in entries if "path" in entry and "url" in entry}


def parse_gitmodules(text: str) -> list[dict[str, str]]:
    """The keys and values of each section `[submodule "..."]`, in their order.

    Source: git-config(1), syntax.  Includes are not followed: `.gitmodules` must not name files.
    """
    entries: dict[str, dict[str, str]] = {}
    current: dict[str, str] | None = None
    for line in text.replace("\r\n", "\n").replace("\\\n", "").split("\n"):
        stripped = line.strip()
        if stripped.startswith("["):
            section = _SECTION.match(stripped)
            current = entries.setdefault(section[1], {}) if section else None
            stripped = stripped[section.end() :].strip() if section else ""
        key, separator, value = stripped.partition("=")
        if current is not None and separator and not stripped.startswith(("#", ";")):
            current[key.strip().lower()] = _value(value.strip())
    return list(entries.values())


def _value(text: str) -> str:
    """A value without quotes, escapes and comment."""
    found: list[str] = []
    is_quoted = is_escaped = False
    for letter in text:
        if is_escaped:
            found.append(_ESCAPES.get(letter, letter))
            is_escaped = False
        elif letter == "\\":
            is_escaped = True
        elif letter == '"':
            is_quoted = not is_quoted
        elif letter in "#;" and not is_quoted:
            break
        else:
            found.append(letter)
    return "".join(found).strip()


def absolute(url: str, base: str, path: str) -> str:
    """The URL to fetch a submodule from; base: of the repository that it is in; path: its place.

    Raises GitError if it is none that may be fetched from.
    """
    if url.startswith(("./", "../")):
        return _relative(url, base, path)
    scp = None if "://" in url else _SCP.fullmatch(url)
    if scp is not None and not url.startswith("ext::"):
        url = f"ssh://{scp['host']}/{scp['path'].lstrip('/')}"
    try:
        parse_url(url)
    except GitError as error:
        raise named(error, path, url) from error
    return url


def _relative(url: str, base: str, path: str) -> str:
    """Git's rule: each `../` takes one name off the path of the repository that it is in."""
    above = URL(base.rstrip("/"), encoded=True)
    parts = [part for part in above.raw_path.split("/") if part]
    rest = url
    while rest.startswith(("./", "../")):
        if rest.startswith("../"):
            if not parts:
                raise GitError(
                    f"submodule '{path}': its URL '{url}' leads above the root of the host: "
                    f"correct {_FILE_NAME}"
                )
            parts.pop()
        rest = rest.partition("/")[2].lstrip("/")
    if ".." in rest.split("/") or not rest:
        raise GitError(f"submodule '{path}': its URL '{url}' cannot be read: correct {_FILE_NAME}")
    return str(above.with_path(posixpath.join("/", *parts, rest), encoded=True))


def named(error: GitError, path: str, url: str) -> GitError:
    """The error of a submodule, with its name."""
    problem = f"submodule '{path}' from '{without_secrets(url)}': {error.problem}"
    return GitError(problem)


def credentials_for(url: str, owner_url: str, credentials: Credentials) -> Credentials:
    """What may be shown to the server of a submodule: all to the repository's own, else nothing.

    Which authorities are trusted is no secret, and stays.
    """
    if _origin(url) == _origin(owner_url):
        return credentials
    return replace(Credentials(), ca=credentials.ca)


def _origin(text: str) -> tuple[str, str, int | None]:
    url = URL(text)
    return url.scheme, (url.host or "").lower(), url.port or (22 if url.scheme == "ssh" else None)


async def fetched_all(
    wanted: Sequence[Submodule], fetch: Callable[[Submodule], Awaitable[T]]
) -> list[tuple[str, T]]:
    """(path, what `fetch` gives) of each; a few at a time, of one repository one after the other.

    The first failure ends the others.
    """
    found: dict[str, T] = {}
    failures: list[Exception] = []
    limiter = anyio.CapacityLimiter(_AT_ONCE)
    by_url: dict[str, list[Submodule]] = {}
    for each in wanted:
        by_url.setdefault(each.url, []).append(each)

    async def fetch_each(same: list[Submodule], scope: anyio.CancelScope) -> None:
        async with limiter:
            for each in same:
                try:
                    found[each.path] = await fetch(each)
                except Exception as error:  # raised below, without the group around it
                    if isinstance(error, GitError):
                        failures.append(named(error, each.path, each.url))
                    else:
                        failures.append(error)
                    scope.cancel()
                    return

    async with anyio.create_task_group() as tasks:
        for same in by_url.values():
            tasks.start_soon(fetch_each, same, tasks.cancel_scope)
    if failures:
        raise failures[0]
    return [(each.path, found[each.path]) for each in wanted]
