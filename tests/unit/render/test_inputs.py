import pytest

from engine.render.inputs import Inputs, Recorder, TooManyFiles
from engine.source.tree import Entry, MemoryTree

FILES = {"a/one.yaml": b"1", "a/two.yaml": b"2", "b/three.yaml": b"3"}


def recorded() -> Recorder:
    recorder = Recorder(MemoryTree(FILES))
    recorder.read("a/one.yaml")
    recorder.entry("a/none.yaml")
    return recorder


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, True),
        ({"b/three.yaml": b"other"}, True),
        ({"a/two.yaml": b"other"}, True),
        ({"a/one.yaml": b"other"}, False),
        ({"a/none.yaml": b"is there now"}, False),
    ],
)
def test_inputs_hold_where_everything_asked_for_is_the_same(
    changes: dict[str, bytes], wanted: bool
) -> None:
    assert recorded().inputs.hold_in(MemoryTree({**FILES, **changes})) is wanted


@pytest.mark.parametrize(
    ("changes", "wanted"), [({"a/new.yaml": b""}, False), ({"a/two.yaml": b"other"}, True)]
)
def test_a_listing_depends_on_names_only(changes: dict[str, bytes], wanted: bool) -> None:
    recorder = Recorder(MemoryTree(FILES))
    recorder.names("a")

    assert recorder.inputs.hold_in(MemoryTree({**FILES, **changes})) is wanted


def test_reading_too_many_files_stops_the_build() -> None:
    recorder = Recorder(MemoryTree(FILES), max_files=1)
    recorder.read("a/one.yaml")
    recorder.read("a/one.yaml")

    with pytest.raises(
        TooManyFiles, match=r"'a/two.yaml' is one file too many: a build may read 1;"
    ):
        recorder.read("a/two.yaml")


def test_a_folder_that_is_the_same_stands_for_all_below_it() -> None:
    files = {"a/b/c/one.yaml": b"1", "x": b""}
    recorder = Recorder(MemoryTree(files))
    recorder.read("a/b/c/one.yaml")

    assert set(recorder.inputs.folders) == {"a", "a/b", "a/b/c"}
    assert recorder.inputs.hold_in(MemoryTree({**files, "x": b"other"}))


def test_files_of_all_trees_of_a_build_count_together() -> None:
    recorder = Recorder(MemoryTree(FILES), max_files=2)
    other = recorder.fetched("https://a/b/c", MemoryTree(FILES), is_pinned=False)
    recorder.read("a/one.yaml")
    other.read("a/one.yaml")

    with pytest.raises(TooManyFiles):
        other.read("a/two.yaml")


URL, PINNED, FILE = "https://a/b/c?ref=main", "https://a/b/c?ref=0123", "https://a/x.yaml"


def remote_inputs() -> Inputs:
    """Of a build that has read one file of each of two repositories, and a file."""
    recorder = Recorder(MemoryTree({}))
    for url in (URL, PINNED):
        base = recorder.fetched(url, MemoryTree(FILES), is_pinned=url == PINNED)
        base.read("a/one.yaml")
    recorder.downloaded(FILE, b"kind: Map")
    return recorder.inputs


def test_what_was_read_of_a_repository_is_noted_beside_what_is_its_own() -> None:
    inputs = remote_inputs()

    assert inputs.files == {}
    assert inputs.remotes == {URL, PINNED, FILE}
    assert inputs.moving == ({URL}, {FILE})
    assert list(inputs.bases[URL].files) == ["a/one.yaml"]
    assert inputs.bases[URL].bases == {}


def test_a_repository_is_recorded_once_however_often_it_is_named() -> None:
    recorder = Recorder(MemoryTree({}))
    base = recorder.fetched(URL, MemoryTree(FILES), is_pinned=False)

    assert base.fetched(URL, MemoryTree(FILES), is_pinned=False) is base


@pytest.mark.parametrize(
    ("changes", "file", "holds"),
    [
        ({}, b"kind: Map", True),
        ({"a/two.yaml": b"unread"}, b"kind: Map", True),
        ({"a/one.yaml": b"changed"}, b"kind: Map", False),
        ({}, b"kind: Other", False),
    ],
)
def test_only_what_was_read_of_what_may_move_is_compared(
    changes: dict[str, bytes], file: bytes, holds: bool
) -> None:
    now = MemoryTree({**FILES, **changes})

    assert remote_inputs().hold_remotely({URL: now}, {FILE: file}) is holds


def test_what_was_not_fetched_or_has_become_a_repository_does_not_hold() -> None:
    tree, inputs = MemoryTree(FILES), remote_inputs()

    assert not inputs.hold_remotely({}, {FILE: b"kind: Map"})
    assert not inputs.hold_remotely({URL: tree}, {})
    assert not inputs.hold_remotely({URL: tree, FILE: tree}, {FILE: b"kind: Map"})


def test_a_tree_is_asked_once_for_what_stands_at_a_path() -> None:
    asked: list[str] = []

    class Counting(MemoryTree):
        def entry(self, path: str) -> Entry | None:
            asked.append(path)
            return super().entry(path)

    recorder = Recorder(Counting(FILES))
    for _ in range(2):
        assert recorder.entry("a/one.yaml")
        assert recorder.entry("a/none.yaml") is None
        recorder.read("a/one.yaml")

    assert recorder.inputs.probes == {"a/one.yaml": "file", "a/none.yaml": ""}
    assert sorted(asked) == ["a", "a/none.yaml", "a/one.yaml"]
