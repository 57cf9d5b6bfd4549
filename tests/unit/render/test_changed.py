import pytest

from engine.render.changed import changed_places
from engine.source.tree import MemoryTree

FILES = {"a/x": b"1", "a/y": b"2", "a/in/z": b"3", "b/x": b"4", "top": b"5"}


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, set()),
        ({"a/x": b"other"}, {"a", "a/x"}),
        ({"a/in/z": b"other"}, {"a/in", "a/in/z"}),
        ({"top": b"other"}, {"", "top"}),
        ({"b/new": b""}, {"b", "b/new"}),
        ({"b/x": None}, {"", "b", "b/x"}),
        ({"c/d/e": b""}, {"", "c", "c/d", "c/d/e"}),
        ({"b/x": None, "b/x/y": b""}, {"b", "b/x", "b/x/y"}),
    ],
)
def test_places_are_what_differs_and_the_folders_it_lies_in(
    change: dict[str, bytes | None], wanted: set[str]
) -> None:
    files = {path: text for path, text in {**FILES, **change}.items() if text is not None}

    assert changed_places(MemoryTree(FILES), MemoryTree(files)) == wanted


def test_where_nearly_everything_differs_it_is_not_listed() -> None:
    files = {f"folder/{number}": b"" for number in range(10)}

    assert changed_places(MemoryTree({}), MemoryTree(files), most=11) is None
    assert changed_places(MemoryTree({}), MemoryTree(files), most=12) is not None
