"""What a build has read, so that a later revision can tell that it would read the same."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from engine.source.tree import Entry, Form, Tree

MAX_FILES = 10_000
"""Files that one build may read (design.md, section 4)."""


class TooManyFiles(ValueError):  # noqa: N818 (names the limit that was hit)
    """A build that reads more files than it may."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything of a tree that a build's result depends on.

    tree: the id of the whole tree.  files: the id of each file that was read.
    listings: of each folder that was listed, a digest of the names and forms in it.
    probes: of each path that was looked at, its form, "" if nothing stood there.
    folders: the id of each folder above one of those: equal id, all below it equal.
    bases: what was read of each repository that was fetched, by URL.  downloads: the digest of each
    file that was, by URL.  is_pinned: of a repository, that its URL names a commit.
    """

    tree: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    listings: Mapping[str, str] = field(default_factory=dict)
    probes: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[str, "Inputs"] = field(default_factory=dict)
    downloads: Mapping[str, str] = field(default_factory=dict)
    is_pinned: bool = False

    @property
    def remotes(self) -> frozenset[str]:
        """The URLs that were used."""
        return frozenset((*self.bases, *self.downloads))

    @property
    def moving(self) -> tuple[frozenset[str], frozenset[str]]:
        """(repositories, files): the URLs that may stand for something else the next time."""
        bases = (url for url, inputs in self.bases.items() if not inputs.is_pinned)
        return frozenset(bases), frozenset(self.downloads)

    def places(self) -> frozenset[str]:
        """Where another tree must differ for a build to find something else there: few paths.

        A folder stands for all that lies right in it (`changed_places`).
        """
        folders = {_parent(path) for path in self.files} | self.listings.keys()
        return frozenset(folders | {p for p in self.probes if _parent(p) not in folders})

    def hold_in(self, tree: Tree) -> bool:
        """True if a build would find the same in `tree`; what was fetched is not compared."""
        if tree.id == self.tree:
            return True
        same: set[str] = set()
        for path, id_ in sorted(self.folders.items()):  # a folder before those in it
            if _parent(path) in same or _id(tree, path) == id_:
                same.add(path)

        def is_same(path: str) -> bool:
            return _parent(path) in same

        return (
            all(is_same(path) or _id(tree, path) == id_ for path, id_ in self.files.items())
            and all(path in same or _listing(tree, path) == d for path, d in self.listings.items())
            and all(
                is_same(path) or _form(tree, path) == form for path, form in self.probes.items()
            )
        )

    def hold_remotely(self, bases: Mapping[str, Tree], files: Mapping[str, bytes]) -> bool:
        """True if a build would find the same in what the URLs stand for now.

        bases, files: by URL, at least those that are `moving`.
        """
        moving_bases, moving_files = self.moving
        return all(
            url in bases and self.bases[url].hold_in(bases[url]) for url in moving_bases
        ) and all(
            url in files and url not in bases and _digest(files[url]) == self.downloads[url]
            for url in moving_files
        )


@dataclass(slots=True)
class Apart:
    """What is noted of a part of a build; is_local: nothing from outside of the tree was wanted."""

    is_local: bool = True


class Recorder:
    """A Tree that notes what it is asked for."""

    def __init__(self, tree: Tree, max_files: int = MAX_FILES) -> None:
        """max_files: reading more different files raises TooManyFiles."""
        self._tree = tree
        self._max_files = max_files
        self._count = count(1)
        self._counted: set[str] = set()
        self._files: dict[str, str] = {}
        self._listings: dict[str, str] = {}
        self._probes: dict[str, str] = {}
        self._found: dict[str, Entry | None] = {}  # what stands where, noted or not
        self._bases: dict[str, Recorder] = {}
        self._downloads: dict[str, str] = {}
        self._is_base = self._is_pinned = False
        self._apart: list[Apart] = []  # the parts that are being built, the outermost first

    @property
    def id(self) -> str:
        """The content id of the whole tree; asking for it is not noted."""
        return self._tree.id

    @property
    def inputs(self) -> Inputs:
        """What was asked for so far."""
        paths = (*self._files, *self._probes)
        folders = {_parent(path) for path in paths} | set(self._listings)
        folders |= {above for path in folders for above in _above(path)}
        return Inputs(
            self._tree.id,
            dict(self._files),
            dict(self._listings),
            dict(self._probes),
            {path: entry.id for path in folders if (entry := self._at(path)) is not None},
            {} if self._is_base else {url: base.inputs for url, base in self._bases.items()},
            {} if self._is_base else dict(self._downloads),
            self._is_pinned,
        )

    def entry(self, path: str) -> Entry | None:
        """What stands at `path`, None if nothing does."""
        entry = self._at(path)
        self._probes[path] = entry.form.value if entry else ""
        return entry

    def names(self, path: str) -> Mapping[str, Entry]:
        """The folder's entries by name, sorted; KeyError if `path` is no folder."""
        names = self._tree.names(path)
        self._listings[path] = _listing(self._tree, path)
        return names

    def read(self, path: str) -> bytes:
        """The file's content; KeyError if `path` is no file.  May raise TooManyFiles."""
        content = self._tree.read(path)
        if path not in self._files:
            entry = self._at(path)
            self._files[path] = entry.id if entry else ""
            self._count_file(path)
        return content

    def _count_file(self, path: str) -> None:
        """Raises TooManyFiles."""
        if path in self._counted:
            return
        self._counted.add(path)
        if next(self._count) > self._max_files:
            raise TooManyFiles(
                f"{path!r} is one file too many: a build may read {self._max_files:,}; split "
                "it into several Kustomizations"
            )

    @contextmanager
    def apart(self) -> Iterator[Apart]:
        """While inside, `inputs` are those of this part; afterwards they are the whole build's."""
        files, listings, probes = self._files, self._listings, self._probes
        self._files, self._listings, self._probes = {}, {}, {}
        apart = Apart()
        self._apart.append(apart)
        try:
            yield apart
        finally:
            self._apart.pop()
            self._files, self._listings, self._probes = (
                files | self._files,
                listings | self._listings,
                probes | self._probes,
            )

    def leave(self) -> None:
        """Note that something from outside of the tree is wanted."""
        for apart in self._apart:
            apart.is_local = False

    def note(self, inputs: Inputs) -> None:
        """Note what a part has read that need not be built.  May raise TooManyFiles."""
        for path in inputs.files:
            self._count_file(path)
        self._files |= inputs.files
        self._listings |= inputs.listings
        self._probes |= inputs.probes

    def would_hold(self, inputs: Inputs) -> bool:
        """True if a part would find the same here; nothing is noted."""
        return inputs.hold_in(self._tree)

    def _at(self, path: str) -> Entry | None:
        """What stands there; the same place is asked for again and again."""
        if path not in self._found:
            self._found[path] = self._tree.entry(path)
        return self._found[path]

    def fetched(self, url: str, tree: Tree, *, is_pinned: bool) -> "Recorder":
        """The recorder of a repository that the build uses, too: what both read counts together."""
        if url not in self._bases:
            other = self._bases[url] = Recorder(tree, self._max_files)
            other._bases, other._downloads = self._bases, self._downloads
            other._count, other._is_base, other._is_pinned = self._count, True, is_pinned
        return self._bases[url]

    def downloaded(self, url: str, content: bytes) -> bytes:
        """The content of a file that was fetched; noted as an input."""
        self._downloads[url] = _digest(content)
        return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _above(path: str) -> Iterator[str]:
    """The folders that the path is in, not the root: that its id differs is known by then."""
    while path := _parent(path):
        yield path


def _id(tree: Tree, path: str) -> str | None:
    entry = tree.entry(path)
    return entry.id if entry else None


def _form(tree: Tree, path: str) -> str:
    entry = tree.entry(path)
    return entry.form.value if entry else ""


def _listing(tree: Tree, path: str) -> str:
    entry = tree.entry(path)
    if entry is None or entry.form is not Form.FOLDER:
        return ""
    lines = "".join(f"{item.form} {name}\n" for name, item in tree.names(path).items())
    return hashlib.sha256(lines.encode()).hexdigest()
