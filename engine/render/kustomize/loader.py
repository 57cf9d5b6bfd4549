"""Open what a kustomization names: files and folders of its tree, nothing else.

Source: kustomize api/internal/loader.
"""

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.render.inputs import Recorder
from engine.render.kustomize.built_bases import BuiltBases
from engine.render.kustomize.config.kustomization import FILE_NAMES
from engine.render.kustomize.declared import Declared
from engine.render.kustomize.errors import KustomizeError, Lacking, Needs
from engine.render.kustomize.hints import hint, what_is_there
from engine.render.kustomize.links import followed
from engine.render.kustomize.model.document import MalformedYaml
from engine.render.kustomize.model.reading import Document, Parse, read, read_one
from engine.render.kustomize.opens import Opens
from engine.render.kustomize.repository import Repository, is_http, parse_repository
from engine.sops import Format
from engine.source.tree import Form, Tree

MAX_PATH = 4_096
"""Characters of a path: what operating systems take."""
MAX_DEPTH = 100
"""Kustomizations inside of each other."""


class NotFound(KustomizeError):  # noqa: N818 (a state, as FileNotFoundError is)
    """A file or folder that is not there, or is not what was wanted."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What the loaders of one build share.

    root_only: files must be in or below the folder of the kustomization that names them.
    mount: the absolute path that the tree's root stands for, for absolute paths in kustomizations.
    overrides: kustomizations in place of what the tree holds; by folder.
    bases, files: what was fetched for a build before, by URL.  failures: why a URL was not.
    parse: reads a file of manifests; one that remembers may give the same documents to any number
    of builds, as none changes them.
    opener: decrypts; None: what is encrypted stays so.
    built: remembers what bases make; None: they are built.
    """

    root_only: bool = True
    mount: str = ""
    overrides: Mapping[str, Declared] = field(default_factory=dict)
    allow_remote: bool = True
    bases: Mapping[str, Tree] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    parse: Parse = read
    opener: Opens | None = None
    built: BuiltBases | None = None


@dataclass(frozen=True, slots=True)
class Loader:
    """A folder of a tree, and the loaders of the kustomizations that led to it."""

    tree: Recorder
    root: str
    reach: Reach
    repository: Repository | None = None
    referrer: "Loader | None" = None

    def read(self, path: str) -> bytes:
        """The file's content.  Raises NotFound with the nearest name, KustomizeError, Lacking."""
        if is_http(path):
            return self._download(path)
        target = self._resolved(path)
        if self._is_confined and not _is_in(target, self.root):
            raise KustomizeError(
                f"security; file {target!r} is not in or below {self.root or '.'!r}"
            )
        entry = self.tree.entry(target)
        if entry is None:
            raise NotFound(f"no such file {target!r}{hint(self.tree, target)}")
        if entry.form is not Form.FILE:
            raise NotFound(f"{target!r} is a folder, not a file")
        return self.tree.read(target)

    def opened(self, path: str, form: Format) -> bytes:
        """The file's content, decrypted where the build decrypts; else as `read`.

        form: as its name, or that of what it becomes, says.  What was fetched is left as it is.
        """
        content, opener = self.read(path), self.reach.opener
        if opener is None or self.is_remote or is_http(path):
            return content
        return opener.file(content, self.join(path), form)

    def documents(self, path: str) -> Sequence[Document]:
        """The documents of a file of manifests; never to be changed.  Raises KustomizeError."""
        file = path if is_http(path) else self.join(path)
        content, opener = self.read(path), self.reach.opener
        return self.reach.parse(opener.noted(content, file) if opener else content, file)

    def form(self, path: str) -> Form | None:
        """What stands at the path, None if nothing does.  Raises KustomizeError outside of it."""
        entry = self.tree.entry(self._resolved(path))
        return entry.form if entry else None

    def child(self, path: str) -> "Loader":
        """The loader of a folder or repository.  Raises NotFound, KustomizeError, Lacking."""
        if not path:
            raise KustomizeError("an empty path names no folder")
        if (repository := parse_repository(path)) is not None:
            return self._remote(path, repository)
        _check_segments(path)
        target = self._resolved(path)
        entry = self.tree.entry(target)
        if entry is None:
            raise NotFound(f"no such file or folder {target!r}{hint(self.tree, target)}")
        if entry.form is not Form.FOLDER:
            raise NotFound(f"{target!r} is a file, not a folder")
        self._check_cycle(target)
        return Loader(self.tree, target, self.reach, None, self)

    def kustomization(self) -> Declared:
        """The folder's kustomization.  Raises KustomizeError."""
        override = self.reach.overrides.get(self.root) if not self.is_remote else None
        names = [name for name in FILE_NAMES if self._is_file(name)]
        if override is not None and len(names) <= 1:
            return override
        if not names:
            wanted = "', '".join(FILE_NAMES)
            raise KustomizeError(
                f"unable to find one of '{wanted}' in folder {self.root or '.'!r}"
                + what_is_there(self.tree, self.root)
            )
        if len(names) > 1:
            raise KustomizeError(
                f"multiple kustomization files in folder {self.root or '.'!r}: {', '.join(names)}"
            )
        file = self.join(names[0])
        content = read_one(self.content(file), file)
        if content is not None and not isinstance(content, dict):
            raise MalformedYaml(f"{file}: invalid Kustomization: a map was expected")
        return Declared(content, names[0])

    def content(self, file: str) -> bytes:
        """What is in a file that is there, by its path in the tree; KeyError if it is not."""
        return self.tree.read(self._followed(file))

    def join(self, name: str) -> str:
        """The path in the tree of a name in this folder."""
        return posixpath.normpath(posixpath.join(self.root, name))

    def place(self, name: str, entry: str) -> str:
        """`file:line` of the entry of a list in a file of this folder; the file if it has none."""
        file = self.join(name)
        content = self.content(file).decode(errors="replace") if self._is_file(name) else ""
        lines = content.splitlines()
        token = re.compile(rf"""(?<![^\s\[,'"]){re.escape(entry)}(?![^\s\],'"])""")
        listed = (number for number, text in enumerate(lines, 1) if _entry_of(text) == entry)
        inside = (number for number, text in enumerate(lines, 1) if token.search(text))
        line = next(listed, 0) or next(inside, 0)
        return f"{file}:{line}" if line else file

    @property
    def chain(self) -> list[str]:
        """The folders from the build's root to here."""
        above = self.referrer.chain if self.referrer else []
        return [*above, self.repository.clone if self.repository else self.root or "."]

    @property
    def _is_confined(self) -> bool:
        return self.reach.root_only or self.is_remote

    @property
    def is_remote(self) -> bool:
        """True inside of a repository that was fetched."""
        return self.repository is not None or (
            self.referrer is not None and self.referrer.is_remote
        )

    def _is_file(self, name: str) -> bool:
        """Whether a name in this folder stands for a file that may be read here."""
        try:
            target = self._followed(self.join(name))
        except KustomizeError:
            return False
        entry = self.tree.entry(target)
        is_within = not self.is_remote or _is_in(target, self.root)
        return is_within and entry is not None and entry.form is Form.FILE

    def _followed(self, path: str) -> str:
        """The path without links: only a repository that was fetched has any."""
        return followed(self.tree, path) if self.is_remote else path

    def _resolved(self, path: str) -> str:
        """A path of the tree, links followed.  Raises KustomizeError if it leads out of it."""
        if len(path) > MAX_PATH:
            raise KustomizeError(f"path {path[:40]!r}... is longer than {MAX_PATH:,} characters")
        if path.startswith("/"):
            mount = "" if self.is_remote else self.reach.mount.rstrip("/")
            if not mount or not _is_in(posixpath.normpath(path), mount):
                raise KustomizeError(f"path {path!r} is absolute: it is outside of the source")
            return posixpath.normpath(path).removeprefix(mount).strip("/")
        target = posixpath.normpath(posixpath.join(self.root, path))
        if target == ".." or target.startswith("../"):
            raise KustomizeError(f"path {path!r} in {self.root or '.'!r} leads out of the source")
        return self._followed("" if target == "." else target)

    def _check_cycle(self, target: str) -> None:
        loader: Loader | None = self
        depth = 0
        while loader is not None and loader.tree is self.tree:
            if _is_in(loader.root, target):
                chain = " -> ".join([*self.chain, target or "."])
                raise KustomizeError(
                    f"cycle detected: {target or '.'!r} contains {loader.root or '.'!r}, "
                    f"which is being built: {chain}"
                )
            loader, depth = loader.referrer, depth + 1
        if depth > MAX_DEPTH:
            raise KustomizeError(f"kustomizations are nested deeper than {MAX_DEPTH}: {target!r}")

    def has_room(self, depth: int) -> bool:
        """Whether so many kustomizations inside of each other may follow."""
        return len(self.chain) + depth <= MAX_DEPTH

    def is_led_through(self, folders: Sequence[str]) -> bool:
        """Whether a kustomization that led here is in one of the folders."""
        loader = self.referrer
        while loader is not None:
            if any(_is_in(loader.root, folder) for folder in folders):
                return True
            loader = loader.referrer
        return False

    def _download(self, url: str) -> bytes:
        self.tree.leave()
        if not self.reach.allow_remote:
            raise KustomizeError(f"remote resource {url!r} is not allowed (--no-remote-bases)")
        if url in self.reach.files:
            return self.tree.downloaded(url, self.reach.files[url])
        if url in self.reach.bases:
            raise NotFound(f"{url!r} is a repository, not a file")
        if url in self.reach.failures:
            raise KustomizeError(f"cannot fetch {url!r}: {self.reach.failures[url]}")
        raise Lacking(Needs(files=frozenset({url})))

    def check_no_repository(self, url: str) -> None:
        """Raises Lacking if a file that was fetched may be the web page of a repository."""
        reach = self.reach
        if url in reach.files and url not in reach.failures and parse_repository(url) is not None:
            raise Lacking(Needs(bases=frozenset({url})))

    def _remote(self, url: str, repository: Repository) -> "Loader":
        self.tree.leave()
        if not self.reach.allow_remote:
            raise KustomizeError(f"remote base {url!r} is not allowed (--no-remote-bases)")
        if len(self.chain) > MAX_DEPTH:
            raise KustomizeError(f"kustomizations are nested deeper than {MAX_DEPTH}: {url!r}")
        self._check_repository_cycle(url, repository)
        if url in self.reach.failures:
            raise KustomizeError(f"cannot fetch {url!r}: {self.reach.failures[url]}")
        if url not in self.reach.bases:
            raise Lacking(Needs(bases=frozenset({url})))
        tree = self.tree.fetched(url, self.reach.bases[url], is_pinned=repository.is_pinned)
        folder = posixpath.normpath(repository.folder.strip("/"))
        root = followed(tree, "" if folder == "." else folder)
        entry = tree.entry(root)
        if entry is None or entry.form is not Form.FOLDER:
            raise NotFound(f"no folder {root!r} in {url!r}")
        return Loader(tree, root, self.reach, repository, self)

    def _check_repository_cycle(self, url: str, repository: Repository) -> None:
        loader: Loader | None = self
        while loader is not None:
            if loader.repository == repository:
                raise KustomizeError(f"cycle detected: {url!r} refers to itself")
            loader = loader.referrer


def _entry_of(line: str) -> str:
    """What a line of a YAML list says, "" if it is none."""
    dash, _, item = line.strip().partition(" ")
    text = item.partition(" #")[0].strip()
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return (text[1:-1] if is_quoted else text) if dash == "-" else ""


def _is_in(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(folder + "/")


def _check_segments(path: str) -> None:
    if path.startswith("/"):
        raise KustomizeError(f"new root {path!r} cannot be absolute")
    for part in path.split("/"):
        if ".." in part and part != "..":
            raise KustomizeError(
                f"path {path!r} is ambiguous: {part!r} looks like a misplaced '..'; "
                "check the indentation in the kustomization file"
            )
