"""Keep the artifact of one GitRepository at what its reference means in Git now.

Order of steps: flux-behaviour 3.4; conditions and messages: 3.3.
"""

from typing import Any

import anyio

from engine.api.duration import format_duration
from engine.api.meta import (
    ARTIFACT_IN_STORAGE,
    FETCH_FAILED,
    STORAGE_OPERATION_FAILED,
    SUCCEEDED,
)
from engine.api.source import GitRepository
from engine.cluster import ApiError
from engine.errors import Failure, FeatureGateDisabled
from engine.objects.ref import Object, Ref
from engine.reconcile.outcome import Result
from engine.reconcile.run import Run
from engine.reconcile.secrets import values_of
from engine.source.artifact import Artifact
from engine.source.credentials import ANONYMOUS, Credentials
from engine.source.depot import limits_of
from engine.source.failures import (
    ArchiveOperationFailed,
    AuthenticationFailed,
    GitOperationFailed,
)
from engine.source.git import Fetched, GitRequest
from engine.source.git_refs import Reference
from engine.source.transport import secrets_in
from engine.status.conditions import condition, with_condition, without_conditions
from engine.telemetry import span

_SUBJECT = 50  # characters of a commit's subject in an event, as Flux cuts it


async def reconcile(repository: GitRepository, run: Run) -> Result:
    """Lists the remote, fetches what is new, and stores it as an artifact."""
    check_supported(repository)
    request = await request_of(repository, run)  # AuthenticationFailed
    with span("fetch", url=request.url):
        fetched = await fetched_in_time(request, repository, run)  # GitOperationFailed, ...
    described = await kept(fetched, repository, run)
    if described is None:
        await run.progress(f"building artifact: new upstream revision '{fetched.revision}'")
        with span("store", revision=fetched.revision):
            wall = run.engine.clock.wall()
            described = await run.engine.depot.store(run.turn.key, fetched, wall)
        tell_new(fetched, described, run)
    artifact = Artifact(fetched.revision, described["digest"], fetched.tree)
    run.engine.artifacts.put(run.turn.key, artifact)
    return stored(repository, described, run)


async def finalize(repository: GitRepository, run: Run) -> None:
    """Removes what was stored for the repository."""
    run.engine.artifacts.forget(run.turn.key)
    await run.engine.depot.remove(run.turn.key)
    if repository.status.artifact is not None:
        text = "garbage collected artifacts for deleted resource"
        run.emit("Trace", "GarbageCollectionSucceeded", text)


def check_supported(repository: GitRepository) -> None:
    """Raises FeatureGateDisabled for a field that this version would have to ignore.

    Ignoring one could bring in files that nobody signed, or leave out files that are needed.
    """
    spec = repository.spec
    fields = {
        "spec.verify": spec.verify,
        "spec.include": spec.include,
        "spec.recurseSubmodules": spec.recurse_submodules,
        "spec.sparseCheckout": spec.sparse_checkout,
        "spec.proxySecretRef": spec.proxy_secret_ref,
        "spec.serviceAccountName": spec.service_account_name,
        f"spec.provider '{spec.provider}'": spec.provider != "generic",
    }
    for name, value in fields.items():
        if value:
            raise FeatureGateDisabled(
                f"{name} is not supported by this version of Lockstep: remove the field, or run "
                "Flux's source-controller beside Lockstep with --sources=none"
            )


async def request_of(repository: GitRepository, run: Run) -> GitRequest:
    """What to fetch, with the credentials of its Secret.  Raises AuthenticationFailed."""
    spec, settings = repository.spec, run.engine.settings
    reference = spec.ref
    run.secrets += secrets_in(spec.url)
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
        credentials=await _credentials(repository, run),
        ignore=spec.ignore,
        limits=limits_of(settings),
    )


async def fetched_in_time(request: GitRequest, repository: GitRepository, run: Run) -> Fetched:
    """The commit, within `spec.timeout`.  Raises GitOperationFailed when the time is over."""
    limit = repository.spec.timeout
    try:
        with anyio.fail_after(limit):
            return await run.engine.depot.fetch(request)
    except TimeoutError:
        raise GitOperationFailed(
            f"failed to checkout and determine revision: unable to clone '{request.url}': no "
            f"complete answer within {format_duration(limit)} (spec.timeout): the server is slow, "
            "hangs, or is not reached through a proxy or firewall"
        ) from None


async def kept(fetched: Fetched, repository: GitRepository, run: Run) -> dict[str, Any] | None:
    """The artifact that is stored already; None: there is none of that commit, or not intact."""
    described = run.status.get("artifact") or {}
    if described.get("revision") != fetched.revision or is_reconfigured(repository):
        return None  # an old file is not read to see whether it is intact
    return await run.engine.depot.kept(described)


def is_reconfigured(repository: GitRepository) -> bool:
    """Whether the stored artifact was made with other settings."""
    return repository.status.observed_ignore != repository.spec.ignore


def tell_new(fetched: Fetched, described: Object, run: Run) -> None:
    """The event of a new artifact."""
    run.changed = True
    subject = fetched.commit.subject
    short = subject if len(subject) <= _SUBJECT else subject[: _SUBJECT - 3] + "..."
    run.emit(
        "Normal",
        "NewArtifact",
        f"stored artifact for commit '{short}'",
        {"revision": fetched.revision, "digest": described["digest"]},
    )


def stored(repository: GitRepository, described: Object, run: Run) -> Result:
    """The end of a good run."""
    run.status["artifact"] = dict(described)
    if repository.spec.ignore is None:
        run.status.pop("observedIgnore", None)
    else:
        run.status["observedIgnore"] = repository.spec.ignore
    message = f"stored artifact for revision '{described['revision']}'"
    generation = run.given["metadata"].get("generation", 0)
    now = run.engine.now()
    new = condition(ARTIFACT_IN_STORAGE, "True", SUCCEEDED, message, generation, now)
    conditions = run.status.get("conditions") or []
    conditions = without_conditions(conditions, FETCH_FAILED, STORAGE_OPERATION_FAILED)
    run.status["conditions"] = with_condition(conditions, new)
    return Result(
        message=message,
        reason=SUCCEEDED,
        requeue_after=repository.spec.interval,
    )


def close(run: Run, reason: str, failure: Failure | None) -> None:
    """Says in its own condition which part failed."""
    if failure is not None:
        run.engine.artifacts.failure(run.turn.key).set()
    if failure is None or failure.reason in ("Failed", "FeatureGateDisabled"):
        return
    is_storage = isinstance(failure, ArchiveOperationFailed)
    name = STORAGE_OPERATION_FAILED if is_storage else FETCH_FAILED
    generation = run.given["metadata"].get("generation", 0)
    new = condition(name, "True", reason, failure.message, generation, run.engine.now())
    run.status["conditions"] = with_condition(run.status.get("conditions") or [], new)


async def _credentials(repository: GitRepository, run: Run) -> Credentials:
    reference = repository.spec.secret_ref
    if reference is None:
        return ANONYMOUS
    ref = Ref("", "Secret", repository.metadata.namespace, reference.name)
    try:
        data = await values_of("Secret", ref.namespace, ref.name, run)
    except ApiError as error:
        raise AuthenticationFailed(
            f"failed to get secret '{ref.namespace}/{ref.name}': {error}"
        ) from error
    if data is None:
        raise AuthenticationFailed(
            f"failed to get secret '{ref.namespace}/{ref.name}': secrets \"{ref.name}\" not found; "
            "create it, or correct spec.secretRef.name"
        )
    credentials = Credentials.from_secret(data, f"{ref.namespace}/{ref.name}")
    run.secrets += credentials.secrets
    return credentials
