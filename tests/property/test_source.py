"""Laws of trees, archives, ignore rules and versions."""

import io
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.source import archive
from engine.source.folder import FolderTree
from engine.source.git_filter import filtered
from engine.source.git_protocol import Mark, Packets, packet
from engine.source.git_tree import GitTree
from engine.source.git_write import StoredFile, write_tree
from engine.source.ignore import Segment, rules
from engine.source.semver import Constraint, Version
from engine.source.store import Store
from engine.source.tree import Form, MemoryTree, Tree
from tests.support.soak import examples
from tests.support.trees import entries_of

ON_DISK = settings(max_examples=examples(40))  # each example makes a store

NAMES = st.sampled_from(["a", "b", "c.yaml", "d.md", "e.png", "f-g", "h i", "é", "a.b"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
FILES = st.dictionaries(PATHS, st.binary(max_size=30), max_size=12).map(
    lambda files: {
        path: content
        for path, content in files.items()
        if not any(other.startswith(f"{path}/") for other in files)
    }
)
LINES = st.lists(
    st.sampled_from(
        ["a", "/a", "a/", "*.md", "!c.yaml", "/*", "!/b", "b/**", "**/c.yaml", "a/*/b", "# x", ""]
    ),
    max_size=6,
).map("\n".join)


def stored(store: Store, files: Mapping[str, bytes]) -> str:
    blobs = {path: StoredFile(store.add_blob(content)) for path, content in files.items()}
    return write_tree(store, blobs)


def files_of(tree: Tree, folder: str = "") -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name, entry in tree.names(folder).items():
        path = f"{folder}/{name}" if folder else name
        if entry.form is Form.FOLDER:
            found |= files_of(tree, path)
        else:
            found[path] = tree.read(path)
    return found


@ON_DISK
@given(FILES)
def test_what_is_stored_is_read_back(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))

        assert files_of(GitTree(store, stored(store, files))) == files


@ON_DISK
@given(FILES, LINES, LINES)
def test_filtering_keeps_exactly_what_no_rule_drops(
    files: dict[str, bytes], ignore_file: str, spec_ignore: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        given_files = {**files, ".sourceignore": ignore_file.encode()}
        tree = GitTree(store, filtered(store, stored(store, given_files), spec_ignore))
        wanted = rules([((), ignore_file)], spec_ignore)

        assert files_of(tree) == {
            path: content
            for path, content in given_files.items()
            if not wanted.ignores(path.split("/"), is_folder=False)
        }
        if tree.entry(".sourceignore"):  # else other rules hold for what is left
            assert filtered(store, tree.id, spec_ignore) == tree.id


@ON_DISK
@given(FILES, LINES)
def test_a_folder_on_disk_is_the_same_tree_as_in_git(files: dict[str, bytes], text: str) -> None:
    with tempfile.TemporaryDirectory() as base:
        store = Store(Path(base) / "store")
        folder = Path(base) / "folder"
        folder.mkdir()
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)

        tree = GitTree(store, filtered(store, stored(store, files), text))
        assert entries_of(FolderTree(folder, text)) == entries_of(tree)


@ON_DISK
@given(FILES)
def test_an_archive_is_read_back_as_the_same_tree(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        tree = GitTree(store, stored(store, files))
        one, two = io.BytesIO(), io.BytesIO()

        assert archive.write(tree, one) == archive.write(tree, two)
        one.seek(0)
        assert archive.read(one, store).id == tree.id


CHANGES = st.lists(
    st.dictionaries(
        st.builds("{}/{}".format, st.integers(0, 15), PATHS),
        st.one_of(st.none(), st.binary(max_size=30)),
        max_size=6,
    ),
    max_size=4,
)


@settings(max_examples=examples(15))  # each writes several archives of some hundred files
@given(FILES, CHANGES, st.randoms(use_true_random=False))
def test_an_archive_is_the_same_whatever_was_copied_into_it(
    some: dict[str, bytes], changes: list[dict[str, bytes | None]], chance: Random
) -> None:
    files = {f"{number}/{path}": text for number in range(12) for path, text in some.items()}
    before = None
    for change in [{}, *changes]:
        files = changed(files, change)
        fresh, copied = io.BytesIO(), io.BytesIO()
        wanted = archive.write(MemoryTree(files), fresh)
        found = archive.write(MemoryTree(files), copied, before=before)

        assert found == wanted
        assert copied.getvalue() == fresh.getvalue()
        assert unpacked(copied.getvalue()) == files
        before = found, damaged(copied, chance)


def changed(files: Mapping[str, bytes], change: Mapping[str, bytes | None]) -> dict[str, bytes]:
    """The files after the change; what lay in the way of a new one goes."""
    new = dict(files)
    for path, content in change.items():
        ways = [path.rsplit("/", cut)[0] for cut in range(1, path.count("/") + 1)]
        for other in list(new):
            if other in ways or other == path or other.startswith(f"{path}/"):
                del new[other]
        if content is not None:
            new[path] = content
    return new


def damaged(file: io.BytesIO, chance: Random) -> io.BytesIO:
    """The file, now and then with a wrong byte or cut off."""
    raw = bytearray(file.getvalue())
    raw[chance.randrange(len(raw))] ^= chance.choice([0, 0, 1])
    return io.BytesIO(raw[: chance.choice([len(raw), len(raw), len(raw) // 2])])


def unpacked(raw: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r:gz") as tar:
        readers = {item.name: tar.extractfile(item) for item in tar if item.isreg()}
        return {name: reader.read() for name, reader in readers.items() if reader}


@settings(max_examples=examples(10))  # each writes several trees
@given(FILES, st.lists(FILES, max_size=3), LINES)
def test_filtering_gives_the_same_whatever_was_filtered_before(
    first: dict[str, bytes], others: list[dict[str, bytes]], spec_ignore: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        for files in (first, *others):
            tree = stored(store, changed(first, files))

            found = filtered(store, tree, spec_ignore)

            assert found == filtered(Store(Path(folder)), tree, spec_ignore)


@given(st.lists(st.one_of(st.text(max_size=40), st.sampled_from(list(Mark)))), st.data())
def test_packets_are_the_same_however_the_stream_is_cut(
    items: list[str | Mark], data: st.DataObject
) -> None:
    stream = b"".join(item.value if isinstance(item, Mark) else packet(item) for item in items)
    packets = Packets()
    found: list[bytes | Mark] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += packets.feed(stream[:size])
        stream = stream[size:]

    assert found == [item if isinstance(item, Mark) else item.encode() for item in items]
    assert packets.is_complete


@given(st.text("ab*?[]^-\\!", max_size=8), st.text("ab*?[]^-\\!", max_size=8))
def test_any_segment_can_be_asked(pattern: str, name: str) -> None:
    assert Segment.of(pattern).matches(name) in {True, False}


NUMBERS = st.integers(0, 3)
PRERELEASES = st.sampled_from(["", "-0", "-1", "-a", "-a.1", "-rc.1", "-1.a"])
VERSIONS = st.builds("{}.{}.{}{}".format, NUMBERS, NUMBERS, NUMBERS, PRERELEASES).map(Version.parse)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_versions_are_totally_ordered(a: Version, b: Version, c: Version) -> None:
    assert (a < b) + (a == b) + (a > b) == 1
    if a <= b <= c:
        assert a <= c


@given(VERSIONS, VERSIONS)
def test_ranges_agree_with_the_order(bound: Version, version: Version) -> None:
    text = f"{'.'.join(map(str, bound.core))}-0"  # names a pre-release, so all versions count
    low = Version.parse(text)

    assert Constraint(f">={text}").holds(version) == (version >= low)
    assert Constraint(f"<{text}").holds(version) == (version < low)
    assert Constraint(f"={text} || !={text}").holds(version)
    assert Constraint(f"^{text}").holds(version) <= Constraint(f">={text}").holds(version)
    assert Constraint(f"~{text}").holds(version) <= Constraint(f">={text}").holds(version)
