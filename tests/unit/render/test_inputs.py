import pytest

from engine.render.inputs import Recorder, TooManyFiles
from engine.source.tree import MemoryTree

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
    other = recorder.beside(MemoryTree(FILES))
    recorder.read("a/one.yaml")
    other.read("a/one.yaml")

    with pytest.raises(TooManyFiles):
        other.read("a/two.yaml")
