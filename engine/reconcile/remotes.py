"""Render, and fetch what the build finds that it lacks, until it lacks nothing.

For the engine and the command line.  What cannot be fetched is given to the build as such: it says
which file asked for it, beside all else that is wrong.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias
from urllib.parse import parse_qs, urlsplit

import anyio

from engine.api.duration import format_duration
from engine.errors import BuildFailed
from engine.objects.redact import mask
from engine.reconcile.opening import Opening
from engine.render import Keys, Lacking, Needs, Remotes, Rendered, SealedKey
from engine.render.kustomize.repository import Repository, parse_repository
from engine.source.failures import FileError, GitError
from engine.source.transport import without_secrets
from engine.source.tree import Tree

_MOST = 500
"""URLs that one build may use; each costs a request at every look."""
_MOST_BYTES = 64 * 2**20
"""Of all files that one build downloads: they are held in memory."""
_TOO_MUCH = (
    f"the files that the build names by URL have more than {_MOST_BYTES // 2**20} MiB together: "
    "copy what is needed of them into the repository"
)
_AT_ONCE = 8
"""Fetches of one build at the same time: one tenant must not take all connections."""

_KEYS = frozenset({"ref", "version", "timeout", "submodules", "depth"})
"""What kustomize itself asks of a URL's query: no secrets."""
_TOKEN = 8
"""Characters below which a text in a URL is taken for a plain word."""

_Found: TypeAlias = "Tree | bytes | GitError"


class Bases(Protocol):
    """`engine.source.bases.Bases`, or what stands for it."""

    async def repository(self, url: str, ref: str, *, submodules: bool = True) -> Tree:
        """All files of a commit; submodules: with theirs.  Raises GitError."""
        ...

    async def file(self, url: str) -> bytes:
        """A file's content.  Raises GitError."""
        ...


Build = Callable[[Remotes], Awaitable[Rendered]]


async def built(
    build: Build, fetch: "Fetch", bring: Callable[[Needs], Awaitable[None]]
) -> Rendered:
    """What `build` gives once it lacks nothing.  bring: `fetch.bring`, or what calls it.

    Raises what the build raises; then the text holds no `secrets_in_urls`.
    """
    try:
        while True:
            try:
                return await build(fetch.got)
            except Lacking as lacking:
                await bring(lacking.needs)
    except BuildFailed as failure:
        raise masked_failure(failure, fetch.got) from None


def masked_failure(failure: BuildFailed, remotes: Remotes) -> BuildFailed:
    """The failure without secrets that stand in URLs."""
    secrets = secrets_in_urls(urls_of(remotes))
    return type(failure)(mask(failure.message, secrets)) if secrets else failure


def urls_of(remotes: Remotes) -> frozenset[str]:
    """The URLs that were asked for."""
    return frozenset((*remotes.bases, *remotes.files, *remotes.failures))


def secrets_in_urls(urls: Iterable[str]) -> list[str]:
    """What may be a secret in URLs: passwords, and tokens in place of a name or in the query."""
    found: list[str] = []
    for url in urls:
        try:
            parsed = urlsplit(url.removeprefix("git::"))
            name, password = parsed.username or "", parsed.password or ""
        except ValueError:
            continue
        query = parse_qs(parsed.query).items()
        values = [text for key, texts in query if key not in _KEYS for text in texts]
        found += [text for text in (name, *values) if len(text) >= _TOKEN]
        found += [password] * bool(password)
    return found


@dataclass(slots=True)
class Fetch:
    """Fetches what one build lacks.

    timeout: seconds for all of it, from now on.  whose: who set it, for messages.  got: what was
    fetched so far.  opening: opens data keys, None: nothing is decrypted.
    """

    bases: Bases
    timeout: float
    whose: str
    got: Remotes = field(default_factory=Remotes)
    opening: Opening | None = None
    _deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self._deadline = anyio.current_time() + self.timeout

    def recall(self, keys: Collection[SealedKey]) -> bool:
        """Take the data keys that need not be opened into `got`; whether that is all of them."""
        if self.opening is None:
            return not keys
        is_all = self.opening.recall(keys)
        self.got = replace(self.got, keys=self.opening.got)
        return is_all

    async def bring(self, needs: Needs) -> None:
        """Add all of `needs` to `got`, or why it cannot be had.  Raises BuildFailed if too many."""
        urls = needs.bases | needs.files
        if len(urls | urls_of(self.got)) > _MOST:
            raise BuildFailed(
                f"kustomize build failed: it names more than {_MOST} URLs: copy what they hold "
                "into the repository, or split it into several Kustomizations"
            )
        found: dict[str, _Found] = {}
        limiter = anyio.CapacityLimiter(_AT_ONCE)

        async def one(url: str) -> None:
            async with limiter:
                if _is_full((*self.got.files.values(), *found.values())):
                    found[url] = GitError(_TOO_MUCH)
                else:
                    found[url] = await self._in_time(url, is_base=url in needs.bases)

        async with anyio.create_task_group() as tasks:
            for url in sorted(urls):
                tasks.start_soon(one, url)
        if self.opening is not None and needs.data_keys:
            left = max(0.0, self._deadline - anyio.current_time())
            await self.opening.bring(needs.data_keys, left)
        keys = self.opening.got if self.opening is not None else Keys()
        self.got = _with(self.got, found, keys)

    async def _in_time(self, url: str, *, is_base: bool) -> "_Found":
        repository = parse_repository(url)
        seconds, whose = self.timeout, self.whose
        if repository is not None and repository.timeout is not None:
            seconds, whose = repository.timeout, "the URL's timeout"
        with anyio.CancelScope(deadline=min(self._deadline, anyio.current_time() + seconds)):
            try:
                return await self._found(url, repository, is_base=is_base)
            except GitError as error:
                return error
        return GitError(
            f"no complete answer within {format_duration(seconds)} ({whose}): the server is slow, "
            "hangs, or is not reached through a proxy or firewall"
        )

    async def _found(
        self, url: str, repository: Repository | None, *, is_base: bool
    ) -> "Tree | bytes":
        """A file if the server gives one, else a repository: the order in which kustomize tries.

        is_base: it is no file.
        """
        if is_base and repository is not None:
            return await self._base(repository)
        try:
            return await self.bases.file(url)
        except FileError as error:
            if repository is None:
                raise
            try:
                return await self._base(repository)
            except GitError as other:
                raise GitError(
                    f"as a file: {error.problem}; as a Git repository: {other.problem}"
                ) from other

    async def _base(self, repository: Repository) -> Tree:
        if problem := _refused(repository.clone):
            raise GitError(problem)
        return await self.bases.repository(
            repository.clone, repository.ref, submodules=repository.submodules
        )


def _is_full(found: "Iterable[_Found]") -> bool:
    return sum(len(each) for each in found if isinstance(each, bytes)) > _MOST_BYTES


def _with(known: Remotes, found: "Mapping[str, _Found]", keys: Keys) -> Remotes:
    """`known`, and what was found of each URL, and what is known of data keys now."""
    bases, files, failures = dict(known.bases), dict(known.files), dict(known.failures)
    for url, each in found.items():
        if isinstance(each, bytes):
            files[url] = each
        elif isinstance(each, GitError):
            failures[url] = without_secrets(each.problem)
        else:
            bases[url] = each
    return Remotes(bases, files, failures, keys)


def _refused(clone: str) -> str:
    """Why that is never fetched, "" if it may be."""
    scheme, separator, _ = clone.partition("://")
    if separator and scheme in ("https", "http"):
        return ""
    if scheme == "file" and separator:
        return "file:// would read files of the engine: name the folder by a relative path"
    return (
        "bases are not fetched by Git over ssh, as there is no key that all may use: use its "
        "https:// URL, or have a GitRepository with the key include it (spec.include)"
    )
