"""The source of a Kustomization: which object it is, and the artifact that it holds now."""

from dataclasses import dataclass

from engine.api.kustomize import Kustomization
from engine.api.meta import SOURCE_GROUP
from engine.errors import AccessDenied, ArtifactFailed, ArtifactPending
from engine.objects.ref import Object, Ref
from engine.reconcile.run import Run
from engine.source.artifact import Artifact
from engine.source.tree import Form

SOURCE_KINDS = ("GitRepository", "OCIRepository", "Bucket", "ExternalArtifact")
_PENDING_RETRY = 30.0  # seconds, as Flux says in its message; the source's own event is faster


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


def source_of(ks: Kustomization, run: Run) -> Source:
    """The source, as last told.  Raises AccessDenied, ArtifactFailed, ArtifactPending."""
    ref = source_ref(ks)
    blocked = run.engine.settings.no_cross_namespace_refs
    if blocked and ref.namespace != ks.metadata.namespace:
        raise AccessDenied(f"can't access '{ref}', cross-namespace references have been blocked")
    obj = run.engine.mirror.get(ref)
    if obj is None:
        text = f'{ref.kind}.{ref.group} "{ref.name}" not found in namespace "{ref.namespace}"'
        raise SourceNotFound(text)
    if not ((obj.get("status") or {}).get("artifact") or {}).get("revision"):
        raise ArtifactPending(
            "Source artifact not found, retrying in 30s", retry_after=_PENDING_RETRY
        )
    return Source(ref, obj)


async def current_artifact(source: Source, run: Run) -> Artifact:
    """The artifact of the revision that the source holds.  Raises ArtifactFailed."""
    return await run.engine.artifacts.current(source.ref, source.artifact)


def check_path(artifact: Artifact, ks: Kustomization) -> None:
    """Raises ArtifactFailed if `spec.path` is not a folder of the artifact."""
    if not artifact.tree.names(""):
        raise ArtifactFailed(
            f"the source is empty at revision {artifact.revision}: nothing is applied or pruned"
        )
    path = clean_path(ks.spec.path)
    entry = artifact.tree.entry(path)
    if entry is None:
        raise ArtifactFailed(
            f"kustomization path not found: '{ks.spec.path}' does not exist at revision "
            f"{artifact.revision}{_near(artifact, path)}"
        )
    if entry.form is not Form.FOLDER:
        raise ArtifactFailed(
            f"kustomization path not found: '{ks.spec.path}' is a file, not a folder"
        )


def clean_path(path: str) -> str:
    """The path inside the tree: `..` cannot lead out of it (as Flux's secure join)."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


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


class SourceNotFound(ArtifactFailed):
    """The source object does not exist (yet); its creation wakes the Kustomization."""

    event = False

    @property
    def reason(self) -> str:
        """As Flux writes it."""
        return "ArtifactFailed"
