import gc
import os
from pathlib import Path

import pytest

from engine.source.git_compact import compact_if_worth
from engine.source.git_tree import GitTree
from engine.source.git_write import StoredFile, write_tree
from engine.source.store import Store
from tests.unit.source.conftest import Remote


def age(store: Path, seconds: float) -> None:
    """Make every file of the store so much older."""
    for file in store.rglob("objects/**/*"):
        if file.is_file():
            changed_at = file.stat().st_mtime - seconds
            os.chmod(file, 0o600)
            os.utime(file, (changed_at, changed_at))


@pytest.mark.parametrize("remote", ["ours"], indirect=True)
async def test_what_is_in_use_or_new_survives_and_the_rest_goes(remote: Remote) -> None:
    remote.commit({"a.yaml": b"in use", "x.png": b"dropped"})
    in_use = await remote.fetch(branch="main")
    for number in range(12):
        remote.commit({"a.yaml": b"%d" % number, "b.yaml": os.urandom(1000)})
        last = await remote.fetch(branch="main")
    tenth = remote.store.held()[10]
    age(remote.store.folder, 9999)
    remote.commit({"a.yaml": b"new"})
    new = await remote.fetch(branch="main")
    before = remote.store.statistics()
    assert compact_if_worth(remote.store) == 0

    with remote.store.exclusive:
        removed = compact_if_worth(remote.store, most_packs=10)

    after = remote.store.statistics()
    assert removed == before.packs - 1
    assert after.packs == 2
    assert after.commits == 8
    assert not remote.store.contains(tenth)
    assert in_use.tree.read("a.yaml") == b"in use"
    assert last.tree.read("a.yaml") == b"11"
    assert new.tree.read("a.yaml") == b"new"
    remote.commit({"a.yaml": b"newer"})
    assert (await remote.fetch(branch="main")).tree.read("a.yaml") == b"newer"


def test_a_tree_that_nobody_reads_any_more_is_not_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    tree = GitTree(store, write_tree(store, {"a.yaml": StoredFile(store.add_blob(b"1"))}))
    assert store.trees_in_use() == [tree.id]

    del tree
    gc.collect()

    assert store.trees_in_use() == []
