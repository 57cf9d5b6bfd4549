"""The source of a Kustomization: which object it is, and the artifact that it holds now."""

from dataclasses import dataclass

import anyio

from engine.api.duration import format_duration
from engine.api.kustomize import Kustomization
from engine.api.meta import SOURCE_GROUP
from engine.api.paths import clean_path
from engine.errors import AccessDenied, ArtifactFailed, ArtifactPending, FolderLost
from engine.objects.ref import Object, Ref
from engine.reconcile.run import Run
from engine.source.artifact import Artifact
from engine.source.tree import Form

_FIRST_TRY = 10.0  # seconds; a Git server that takes longer is worth a word in the status
SOURCE_KINDS = ("GitRepository", "OCIRepository", "Bucket", "ExternalArtifact")


class Outdated(Exception):  # noqa: N818 - not an error, a reason to begin again
    """What the run began with is not true any more: it is to be run again, and says nothing."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source object that holds an artifact."""

    ref: Ref
    obj: Object

    @property
    def artifact(self) -> Object:
        """`status.artifact`."""
        found: Object = self.obj["status"]["artifact"]
        return found

    @property
    def revision(self) -> str:
        """The revision that the source holds."""
        return str(self.artifact["revision"])

    @property
    def origin_revision(self) -> str:
        """The revision from which the artifact was made, "" if it does not say."""
        metadata = self.artifact.get("metadata") or {}
        return str(metadata.get("org.opencontainers.image.revision", ""))

    def told(self) -> dict[str, str]:
        """The metadata of events about this revision."""
        origin = self.origin_revision
        return {"revision": self.revision, **({"originRevision": origin} if origin else {})}


def source_ref(ks: Kustomization) -> Ref:
    """The object that `spec.sourceRef` names."""
    wanted = ks.spec.source_ref
    namespace = wanted.namespace or ks.metadata.namespace
    return Ref(SOURCE_GROUP, wanted.kind, namespace, wanted.name)


async def source_of(ks: Kustomization, run: Run) -> Source:
    """The source, as last told.  Raises AccessDenied, ArtifactPending, Outdated."""
    ref = source_ref(ks)
    blocked = run.engine.settings.no_cross_namespace_refs
    if blocked and ref.namespace != ks.metadata.namespace:
        raise AccessDenied(f"can't access '{ref}', cross-namespace references have been blocked")
    await _first_try(ref, run)
    if run.turn.superseded.is_set():  # nothing is done yet; going on, it would be cut off later
        raise Outdated(f"{ref} holds another artifact now, or something else is wanted")
    obj = run.engine.mirror.get(ref)
    if obj is None:
        text = f'{ref.kind}.{ref.group} "{ref.name}" not found in namespace "{ref.namespace}"'
        raise ArtifactPending(text)  # its creation wakes the Kustomization
    if not _revision_of(obj):
        pause = run.engine.settings.requeue_dependency  # the source's own event is faster
        text = f"Source artifact not found, retrying in {format_duration(pause)}"
        raise ArtifactPending(text, retry_after=pause)
    return Source(ref, obj)


def _revision_of(source: Object) -> str:
    """The revision of the artifact that a source object holds, "" if it holds none."""
    artifact = (source.get("status") or {}).get("artifact") or {}
    return str(artifact.get("revision", ""))


async def _first_try(ref: Ref, run: Run) -> None:
    """Returns once there is something true to say of the source; holds no slot while it waits.

    While this engine fetches it for the first time, that it has no artifact is no news: the next
    second says otherwise.
    """
    if ref.kind != "GitRepository" or run.engine.settings.sources != "git":
        return  # another controller's
    obj = run.engine.mirror.get(ref)
    if obj is None or _revision_of(obj) or (obj.get("spec") or {}).get("suspend"):
        return
    clock, failure = run.engine.clock, run.engine.artifacts.failure(ref)
    if failure.is_set():
        return
    async with run.turn.yielded():
        with run.turn.until_superseded():
            await clock.wait(failure, clock.monotonic() + _FIRST_TRY)


async def current_artifact(source: Source, ks: Kustomization, run: Run) -> Artifact:
    """The artifact of the revision that the source holds.  Raises ArtifactFailed, Outdated."""
    held = run.engine.artifacts.get(source.ref)
    if held is not None and held.digest == source.artifact["digest"]:
        return held
    if source.ref.kind == "GitRepository" and run.engine.settings.sources == "git":
        await _own_look(source, run)
        await _fetched_here(source, ks, run)
    try:
        with anyio.fail_after(ks.timeout):
            return await run.engine.artifacts.current(source.ref, source.artifact)
    except TimeoutError:
        raise ArtifactFailed(
            f"failed to download artifact from '{source.artifact.get('url')}': no answer within "
            f"{format_duration(ks.timeout)}: is the controller that serves it running?"
        ) from None


async def _own_look(source: Source, run: Run) -> None:
    """Returns once this engine has looked at the source itself; holds no slot while it waits.

    After a start the files are then read from Git, and not unpacked from the artifact, which takes
    seconds for a large one.  Raises Outdated if the source holds another artifact by then.
    """
    artifacts, clock = run.engine.artifacts, run.engine.clock
    tried = artifacts.tried(source.ref)
    if tried.is_set() or (source.obj.get("spec") or {}).get("suspend"):
        return
    async with run.turn.yielded():
        with run.turn.until_superseded():
            await clock.wait(tried, clock.monotonic() + _FIRST_TRY)
    held, digest = artifacts.get(source.ref), source.artifact["digest"]
    if (held is not None and held.digest != digest) or run.turn.superseded.is_set():
        raise Outdated(f"{source.ref} holds another artifact than {digest}")


async def _fetched_here(source: Source, ks: Kustomization, run: Run) -> None:
    """Returns once this engine has the artifact itself; holds no slot while it waits.

    A status that a former engine wrote names an address where perhaps nobody answers any more.
    Raises ArtifactPending if the source is not fetched in time, Outdated if it holds another now.
    """
    artifacts, digest = run.engine.artifacts, source.artifact["digest"]
    held, is_suspended = artifacts.get(source.ref), (source.obj.get("spec") or {}).get("suspend")
    if held is not None and (held.digest == digest or is_suspended):
        return
    if held is None and await run.engine.depot.kept(source.artifact):
        return
    async with run.turn.yielded():
        with run.turn.until_superseded(), anyio.move_on_after(ks.timeout):
            if held is None:
                await artifacts.arrival(source.ref)
            else:  # fetched a moment ago: the status that says so is about to be told
                await _told_otherwise(source, run)
    held, told = artifacts.get(source.ref), run.engine.mirror.get(source.ref)
    is_other = held is not None and held.digest != digest
    if run.turn.superseded.is_set() or (is_other and (told is None or _digest_of(told) != digest)):
        raise Outdated(f"{source.ref} holds another artifact than {digest}")
    if is_other:
        pause = run.engine.settings.requeue_dependency
        text = f"{source.ref} was fetched anew, and its status does not say so yet"
        raise ArtifactPending(text, retry_after=pause)
    if held is None:
        pause = run.engine.settings.requeue_dependency
        text = f"Source artifact is not stored any more, retrying in {format_duration(pause)}"
        raise ArtifactPending(text, retry_after=pause)


async def _told_otherwise(source: Source, run: Run) -> None:
    """Returns once the status of the source names another artifact; 10 s at most."""
    clock, pause = run.engine.clock, 0.05
    until = clock.monotonic() + _FIRST_TRY
    while clock.monotonic() < until:
        now = run.engine.mirror.get(source.ref)
        if now is None or _digest_of(now) != source.artifact["digest"]:
            return
        await clock.sleep(pause)
        pause = min(2 * pause, 1.0)


def _digest_of(source: Object) -> str:
    artifact = (source.get("status") or {}).get("artifact") or {}
    return str(artifact.get("digest", ""))


def check_path(artifact: Artifact, ks: Kustomization) -> None:
    """Raises ArtifactFailed if `spec.path` is not a folder of the artifact, FolderLost if nothing.

    An empty artifact has no folder to be lost.
    """
    path = clean_path(ks.spec.path)
    entry = artifact.tree.entry(path)
    if (not path or entry is None) and not artifact.tree.names(""):
        raise ArtifactFailed(
            f"the source is empty at revision {artifact.revision}: nothing is applied or pruned"
        )
    if entry is None:
        raise FolderLost(
            f"kustomization path not found: '{ks.spec.path}' does not exist at revision "
            f"{artifact.revision}{_near(artifact, path)}"
        )
    if entry.form is not Form.FOLDER:
        raise ArtifactFailed(
            f"kustomization path not found: '{ks.spec.path}' is a file, not a folder"
        )


def _near(artifact: Artifact, path: str) -> str:
    """What there is instead: the folders of the deepest folder that exists."""
    parent = path.rpartition("/")[0]
    while parent and artifact.tree.entry(parent) is None:
        parent = parent.rpartition("/")[0]
    try:
        names = artifact.tree.names(parent)
    except KeyError:
        return ""
    folders = [name for name, entry in names.items() if entry.form is Form.FOLDER]
    where = f"'{parent}'" if parent else "the root"
    return f"; folders in {where}: {', '.join(folders[:20])}" if folders else ""
