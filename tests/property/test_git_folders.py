"""What is taken over from folders that are known never changes what is found."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from engine.source import archive_layout, git_filter, git_folders
from engine.source.archive_layout import lay_out
from engine.source.failures import GitError
from engine.source.git_entry import Child, parse_entries
from engine.source.git_filter import filtered
from engine.source.git_folders import GitFolders
from engine.source.git_tree import GitTree
from engine.source.git_write import StoredFile, write_tree
from engine.source.store import Store

NAMES = ["a", "b", "c", "cc", "x.png", ".sourceignore"]
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
FILES = st.dictionaries(
    PATHS, st.sampled_from([b"b\n", b"*.png\n!a\n", b"!x.png\nc/\n"]), max_size=8
)
IGNORES = st.sampled_from([None, "", "c\n", "b\n!/b/a\n"])
ENTRIES = st.dictionaries(
    st.sampled_from([b"a", b"b", b"c", b"dd", b"ee"]),
    st.tuples(st.sampled_from([b"40000", b"100644"]), st.binary(min_size=20, max_size=20)),
    max_size=5,
)


@contextmanager
def all_is_large() -> Iterator[None]:
    """However small a folder is, it is treated as one of thousands of entries."""
    with (
        patch.object(git_folders, "_LARGE", 1),
        patch.object(git_folders, "_BLOCK", 7),
        patch.object(git_filter, "_MANY", 0),
        patch.object(archive_layout, "_USUAL", 3),
        patch.object(archive_layout, "_MOST", 5),
    ):
        yield


def text_of(entries: dict[bytes, tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b %b\0%b" % (mode, name, id_) for name, (mode, id_) in entries.items())


def parsed(content: bytes) -> list[tuple[str, Child]] | None:
    try:
        return list(parse_entries("tree", content, 20).items())
    except GitError:
        return None


@given(
    st.lists(
        st.one_of(ENTRIES.map(text_of), st.tuples(st.integers(0, 200), st.binary(max_size=30))),
        max_size=6,
    )
)
def test_a_folder_is_parsed_as_if_no_other_were_known(
    contents: list[bytes | tuple[int, bytes]],
) -> None:
    folders, last = GitFolders(20), b""
    with all_is_large():
        for number, content in enumerate(contents):
            if isinstance(content, tuple):  # something of the last one is overwritten
                at, new = content
                content = last[:at] + new + last[at + len(new) :]
            last = content
            try:
                found = list(folders.parse(str(number), content).items())
            except GitError:
                found = None
            assert found == parsed(content)


def stored(store: Store, files: dict[str, bytes]) -> str:
    """A file makes way for a folder."""
    folders = {path.rsplit("/", depth)[0] for path in files for depth in (1, 2) if "/" in path}
    kept = {path: text for path, text in files.items() if path not in folders}
    return write_tree(store, {p: StoredFile(store.add_blob(text)) for p, text in kept.items()})


@given(st.lists(FILES, min_size=2, max_size=4), IGNORES)
def test_a_commit_is_filtered_and_laid_out_as_if_there_had_been_none_before(
    commits: list[dict[str, bytes]], spec_ignore: str | None
) -> None:
    before = None
    with all_is_large(), TemporaryDirectory() as folder:
        store = Store(Path(folder))
        for files in commits:
            tree_id = stored(store, files)
            store_anew = Store(Path(folder))

            tree = GitTree(store, filtered(store, tree_id, spec_ignore))
            layout = lay_out(tree, before)

            assert tree.id == filtered(store_anew, tree_id, spec_ignore)
            assert counts(store, tree_id) == counts(store_anew, tree_id)
            assert layout == lay_out(GitTree(store_anew, tree.id))
            before = layout, tree
            store_anew.close()
        store.close()


def counts(store: Store, tree_id: str) -> tuple[object, set[int]]:
    """What is remembered of a whole tree: its ignore files, and numbers of entries."""
    rules = store.filtered_last.keys()
    found = {
        store.filtered[name, "", tree_id][1]
        for name, place in rules
        if not place and (name, "", tree_id) in store.filtered
    }
    return store.ignore_files[tree_id], found
