"""A file is replaced as a whole, or not at all."""

import os
from pathlib import Path

import pytest

from engine.custody.replacing import Changed, drafted


def test_the_new_content_has_the_mode_of_the_old(tmp_path: Path) -> None:
    place = tmp_path / "a"
    place.write_bytes(b"old")
    place.chmod(0o640)

    drafted(place, b"old", b"new").put()

    assert place.read_bytes() == b"new"
    assert place.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["a"]


def test_a_file_that_was_changed_meanwhile_stays_and_no_draft_is_left(tmp_path: Path) -> None:
    place = tmp_path / "a"
    place.write_bytes(b"newer")

    with pytest.raises(Changed, match="was changed meanwhile: run the command again"):
        drafted(place, b"old", b"new").put()

    assert place.read_bytes() == b"newer"
    assert os.listdir(tmp_path) == ["a"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "a")

    with pytest.raises(Changed, match="is no regular file"):
        drafted(tmp_path / "link", b"old", b"new")

    assert (tmp_path / "a").read_bytes() == b"old"
