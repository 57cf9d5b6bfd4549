"""Fetch what kustomizations name by URL: Git repositories, and single files.

Nothing of the cluster's is ever sent: no Secret, no client certificate.  A user part that stands in
a URL goes to that URL's own origin, as git sends it.
Source: kustomize api/internal/git/cloner.go, api/internal/loader/fileloader.go.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from engine.errors import Failure
from engine.source.credentials import ANONYMOUS
from engine.source.failures import AuthenticationFailed, GitError
from engine.source.git import Fetched, GitRequest, Tools, fetch_plainly, held_already
from engine.source.git_pack import Limits, MiB
from engine.source.git_refs import Reference
from engine.source.git_tree import GitTree
from engine.source.proxies import Routes
from engine.source.shared import Shared
from engine.source.store import Store
from engine.source.transport import GitHttp, parse_web_url

MAX_FILE_BYTES = 16 * MiB
"""Of one file: the largest known bundle of manifests has 5 MiB."""
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Bases:
    """Repositories and files by URL; asked for by any number of builds at once."""

    def __init__(
        self, store_of: Callable[[str], Awaitable[Store]], tools: Tools, limits: Limits
    ) -> None:
        """store_of: where a repository's objects are kept.  limits: of one fetch."""
        self._store_of = store_of
        self._tools = tools
        self._limits = limits
        self._shared = Shared()

    async def repository(self, url: str, ref: str, *, submodules: bool = True) -> GitTree:
        """All files of a commit; ref: a branch, tag or commit, "" for what HEAD names.

        submodules: with theirs.  A commit that is here is not looked up.  Raises GitError.
        """
        parse_web_url(url)
        is_commit = _COMMIT.fullmatch(ref.lower()) is not None
        reference = Reference(commit=ref.lower()) if is_commit else Reference(short=ref or "HEAD")
        request = GitRequest(
            url,
            reference,
            limits=self._limits,
            is_whole=True,
            recurse_submodules=submodules,
        )

        async def fetched() -> Fetched:
            try:
                store = await self._store_of(url)
            except Failure as failure:
                raise GitError(failure.message) from failure
            known = await held_already(request, store, self._tools) if is_commit else None
            return known or await fetch_plainly(request, store, self._tools)

        try:
            return (await self._shared.result((url, ref, submodules), fetched)).tree
        except GitError as error:
            raise _in_other_words(error) from error

    async def file(self, url: str) -> bytes:
        """What a web server gives for the URL.  Raises GitError; FileError if it gives nothing."""
        parsed = parse_web_url(url)

        async def fetched() -> bytes:
            routes = Routes(environment=self._tools.environment)
            http = GitHttp(self._tools.session, parsed, ANONYMOUS, routes, self._tools.guard)
            async with aclosing(http):
                return await http.file(parsed, MAX_FILE_BYTES)

        return await self._shared.result(url, fetched)

    def __repr__(self) -> str:
        """How many URLs are being fetched."""
        return f"<Bases fetching={len(self._shared)}>"


def _in_other_words(error: GitError) -> GitError:
    """The same, where the text of a source speaks of fields that a URL has not."""
    if error.failure is AuthenticationFailed:
        what = error.problem.partition(": check ")[0]
        return GitError(
            f"{what}: bases are fetched without credentials, and hosts also answer so when there "
            "is no such repository: check the URL, or copy the base into your repository"
        )
    return GitError(error.problem.partition(": put the CA ")[0])
