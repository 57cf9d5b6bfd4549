"""Fetch a Git repository over HTTP: from a `spec.ref` to a revision and its tree.

Lists the remote first, fetches only a commit that is not held, one commit deep, and asks the
server only for what differs from commits held.  Everything that blocks runs in worker threads;
cancelling the caller ends them as well.
Source: flux-behaviour 3.4, fluxcd/pkg git/gogit.
"""

from collections.abc import Hashable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import aiohttp
import anyio
from anyio import from_thread, to_thread

from engine.errors import Failure
from engine.source.credentials import ANONYMOUS, Credentials
from engine.source.failures import (
    ArchiveOperationFailed,
    EmptyGitRepository,
    GitError,
    RemoteError,
    URLInvalid,
    of_disk,
)
from engine.source.git_commit import Commit, parse_commit
from engine.source.git_compact import compact_if_worth
from engine.source.git_filter import filtered, whole
from engine.source.git_pack import Limits, MiB
from engine.source.git_protocol import (
    Advertisement,
    PackStream,
    RemoteRef,
    Want,
    fetch_request,
    ls_refs,
    parse_advertisement,
    parse_ls_refs,
)
from engine.source.git_refs import Candidate, Reference, candidates
from engine.source.git_tree import GitTree
from engine.source.store import Store
from engine.source.transport import GitHttp, Proxy, parse_url, without_secrets

_REFS_BYTES = 64 * MiB  # a million refs
_HAVES = 8  # commits named to the server as held: the newest is what a new one differs least from
_BATCH_BYTES = MiB  # written to disk at a time


@dataclass(frozen=True, slots=True)
class GitRequest:
    """What to fetch; ignore: `spec.ignore`, None if it is not given.

    is_whole: no file is ignored, whatever any rule says.
    """

    url: str
    reference: Reference = field(default_factory=Reference)
    credentials: Credentials = ANONYMOUS
    ignore: str | None = None
    proxy: Proxy | None = None
    limits: Limits = field(default_factory=Limits)
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """One commit of a repository.

    revision: as Flux writes it, `main@sha1:<hex>`.  tree: without what is ignored.
    """

    revision: str
    commit: Commit
    tree: GitTree = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tools:
    """What fetching runs on; workers: how many threads may be busy with packs at once.

    in_flight: downloads that others may wait for, by what makes them the same.
    """

    session: aiohttp.ClientSession
    workers: anyio.CapacityLimiter
    in_flight: dict[Hashable, anyio.Event] = field(default_factory=dict)


async def fetch(request: GitRequest, store: Store, tools: Tools) -> Fetched:
    """The commit that the request's reference means now, with its tree in `store`.

    Raises URLInvalid, AuthenticationFailed, EmptyGitRepository, GitOperationFailed, or
    ArchiveOperationFailed if the disk is at fault.  Has no deadline of its own.
    """
    try:
        return await fetch_plainly(request, store, tools)
    except GitError as error:
        raise _failure(request, error) from error


async def fetch_plainly(request: GitRequest, store: Store, tools: Tools) -> Fetched:
    """As `fetch`; raises GitError without the words that a source's status has around it."""
    remote = _Remote(request, store, tools)
    try:
        found = candidates(request.reference, await remote.refs())
        for candidate in found:
            if not await to_thread.run_sync(_is_held, store, candidate):
                await _download_once(remote, request, store, candidate.object_id, tools.in_flight)
        return await to_thread.run_sync(_newest, request, store, found, limiter=tools.workers)
    except OSError as error:  # not of the network: `transport` has words for these
        problem = of_disk("what was fetched cannot be stored", error)
        raise GitError(problem, ArchiveOperationFailed) from error


async def held_already(request: GitRequest, store: Store, tools: Tools) -> Fetched | None:
    """The commit that `reference.commit` names, None unless all of it is here: nobody is asked."""
    try:
        found = candidates(request.reference, {})
        if not await to_thread.run_sync(_is_held, store, found[0]):
            return None
        return await to_thread.run_sync(_newest, request, store, found, limiter=tools.workers)
    except (GitError, OSError):
        return None  # something of it was lost: fetching it says what is wrong, if anything


async def _download_once(
    remote: "_Remote",
    request: GitRequest,
    store: Store,
    object_id: str,
    in_flight: dict[Hashable, anyio.Event],
) -> None:
    """Download, unless somebody who asks in the same way is at it: then wait for the outcome.

    Only in the same way: nobody waits for a server or proxy that somebody else has chosen.
    """
    key = (store.folder, object_id, request.credentials, request.proxy, request.limits)
    while key in in_flight:
        await in_flight[key].wait()
        if await to_thread.run_sync(store.contains, object_id):
            return
    in_flight[key] = anyio.Event()
    try:
        await remote.download(object_id)
    finally:
        in_flight.pop(key).set()


class _Remote:
    """The server's side of one fetch."""

    def __init__(self, request: GitRequest, store: Store, tools: Tools) -> None:
        url = parse_url(request.url)
        self._request = request
        self._store = store
        self._workers = tools.workers
        self._http = GitHttp(tools.session, url, request.credentials, request.proxy)
        self._server = Advertisement(2, frozenset())
        self._refs: Mapping[str, RemoteRef] = {}

    async def refs(self) -> Mapping[str, RemoteRef]:
        """The refs that matter.  Raises GitError (EmptyGitRepository) if there is none at all."""
        self._server = parse_advertisement(await self._http.advertisement(_REFS_BYTES))
        self._refs = self._server.refs
        if self._server.version == 2:
            self._refs = await self._list(self._request.reference.prefixes)
            if not self._refs:
                self._refs = await self._list(())
        if not self._refs:
            raise GitError("git repository is empty", EmptyGitRepository)
        return self._refs

    async def _list(self, prefixes: Sequence[str]) -> Mapping[str, RemoteRef]:
        return parse_ls_refs(await self._http.ask(ls_refs(prefixes), 2, _REFS_BYTES))

    async def download(self, object_id: str) -> None:
        """Bring one commit, or an annotated tag with its commit, into the store."""
        held = list(await to_thread.run_sync(self._store.held))[:_HAVES]
        try:
            await self._receive(Want([object_id], held, held))
        except RemoteError:
            if not self._request.reference.commit:
                raise
            # The server gives no commits by id (before version 2 few do): take the history.
            await self._receive(Want(self._tips(), depth=0))

    def _tips(self) -> list[str]:
        name = self._request.reference.full_name
        tips = {
            ref.commit
            for other, ref in self._refs.items()
            if other == name or (not name and other.startswith("refs/heads/"))
        }
        if not tips:
            raise GitError(f'couldn\'t find remote ref "{name}": check spec.ref.branch')
        return sorted(tips)

    async def _receive(self, want: Want) -> None:
        """Stream a pack to the disk and index it."""
        limits = self._request.limits
        version = self._server.version
        answer = PackStream(version)
        body = fetch_request(self._server, want)
        incoming = await to_thread.run_sync(self._store.incoming)
        try:
            batch = bytearray()
            async with aclosing(self._http.stream(body, version, limits.pack_bytes)) as chunks:
                async for chunk in chunks:
                    for part in answer.feed(chunk):
                        batch += part
                    if len(batch) >= _BATCH_BYTES:
                        await to_thread.run_sync(incoming.write, bytes(batch))
                        batch.clear()
            answer.finish()
            incoming.write(bytes(batch))
            await to_thread.run_sync(
                incoming.finish, limits, from_thread.check_cancelled, limiter=self._workers
            )
        finally:
            incoming.discard()


def _is_held(store: Store, candidate: Candidate) -> bool:
    return store.holds(candidate.commit) and store.contains(candidate.object_id)


def _newest(request: GitRequest, store: Store, found: Sequence[Candidate]) -> Fetched:
    """Of tags with equal versions the one whose commit is the youngest; filtered and held."""
    with store.exclusive:
        fetched = _held(request, store, found)
        compact_if_worth(store)
    return fetched


def _held(request: GitRequest, store: Store, found: Sequence[Candidate]) -> Fetched:
    commits = {item.commit: _commit(store, item.commit) for item in found}
    chosen = max(found, key=lambda item: commits[item.commit].committed_at)
    commit = commits[chosen.commit]
    check = from_thread.check_cancelled
    try:
        if request.is_whole:
            tree_id = whole(store, commit.tree, request.limits, check)
        else:
            tree_id = filtered(store, commit.tree, request.ignore, request.limits, check)
    except GitError:
        store.forget(commit.id)
        raise
    store.hold(commit.id)
    return Fetched(chosen.revision, commit, GitTree(store, tree_id))


def _commit(store: Store, commit_id: str) -> Commit:
    try:
        return parse_commit(commit_id, store.commit(commit_id))
    except KeyError:
        store.forget(commit_id)
        raise GitError(
            f"unable to resolve commit object for '{commit_id}': object not found"
        ) from None


def _failure(request: GitRequest, error: GitError) -> Failure:
    """The Failure that the object shows, in Flux's words, without secrets."""
    url = without_secrets(request.url)
    problem = without_secrets(error.problem, request.credentials)
    if error.failure is EmptyGitRepository:
        return EmptyGitRepository(f"{problem}: push a first commit to '{url}'")
    if error.failure is URLInvalid:
        return URLInvalid(f"cannot fetch '{url}': {problem}")
    return error.failure(
        f"failed to checkout and determine revision: unable to clone '{url}': {problem}"
    )
