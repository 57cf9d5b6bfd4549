"""Folders that are parsed only where they differ from another one."""

import os

import pytest

from engine.source import git_folders
from engine.source.failures import GitError
from engine.source.git_entry import Child, parse_entries
from engine.source.git_folders import GitFolders

ID_BYTES = 20


def stored(**ids: bytes) -> bytes:
    """A folder as Git stores it: folders by name, in order."""
    return b"".join(b"40000 %b\0%b" % (name.encode(), each) for name, each in sorted(ids.items()))


def many(**changed: bytes) -> dict[str, bytes]:
    return {f"app_{n:04}": b"%020d" % n for n in range(1000)} | changed


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes were parsed each time."""
    sizes: list[int] = []

    def parse(tree_id: str, content: bytes, id_bytes: int) -> dict[str, Child]:
        sizes.append(len(content))
        return parse_entries(tree_id, content, id_bytes)

    monkeypatch.setattr(git_folders, "parse_entries", parse)
    return sizes


def test_of_a_large_folder_only_what_differs_is_parsed(parsed: list[int]) -> None:
    folders = GitFolders(ID_BYTES)
    new = stored(**many(app_0007=os.urandom(20), app_0990=os.urandom(20)))
    folders.parse("old", stored(**many()))
    parsed.clear()

    found = folders.parse("new", new)

    assert sum(parsed) < len(new) / 4
    assert list(found.items()) == list(parse_entries("new", new, ID_BYTES).items())
    assert folders.known_differing("old", "new") == {"app_0007", "app_0990"}


@pytest.mark.parametrize(
    "new",
    [
        stored(**many(app_0500x=bytes(20))),  # one more
        stored(**{n: i for n, i in many().items() if n != "app_0500"}),  # one less
        stored(**many(zzzzzzzz=bytes(20)) | {}),  # at the end
        stored(**{n.replace("0500", "050x"): i for n, i in many().items()}),  # another name
        stored(**many()).replace(b"40000 app_0500", b"100644 ap_0500"),  # the same size, a file
        stored(**many(app_0500=b"40000 b\0" + bytes(12))),  # an id that looks like an entry
        stored(**many(app_0500=bytes(20))).replace(bytes(20), b"\0" * 9 + b"40000 x\0" + b"\0" * 3),
    ],
)
def test_whatever_differs_it_is_read_as_it_is_stored(new: bytes) -> None:
    folders = GitFolders(ID_BYTES)
    folders.parse("old", stored(**many()))

    assert list(folders.parse("new", new).items()) == list(
        parse_entries("new", new, ID_BYTES).items()
    )


def test_a_name_that_comes_twice_is_refused_wherever_it_stands() -> None:
    folders = GitFolders(ID_BYTES)
    folders.parse("old", stored(**many()))

    with pytest.raises(GitError, match="names 'app_0500' twice"):
        folders.parse("new", stored(**many()).replace(b"app_0900", b"app_0500"))


def test_a_folder_that_is_cut_off_is_refused() -> None:
    folders = GitFolders(ID_BYTES)
    old = stored(**many())
    folders.parse("old", old)

    with pytest.raises(GitError, match="cannot be read"):
        folders.parse("new", old[:-30] + b"\1" * 30)


def test_what_is_kept_is_bounded_by_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_folders, "_ENTRIES_KEPT", 2500)
    monkeypatch.setattr(git_folders, "_LARGE_KEPT", 1)
    folders = GitFolders(ID_BYTES)

    for number in range(5):
        folders.parse(str(number), stored(**many(app_0001=b"%020d" % number)))

    assert len(folders) == 2
    assert folders.get("0") is None
    assert folders.get("4") is not None


def test_a_folder_that_differs_in_all_is_parsed_hardly_more_than_once(parsed: list[int]) -> None:
    folders = GitFolders(ID_BYTES)
    new = stored(**many(**{name: os.urandom(20) for name in many()}))
    folders.parse("old", stored(**many()))
    parsed.clear()

    found = folders.parse("new", new)

    assert sum(parsed) <= 1.5 * len(new)  # a quarter at most was compared, of both
    assert list(found.items()) == list(parse_entries("new", new, ID_BYTES).items())
