"""Which Kustomizations may want the same objects, judged from their texts.

Source: design section 5, "Deleting": a new name, a new namespace, a new source, a part of an old
one must be able to take over what runs, before anybody has built it.
"""

from dataclasses import dataclass

from engine.api.paths import clean_path, overlap
from engine.objects.ref import Object, Ref
from engine.plan.policy import OWNER_LABELS


@dataclass(frozen=True, slots=True)
class Kin:
    """What a Kustomization is made of.

    source: the object that it names.  repository: see `repository_of`, "" where nothing tells.
    path: clean.  target: namespace of all that it makes, "" for any.  parent: owner labels of the
    Kustomization that made it, empty if a person did.  is_new: it was never built.
    """

    source: Ref
    repository: str = ""
    path: str = ""
    target: str = ""
    parent: tuple[str, ...] = ()
    is_new: bool = False

    @classmethod
    def of(cls, ks: Object, source: Ref, repository: str, *, is_built: bool) -> "Kin":
        """Of a Kustomization as it is now, however malformed.

        is_built: since the engine began; its status may tell of an earlier build.
        """
        spec, status = ks.get("spec") or {}, ks.get("status") or {}
        labels = ks["metadata"].get("labels") or {}
        return cls(
            source,
            repository,
            clean_path(str(spec.get("path") or "")),
            str(spec.get("targetNamespace") or ""),
            tuple(str(labels[key]) for key in OWNER_LABELS if key in labels),
            not is_built and not status.get("lastAppliedRevision"),
        )

    def may_make(self, ref: Ref) -> bool:
        """Whether an object of that name could come out of its build."""
        return not self.target or ref.namespace in ("", self.target)

    def is_related(self, other: "Kin") -> bool:
        """Whether `other` may want what `self` has: it is made of the same source.

        Or it may be, as the source is unknown, or was replaced in the same commit by one of
        another address: that only counts for who is new.
        """
        if self.source == other.source:
            return True
        if self.repository and other.repository:
            is_same = self.repository == other.repository
        else:
            is_same = other.is_new and overlap(self.path, other.path)
        return is_same or (other.is_new and bool(self.parent) and self.parent == other.parent)

    def is_heir(self, other: "Kin") -> bool:
        """Whether `other` takes the place of `self`, or of a part: new, and of the same files."""
        return other.is_new and overlap(self.path, other.path) and self.is_related(other)


def repository_of(source: Object | None) -> str:
    """What a source reads, however it is written or reached; "" where nothing tells.

    `https://host/a.git`, `ssh://git@host:22/a` and `git@host:a` are one.  The branch is no part of
    it: who changes names changes branches, too.
    """
    spec = (source or {}).get("spec") or {}
    if "bucketName" in spec:
        return f"{spec.get('endpoint', '')}/{spec['bucketName']}"
    scheme, mark, rest = str(spec.get("url") or "").rpartition("://")
    host, _, path = rest.partition("/")
    host = host.rpartition("@")[2]
    if not mark and ":" in host:  # git@host:a
        host, _, first = host.partition(":")
        path = f"{first}/{path}" if path else first
    elif scheme == "ssh":
        host = host.partition(":")[0]
    path = path.strip("/").removesuffix(".git")
    return f"{host.lower()}/{path}" if host or path else ""
