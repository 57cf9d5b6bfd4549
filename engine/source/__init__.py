"""Stage 1: from a source to an Artifact.  Exports its nouns only; each transport has a fetch.

Git: `git.fetch` → `git_tree.GitTree` in a `store.Store`.  Artifacts of other controllers:
`download.download`.  A local folder: `folder.FolderTree`.  What is served to others:
`storage.ArtifactStorage`.  Import these by name: render reads trees and must not load dulwich.
"""

from engine.source.artifact import Artifact
from engine.source.tree import Entry, Form, MemoryTree, Tree

__all__ = ["Artifact", "Entry", "Form", "MemoryTree", "Tree"]
