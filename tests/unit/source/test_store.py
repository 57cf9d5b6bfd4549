import shutil
from pathlib import Path

import pytest

from engine.source.store import Store


def test_a_small_file_that_is_kept_is_not_looked_for_again(tmp_path: Path) -> None:
    store = Store(tmp_path, kept_bytes=64_000)
    small, large = store.add_blob(b"small"), store.add_blob(b"x" * 1001)
    first = store.blob(small), store.blob(large)
    shutil.rmtree(tmp_path / "objects")

    assert first == (b"small", b"x" * 1001)
    assert store.blob(small) == b"small"
    with pytest.raises(KeyError):
        store.blob(large)


def test_of_kept_files_those_go_that_were_not_asked_for_lately(tmp_path: Path) -> None:
    store = Store(tmp_path, kept_bytes=64_000)
    blobs = [store.add_blob(b"%4d" % number + b"x" * 746) for number in range(65)]
    for blob in [*blobs[:64], blobs[0], blobs[64]]:  # one too many
        store.blob(blob)
    shutil.rmtree(tmp_path / "objects")

    with pytest.raises(KeyError):
        store.blob(blobs[1])
    assert [store.blob(blob) for blob in (blobs[0], *blobs[2:])]


def test_nothing_is_kept_unless_it_is_asked_for(tmp_path: Path) -> None:
    store = Store(tmp_path)
    blob = store.add_blob(b"")
    store.blob(blob)
    shutil.rmtree(tmp_path / "objects")

    with pytest.raises(KeyError):
        store.blob(blob)
