"""What a source gives: a revision, its digest and the tree of its files."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.source.tree import Tree


@dataclass(frozen=True, slots=True)
class Artifact:
    """One fetched revision.

    revision: as Flux writes it, `main@sha1:<hex>`.  digest: `sha256:<hex>` of the tar.gz that is
    served to other controllers.  metadata: e.g. `org.opencontainers.image.revision`.
    """

    revision: str
    digest: str
    tree: Tree
    metadata: Mapping[str, str] = field(default_factory=dict)
