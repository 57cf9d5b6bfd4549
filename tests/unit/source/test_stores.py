"""Which stores keep their files open."""

from pathlib import Path

import pytest

from engine.source import stores
from engine.source.store import Store
from engine.source.stores import Stores


def test_only_those_that_were_asked_for_last_keep_their_files_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was closed opens them again when it is read, without being asked for."""
    monkeypatch.setattr(stores, "_WITH_FILES", 2)
    closed: list[str] = []
    close = Store.close
    monkeypatch.setattr(
        Store, "close", lambda store: (closed.append(store.folder.name), close(store))[1]
    )
    found = Stores(tmp_path)
    names = [found.of(f"https://git.test/{number}").folder.name for number in range(5)]
    closed.clear()

    found.of("https://git.test/5")

    assert sorted(closed) == sorted(names[:4])
