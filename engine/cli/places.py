"""The files that stand for a source: a folder here, a commit of its repository, or the artifact."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import click

from engine.api import KINDS
from engine.api.kustomize import Kustomization
from engine.api.meta import SOURCE_GROUP
from engine.cli.problems import Problem
from engine.cluster import Client
from engine.cluster.resource import resource_of
from engine.errors import ArtifactFailed, Failure
from engine.objects.ref import Object
from engine.source.committed import committed_tree
from engine.source.folder import FolderTree
from engine.source.ignore import Pattern
from engine.source.tree import Form, MemoryTree, Tree

_PATIENCE = 30.0  # seconds for the download of an artifact


@dataclass(frozen=True, slots=True)
class Place:
    """A tree, and the folder in it that is to be built.   root: of its repository, if it has one.

    ignored: patterns that left files out.
    """

    tree: Tree
    path: str
    root: Path | None = None
    ignored: tuple[str, ...] = ()

    def beside(self, path: str) -> "Place":
        """Another folder of the same tree."""
        return replace(self, path=path)

    def at(self, commit: str) -> "Place":
        """The same folder as a commit has it.  Raises ArtifactFailed."""
        if self.root is None:
            raise ArtifactFailed("there is no repository to look into")
        tree = committed_tree(self.root, commit, _patterns(self.ignored, self.path))
        return replace(self, tree=tree)


def work_tree(path: Path) -> Path:
    """The nearest folder at or above `path` that Git manages, `path` itself without one."""
    inner = path.resolve()
    return next((each for each in (inner, *inner.parents) if (each / ".git").exists()), inner)


def below(root: Path, path: Path) -> str:
    """The path from the root, with slashes.  Raises click.UsageError if it is outside."""
    try:
        return path.resolve().relative_to(root).as_posix()
    except ValueError:
        raise click.UsageError(f"'{path}' is not below the root '{root}'") from None


def folder_at(path: Path, root: Path | None = None, ignored: tuple[str, ...] = ()) -> Place:
    """A folder as it is now.

    root: what stands for the source, by default the Git work tree that `path` is in.
    ignored: patterns as of a `.sourceignore` in `path`.   Raises click.UsageError.
    """
    whole = (root or work_tree(path)).resolve()
    inner = below(whole, path)
    tree = FolderTree(whole, also=_patterns(ignored, inner))
    return Place(tree, inner, whole if (whole / ".git").exists() else None, ignored)


def commit_at(name: str, path: Path, ignored: tuple[str, ...] = ()) -> Place:
    """The same folder as a commit of its repository has it.  Raises ArtifactFailed."""
    whole = work_tree(path)
    inner = below(whole, path)
    tree = committed_tree(whole, name, _patterns(ignored, inner))
    return Place(tree, inner, whole, ignored)


def _patterns(ignored: tuple[str, ...], inner: str) -> list[Pattern]:
    scope = tuple(part for part in inner.split("/") if part not in ("", "."))
    return [Pattern.parse(line, scope) for line in ignored]


async def artifact_of(ks: Kustomization, client: Client) -> Place:
    """What the source of a Kustomization holds now.  Raises Problem."""
    wanted = ks.spec.source_ref
    kind = KINDS.get((SOURCE_GROUP, wanted.kind))
    namespace = wanted.namespace or ks.metadata.namespace
    title = f"{wanted.kind}/{namespace}/{wanted.name}"
    source = await client.get(resource_of(kind), namespace, wanted.name) if kind else None
    artifact = ((source or {}).get("status") or {}).get("artifact")
    if not artifact:
        state = "holds no artifact" if source else "does not exist"
        raise Problem(f"{title} {state}; give the files with --path")
    try:
        tree = await _downloaded(artifact)
    except (Failure, TimeoutError) as error:
        raise Problem(
            f"the artifact of {title} cannot be had from here: {error or 'no answer'}; give the "
            "files with --path or --ref"
        ) from error
    return Place(tree, ks.spec.path)


async def _downloaded(artifact: Object) -> Tree:
    from engine.source.download import DownloadPolicy, download
    from engine.source.git import Tools
    from engine.source.stores import Stores
    from engine.source.transport import open_session

    with TemporaryDirectory() as folder, closing(Stores(Path(folder))) as stores:
        async with open_session() as session:
            tools = Tools(session, anyio.CapacityLimiter(1), environment=os.environ)
            store = stores.of(str(artifact["url"]))
            policy = DownloadPolicy(attempts=1)
            with anyio.fail_after(_PATIENCE):
                found = await download(
                    str(artifact["url"]), str(artifact["digest"]), store, tools, policy
                )
        return MemoryTree(dict(_files(found, "")))


def _files(tree: Tree, folder: str) -> Iterator[tuple[str, bytes]]:
    for name, entry in tree.names(folder).items():
        path = f"{folder}/{name}" if folder else name
        if entry.form is Form.FOLDER:
            yield from _files(tree, path)
        else:
            yield path, tree.read(path)
