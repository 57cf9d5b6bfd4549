"""Keep the artifact of one GitRepository at what its reference means in Git now.

Order of steps: flux-behaviour 3.4; conditions and messages: 3.3.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import anyio

from engine.api.duration import format_duration
from engine.api.meta import FETCH_FAILED, INCLUDE_UNAVAILABLE
from engine.api.source import GitRepository
from engine.reconcile.git_access import access_to, fetched_with_access
from engine.reconcile.git_includes import Include, included_files, includes_of, is_as_included
from engine.reconcile.git_outcome import (
    outdated,
    stored,
    tell_new,
    tell_recovery,
    tell_unchanged,
    without,
)
from engine.reconcile.git_verification import note_verified, trust_of, without_old_refusal
from engine.reconcile.outcome import Result
from engine.reconcile.run import Run
from engine.source.artifact import Artifact
from engine.source.depot import limits_of
from engine.source.failures import GitOperationFailed
from engine.source.git import Fetched, GitRequest
from engine.source.git_refs import Reference
from engine.telemetry import span


async def reconcile(repository: GitRepository, run: Run) -> Result:
    """Lists the remote, fetches what is new, and stores it as an artifact."""
    without_old_refusal(run)
    includes = includes_of(repository, run)  # IncludeNotFound, IncludeWithoutArtifact
    without(run, INCLUDE_UNAVAILABLE)
    request = await request_of(repository, includes, run)  # AuthenticationFailed, ...
    with span("fetch", url=request.url):
        fetched = await fetched_in_time(request, repository, run)  # GitOperationFailed, ...
    without(run, FETCH_FAILED)
    note_verified(fetched.verified, request.trust, run)
    described = await kept(fetched, repository, includes, run)
    if described is None:
        await outdated(run, *news(fetched, includes, run))
        with span("store", revision=fetched.revision):
            wall = run.engine.clock.wall()
            described = await run.engine.depot.store(run.turn.key, fetched, wall)
        tell_new(fetched, described, run)
    else:
        tell_unchanged(fetched, run)
    tell_recovery(fetched, described, run)
    artifact = Artifact(fetched.revision, described["digest"], fetched.tree)
    run.engine.artifacts.put(run.turn.key, artifact)
    return stored(repository, described, includes, run)


async def finalize(repository: GitRepository, run: Run) -> None:
    """Removes what was stored for the repository."""
    run.engine.artifacts.forget(run.turn.key)
    await run.engine.depot.remove(run.turn.key)
    if repository.status.artifact is not None:
        text = "garbage collected artifacts for deleted resource"
        run.emit("Trace", "GarbageCollectionSucceeded", text)


async def request_of(
    repository: GitRepository, includes: Sequence[Include], run: Run
) -> GitRequest:
    """What to fetch, with the credentials of its Secret and the keys that are trusted.

    Raises AuthenticationFailed, VerificationError, IncludeWithoutArtifact.
    """
    spec, settings = repository.spec, run.engine.settings
    reference = spec.ref
    access = await access_to(repository, run)
    return GitRequest(
        url=spec.url,
        reference=Reference(
            branch=reference.branch,
            tag=reference.tag,
            semver=reference.semver,
            name=reference.name,
            commit=reference.commit,
        )
        if reference is not None
        else Reference(),
        credentials=access.credentials,
        proxy=access.proxy,
        ignore=spec.ignore,
        sparse=spec.sparse_checkout,
        recurse_submodules=spec.recurse_submodules,
        included=await included_files(includes, run, spec.timeout),
        trust=await trust_of(repository, run),
        limits=limits_of(settings),
        tenant=repository.metadata.namespace,
    )


async def fetched_in_time(request: GitRequest, repository: GitRepository, run: Run) -> Fetched:
    """The commit, within `spec.timeout`.  Raises GitOperationFailed when the time is over."""
    limit = repository.spec.timeout
    try:
        with anyio.fail_after(limit):
            fetch = partial(fetched_with_access, request, repository, run)
            return await run.said_while("reconciliation in progress", fetch)
    except TimeoutError:
        raise GitOperationFailed(
            f"failed to checkout and determine revision: unable to clone '{request.url}': no "
            f"complete answer within {format_duration(limit)} (spec.timeout): the server is slow, "
            "hangs, or is not reached through a proxy or firewall"
        ) from None


async def kept(
    fetched: Fetched, repository: GitRepository, includes: Sequence[Include], run: Run
) -> dict[str, Any] | None:
    """The artifact that is stored already; None: there is none of that commit, or not intact."""
    described = run.status.get("artifact") or {}
    if described.get("revision") != fetched.revision or is_reconfigured(repository):
        return None  # an old file is not read to see whether it is intact
    if not is_as_included(includes, run.status):
        return None
    return await run.engine.depot.kept(described)


def is_reconfigured(repository: GitRepository) -> bool:
    """Whether the stored artifact was made with other settings."""
    spec, status = repository.spec, repository.status
    observed = (
        (spec.ignore, status.observed_ignore),
        (spec.recurse_submodules, status.observed_recurse_submodules),
        (spec.include, status.observed_include),
        (spec.sparse_checkout, status.observed_sparse_checkout),
    )
    return any(now != before for now, before in observed)


def news(fetched: Fetched, includes: Sequence[Include], run: Run) -> tuple[str, str]:
    """(reason, text): why an artifact is made; no reason if only the spec is another one."""
    text = f"new upstream revision '{fetched.revision}'"
    if (run.status.get("artifact") or {}).get("revision") != fetched.revision:
        return "NewRevision", text
    if not is_as_included(includes, run.status):
        return "IncludeChange", "included artifacts differ from last observed includes"
    return "", text
