"""Fetch a Git repository over HTTP or ssh: from a `spec.ref` to a revision and its tree.

Lists the remote first, fetches only a commit that is not held, one commit deep, and asks the
server only for what differs from commits held.  Everything that blocks runs in worker threads;
cancelling the caller ends them as well.
Source: flux-behaviour 3.4, fluxcd/pkg git/gogit.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial

import aiohttp
import anyio
from anyio import from_thread, to_thread

from engine.errors import Failure
from engine.source.credentials import ANONYMOUS, Credentials
from engine.source.failures import (
    ArchiveOperationFailed,
    CorruptPackError,
    DamagedError,
    EmptyGitRepository,
    GitError,
    URLInvalid,
    of_disk,
)
from engine.source.git_choice import newest, verified_by
from engine.source.git_commit import Commit
from engine.source.git_compact import compact_if_worth
from engine.source.git_contents import Contents, contents
from engine.source.git_pack import Limits
from engine.source.git_refs import Candidate, Reference, candidates
from engine.source.git_remote import Remote, Room
from engine.source.git_repair import repaired
from engine.source.git_tree import GitTree
from engine.source.guard import Guard
from engine.source.include import Included
from engine.source.proxies import Proxy, Routes
from engine.source.shared import Shared
from engine.source.sparse import is_touched, starts_of
from engine.source.ssh import GitSsh
from engine.source.ssh_pool import SshConnections
from engine.source.store import Store
from engine.source.submodules import (
    Budget,
    Submodule,
    credentials_for,
    fetched_all,
    submodules_of,
)
from engine.source.transport import GitHttp, Transport, parse_url, without_secrets
from engine.source.verify import Trust
from engine.telemetry import because, logger


def _nowhere(url: str, _: str) -> Store:
    raise GitError(f"there is no place for the submodule '{without_secrets(url)}'")


@dataclass(frozen=True, slots=True)
class GitRequest:
    """What to fetch; ignore: `spec.ignore`, None if it is not given.

    is_whole: no file is ignored, whatever any rule says.  sparse: folders to keep, () is all.
    recurse_submodules: whether their files are fetched as well.  included: files of other sources.
    trust: whose signatures a commit needs, None: it needs none.  tenant: who asks, a namespace.
    """

    url: str
    reference: Reference = field(default_factory=Reference)
    credentials: Credentials = ANONYMOUS
    ignore: str | None = None
    proxy: Proxy | None = None
    limits: Limits = field(default_factory=Limits)
    is_whole: bool = False
    sparse: tuple[str, ...] = ()
    recurse_submodules: bool = False
    included: tuple[Included, ...] = ()
    trust: Trust | None = None
    tenant: str = ""

    @property
    def reader(self) -> str:
        """Who alone may read what is fetched so: the tenant, "" for everybody.

        What needs no login and no proxy of the tenant's everybody may fetch.  All else must be
        shown to nobody who names its URL and a commit that is here: no server was asked then, or
        one that stands behind a proxy of his own and says what he likes.
        """
        shown = replace(self.credentials, ca=b"")
        return "" if shown == ANONYMOUS and self.proxy is None else self.tenant


@dataclass(frozen=True, slots=True)
class Fetched:
    """One commit of a repository.

    revision: as Flux writes it, `main@sha1:<hex>`.  tree: without what is ignored.
    verified: which signatures were checked, in Flux's words; "" if none had to be.
    """

    revision: str
    commit: Commit
    tree: GitTree = field(repr=False)
    verified: str = ""


@dataclass(frozen=True, slots=True)
class Tools:
    """What fetching runs on; workers: how many threads may be busy with packs at once.

    in_flight: downloads that others may wait for, by what makes them the same.  looks: the same
    for lists of refs.  store_of: the store of a submodule by its URL and reader; blocks.
    environment: of the pod, for its proxies.  guard: of what tenants name; None: that is anywhere.
    """

    session: aiohttp.ClientSession
    workers: anyio.CapacityLimiter
    in_flight: dict[Hashable, anyio.Event] = field(default_factory=dict)
    ssh: SshConnections = field(default_factory=SshConnections)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    looks: Shared = field(default_factory=Shared)
    store_of: Callable[[str, str], Store] = _nowhere
    guard: Guard | None = None

    def transport(self, request: GitRequest) -> Transport:
        """The way to a request's repository, to be closed.  Raises GitError."""
        url, routes = parse_url(request.url), Routes(request.proxy, self.environment)
        if url.scheme == "ssh":
            names = self.guard.names if self.guard else None
            return GitSsh(self.ssh, url, request.credentials, routes.to(url), names)
        return GitHttp(self.session, url, request.credentials, routes, self.guard)


async def fetch(request: GitRequest, store: Store, tools: Tools) -> Fetched:
    """The commit that the request's reference means now, with its tree in `store`.

    Raises URLInvalid, AuthenticationFailed, EmptyGitRepository, GitOperationFailed, what
    `Trust.check` raises, CopyFailure, or ArchiveOperationFailed if the disk is at fault.  Has no
    deadline of its own.
    """
    try:
        return await fetch_plainly(request, store, tools)
    except GitError as error:
        raise _failure(request, error) from error


async def fetch_plainly(request: GitRequest, store: Store, tools: Tools) -> Fetched:
    """As `fetch`; raises GitError without the words that a source's status has around it."""
    return await _fetched(request, store, tools, Budget())


async def held_already(request: GitRequest, store: Store, tools: Tools) -> Fetched | None:
    """The commit that `reference.commit` names, None unless all of it is here: nobody is asked."""
    return await _held_already(request, store, tools, Budget())


async def _fetched(request: GitRequest, store: Store, tools: Tools, budget: Budget) -> Fetched:
    prefixes = tuple(request.reference.prefixes)
    alike = request.url, prefixes, request.credentials, request.proxy
    try:
        async with aclosing(tools.transport(request)) as transport:
            remote = Remote(transport, request.reference)
            seen = await remote.look(tools.looks, alike)
            store = await to_thread.run_sync(store.in_format, seen.server.object_format)
            if request.reference.semver:  # a tenant has as many tags as he likes
                found = await to_thread.run_sync(
                    candidates, request.reference, seen.refs, limiter=tools.workers
                )
            else:
                found = candidates(request.reference, seen.refs)
            try:
                return await _downloaded(request, store, found, remote, tools, budget)
            except (DamagedError, CorruptPackError):
                # A server sends only what is not here by our account of it: that may be wrong.
                if not await to_thread.run_sync(repaired, store, limiter=tools.workers):
                    raise
                return await _downloaded(request, store, found, remote, tools, budget)
    except OSError as error:  # not of the network: `transport` has words for these
        problem = of_disk("what was fetched cannot be stored", error)
        raise GitError(problem, ArchiveOperationFailed) from error


async def _downloaded(
    request: GitRequest,
    store: Store,
    found: Sequence[Candidate],
    remote: Remote,
    tools: Tools,
    budget: Budget,
) -> Fetched:
    for candidate in found:
        if not await to_thread.run_sync(_is_held, store, candidate):
            await _download_once(remote, request, store, candidate.object_id, tools)
    return await _completed(request, store, found, tools, budget)


async def _held_already(
    request: GitRequest, store: Store, tools: Tools, budget: Budget
) -> Fetched | None:
    try:
        found = candidates(request.reference, {})
        store = store.in_format("sha1" if len(found[0].commit) == 40 else "sha256")
        if not await to_thread.run_sync(_is_held, store, found[0]):
            return None
        return await _completed(request, store, found, tools, budget)
    except (GitError, OSError):
        return None  # something of it was lost: fetching it says what is wrong, if anything


async def _download_once(
    remote: Remote, request: GitRequest, store: Store, object_id: str, tools: Tools
) -> None:
    """Download, unless somebody who asks in the same way is at it: then wait for the outcome.

    Only in the same way: nobody waits for a server or proxy that somebody else has chosen.
    """
    in_flight = tools.in_flight
    key = (store.folder, object_id, request.credentials, request.proxy, request.limits)
    while key in in_flight:
        await in_flight[key].wait()
        if await to_thread.run_sync(store.contains, object_id):
            return
    in_flight[key] = anyio.Event()
    try:
        await remote.download(object_id, Room(store, request.limits, tools.workers))
    finally:
        in_flight.pop(key).set()


async def _completed(
    request: GitRequest,
    store: Store,
    found: Sequence[Candidate],
    tools: Tools,
    budget: Budget,
) -> Fetched:
    """The newest of the commits, all of which are here, with the contents that are asked for."""
    chosen, commit = await to_thread.run_sync(newest, store, found)
    verified = ""
    if request.trust is not None:  # before anything is done that the commit asks for
        try:
            verified = await to_thread.run_sync(verified_by, request.trust, store, chosen)
        except Failure:
            await to_thread.run_sync(store.hold, commit.id)  # it is not to be fetched again
            raise
    wanted = Contents(request.ignore, request.is_whole, request.sparse, request.included)
    if request.recurse_submodules:
        submodules = await _submodules(request, store, commit, tools, budget)
        wanted = replace(wanted, submodules=submodules)
    finish = partial(_finished, request.limits, store, commit, wanted)
    tree = await to_thread.run_sync(finish, limiter=tools.workers)
    return Fetched(chosen.revision, commit, tree, verified)


async def _submodules(
    request: GitRequest, store: Store, commit: Commit, tools: Tools, budget: Budget
) -> list[tuple[str, GitTree]]:
    """(path, all files) of each submodule that is wanted, and of those in it."""
    starts = starts_of(request.sparse)
    wanted = await to_thread.run_sync(
        submodules_of, store, commit.tree, request.url, lambda path: is_touched(path, starts)
    )

    async def one(submodule: Submodule) -> GitTree:
        below = budget.below(submodule.url)
        inner = GitRequest(
            url=submodule.url,
            reference=Reference(commit=submodule.commit),
            credentials=credentials_for(submodule.url, request.url, request.credentials),
            proxy=request.proxy,
            limits=request.limits,
            is_whole=True,
            recurse_submodules=True,
            tenant=request.tenant,
        )
        place = await to_thread.run_sync(tools.store_of, inner.url, inner.reader)
        known = await _held_already(inner, place, tools, below)
        return (known or await _fetched(inner, place, tools, below)).tree

    return await fetched_all(wanted, one)


def _is_held(store: Store, candidate: Candidate) -> bool:
    return store.holds(candidate.commit) and store.contains(candidate.object_id)


def _finished(limits: Limits, store: Store, commit: Commit, wanted: Contents) -> GitTree:
    """The files; the commit is held from now on, whatever may be wrong with it but for damage."""
    with store.exclusive:
        try:
            tree_id = contents(store, commit.tree, wanted, limits, from_thread.check_cancelled)
        except DamagedError:
            store.forget(commit.id)
            raise
        except (GitError, Failure):
            store.hold(commit.id)
            raise
        store.hold(commit.id)
        tree = GitTree(store, tree_id)
        try:
            compact_if_worth(store)
        except OSError as error:  # perhaps the disk is full: what is here is good all the same
            logger.warning("%r cannot be tidied", store, extra=because(error))
    return tree


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
