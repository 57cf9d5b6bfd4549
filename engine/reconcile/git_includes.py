"""The artifacts of other GitRepositories that are put into one: `spec.include`.

Source: flux-behaviour 3.3 and 3.4, source-controller fetchIncludes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import anyio

from engine.api.meta import SOURCE_GROUP
from engine.api.source import GitInclude, GitRepository
from engine.errors import ArtifactFailed
from engine.objects.ref import Object, Ref
from engine.reconcile.cycles import cycle_of
from engine.reconcile.references import included_by
from engine.reconcile.run import Run
from engine.source.artifact import Artifact
from engine.source.failures import IncludeNotFound, IncludeWithoutArtifact
from engine.source.include import Included


@dataclass(frozen=True, slots=True)
class Include:
    """Another GitRepository's artifact, as its status describes it, and what is taken of it."""

    wanted: GitInclude
    ref: Ref
    described: Object


def includes_of(repository: GitRepository, run: Run) -> list[Include]:
    """What is to be included, in the order of the spec.

    Raises IncludeNotFound or IncludeWithoutArtifact.
    """
    return [_include(each, run) for each in repository.spec.include]


def _include(wanted: GitInclude, run: Run) -> Include:
    name, pause = wanted.repository.name, run.engine.settings.requeue_dependency
    ref = Ref(SOURCE_GROUP, "GitRepository", run.turn.key.namespace, name)
    obj = run.engine.mirror.get(ref)
    if obj is None:
        raise IncludeNotFound(
            f"could not get resource for include '{name}': "
            f'gitrepositories.{SOURCE_GROUP} "{name}" not found',
            retry_after=pause,
        )
    cycle = cycle_of(run.turn.key, [ref], lambda each: _included_by(each, run))
    if cycle:  # each would hold the other's last artifact, and grow for ever
        raise IncludeWithoutArtifact(
            f"no artifact available for include '{name}': the GitRepositories include each other, "
            f"{cycle}: remove one of these includes",
            retry_after=pause,
        )
    described = (obj.get("status") or {}).get("artifact")
    if not described:
        raise _without_artifact(name, run)
    return Include(wanted, ref, described)


def _included_by(ref: Ref, run: Run) -> Iterable[Ref]:
    obj = run.engine.mirror.get(ref)
    return included_by(obj) if obj is not None else ()


def _without_artifact(name: str, run: Run, why: str = "") -> IncludeWithoutArtifact:
    text = f"no artifact available for include '{name}'" + (f": {why}" if why else "")
    return IncludeWithoutArtifact(text, retry_after=run.engine.settings.requeue_dependency)


async def included_files(
    includes: Sequence[Include], run: Run, limit: float
) -> tuple[Included, ...]:
    """The files of each; limit: seconds for all.  Raises IncludeWithoutArtifact."""
    try:
        with anyio.fail_after(limit):
            return tuple([await _files(each, run) for each in includes])
    except TimeoutError:
        raise _without_artifact(includes[0].ref.name, run, "it is still being fetched") from None


async def _files(include: Include, run: Run) -> Included:
    wanted = include.wanted
    try:
        artifact = await _artifact(include, run)
    except ArtifactFailed as failure:
        raise _without_artifact(include.ref.name, run, failure.message) from failure
    return Included(include.ref.name, artifact.tree, wanted.from_path, wanted.to_path)


async def _artifact(include: Include, run: Run) -> Artifact:
    """What the other one holds; after a restart this engine first fetches it again itself."""
    artifacts, described = run.engine.artifacts, include.described
    is_here = artifacts.get(include.ref) or await run.engine.depot.kept(described)
    if not is_here and run.engine.settings.sources == "git":
        async with run.turn.yielded():
            with run.turn.until_superseded():
                await artifacts.arrival(include.ref)
    held = artifacts.get(include.ref)
    if held is not None and held.digest == described["digest"]:
        return held
    return await artifacts.current(include.ref, described)


def is_as_included(includes: Sequence[Include], status: Object) -> bool:
    """Whether the stored artifact was made with just these."""
    made_of = [
        (each.get("revision"), each.get("digest")) for each in status.get("includedArtifacts") or ()
    ]
    return made_of == [
        (each.described.get("revision"), each.described.get("digest")) for each in includes
    ]
