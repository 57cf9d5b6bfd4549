import gc
import io
import os
import threading
from pathlib import Path

import anyio
import pytest
from dulwich.objects import Blob

from engine.source import archive
from engine.source.author import add_tag
from engine.source.git_compact import compact_if_worth
from engine.source.git_tree import GitTree
from engine.source.git_write import StoredFile, write_tree
from engine.source.store import Store
from engine.source.stores import Stores
from engine.source.tree import MemoryTree
from tests.unit.source.conftest import Remote


def age(store: Path, seconds: float, what: str = "objects") -> None:
    """Make every file of the store so much older."""
    for file in (store / what).rglob("*"):
        if file.is_file():
            changed_at = file.stat().st_mtime - seconds
            os.chmod(file, 0o600)
            os.utime(file, (changed_at, changed_at))


@pytest.mark.slow
@pytest.mark.parametrize("remote", ["ours"], indirect=True)
async def test_what_is_in_use_or_new_survives_and_the_rest_goes(remote: Remote) -> None:
    remote.commit({"a.yaml": b"in use", "x.png": b"dropped"})
    in_use = await remote.fetch(branch="main")
    for number in range(12):
        remote.commit({"a.yaml": b"%d" % number, "b.yaml": os.urandom(1000)})
        last = await remote.fetch(branch="main")
    tenth = list(remote.store.held())[10]
    age(remote.store.folder, 9999)
    age(remote.store.folder, 9999, "refs")
    remote.commit({"a.yaml": b"new"})
    new = await remote.fetch(branch="main")
    before, loose = remote.store.statistics(), loose_in(remote.store)
    assert compact_if_worth(remote.store) == 0

    with remote.store.exclusive:
        removed = compact_if_worth(remote.store, most_packs=10)

    after = remote.store.statistics()
    assert removed == before.packs - 1 + loose - 1  # a pack and a folder belong to the new commit
    assert after.packs == 2
    assert after.commits == 8
    assert not remote.store.contains(tenth)
    assert in_use.tree.read("a.yaml") == b"in use"
    assert last.tree.read("a.yaml") == b"11"
    assert new.tree.read("a.yaml") == b"new"
    remote.commit({"a.yaml": b"newer"})
    assert (await remote.fetch(branch="main")).tree.read("a.yaml") == b"newer"


@pytest.mark.slow
def test_a_tree_that_nobody_reads_any_more_is_not_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    tree = GitTree(store, write_tree(store, {"a.yaml": StoredFile(store.add_blob(b"1"))}))
    assert store.trees_in_use() == [tree.id]

    del tree
    gc.collect()

    assert store.trees_in_use() == []


@pytest.mark.parametrize("remote", ["ours"], indirect=True)
async def test_a_pack_that_is_just_what_is_kept_stays(remote: Remote) -> None:
    commit = remote.commit({"a.yaml": b"1"})
    found = await remote.fetch(branch="main")
    age(remote.store.folder, 9999)
    add_tag(remote.folder, "v1", commit, "a newer pack with nothing but this tag")
    await remote.fetch(tag="v1")

    with remote.store.exclusive:
        compact_if_worth(remote.store, most_packs=0)

    assert remote.store.contains(commit)
    assert found.tree.read("a.yaml") == b"1"


@pytest.mark.parametrize("remote", ["ours"], indirect=True)
async def test_a_commit_asked_for_within_the_hour_stays_held(remote: Remote) -> None:
    for number in range(12):
        remote.commit({"a.yaml": b"%d" % number}, branch=f"b{number}")
        await remote.fetch(branch=f"b{number}")
    age(remote.store.folder, 9999)
    remote.commit({"a.yaml": b"new"})
    await remote.fetch(branch="main")

    with remote.store.exclusive:
        assert compact_if_worth(remote.store, most_packs=0)

    assert remote.store.statistics().commits == 13
    packs = remote.store.statistics().packs
    assert (await remote.fetch(branch="b0")).tree.read("a.yaml") == b"0"
    assert remote.store.statistics().packs == packs


@pytest.mark.parametrize("remote", ["ours"], indirect=True)
async def test_something_missing_on_the_disk_does_not_stop_the_tidying(remote: Remote) -> None:
    remote.commit({"a.yaml": b"1"})
    await remote.fetch(branch="main")
    age(remote.store.folder, 9999)
    for file in remote.store.folder.glob("objects/pack/*"):
        file.unlink()
    remote.store.close()
    remote.commit({"a.yaml": b"2"}, branch="other")

    found = await remote.fetch(branch="other")
    with remote.store.exclusive:
        compact_if_worth(remote.store, most_packs=-1)

    assert found.tree.read("a.yaml") == b"2"


def loose_in(store: Store) -> int:
    return len(list(store.folder.glob("objects/[0-9a-f][0-9a-f]/*")))


def test_artifacts_of_few_files_do_not_fill_the_disk(tmp_path: Path) -> None:
    store = Store(tmp_path)
    # The first has a file whose blob is in the folder from which the number is estimated.
    for number in (32, *range(20)):
        file = io.BytesIO()
        archive.write(MemoryTree({"a.yaml": b"%d" % number}), file)
        file.seek(0)
        last = archive.read(file, store)
        age(store.folder, 9999)
    assert (store.folder / "objects" / "17").exists()
    before = loose_in(store)
    store.add_blob(b"new")
    store.add_blob(b"119")  # beside the first one, and new

    with store.exclusive:
        assert compact_if_worth(store, most_loose=255) == before

    assert loose_in(store) == 2
    assert last.read("a.yaml") == b"19"


def test_a_commit_that_is_just_being_noted_is_not_told_to_servers(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.hold("1" * 40)
    (tmp_path / "refs" / "held" / ("2" * 40 + ".new")).touch()

    assert list(store.held()) == ["1" * 40]


WEEK = 7 * 86400.0


def used(store: Store, seconds: float) -> None:
    """Let the last use of a store be so long ago."""
    config = store.folder / "config"
    os.utime(config, (config.stat().st_mtime - seconds,) * 2)


def test_a_store_that_nobody_asks_for_any_more_goes_when_another_one_comes(tmp_path: Path) -> None:
    stores = Stores(tmp_path)
    forgotten, read, recent = (stores.of(f"https://h/{name}") for name in "abc")
    tree = GitTree(read, write_tree(read, {"a": StoredFile(read.add_blob(b"1"))}))
    for store in (forgotten, read):
        used(store, WEEK + 9)

    stores.of("https://h/new")

    assert not forgotten.folder.exists()
    assert recent.folder.exists()
    assert tree.read("a") == b"1"
    assert stores.of("https://h/a").statistics().commits == 0


def test_only_stores_that_were_asked_for_lately_keep_their_files_open(tmp_path: Path) -> None:
    stores = Stores(tmp_path)
    first = stores.of("https://h/first")
    blob = first.add_blob(b"1")
    first.add([Blob.from_string(b"%d" % number) for number in range(2000)])  # a pack
    first.start_anew()
    assert first.contains(Blob.from_string(b"7").id.decode())
    packs = first.folder / "objects" / "pack"
    assert opened_below(packs)

    others = [stores.of(f"https://h/{number}") for number in range(50)]

    assert not opened_below(packs)
    assert first.blob(blob) == b"1"
    assert len(others) == 50


def opened_below(folder: Path) -> list[str]:
    """The files of a folder that this process has open."""
    links = [os.readlink(each) for each in Path("/proc/self/fd").iterdir() if each.exists()]
    return [each for each in links if each.startswith(str(folder))]


def test_after_a_long_time_off_only_what_was_unused_before_goes(tmp_path: Path) -> None:
    before = Stores(tmp_path)
    recent, old = before.of("https://h/recent"), before.of("https://h/old")
    used(recent, 50 * WEEK)
    used(old, 52 * WEEK)

    Stores(tmp_path)

    assert list(tmp_path.iterdir()) == [recent.folder]


@pytest.mark.slow
@pytest.mark.parametrize("remote", ["ours"], indirect=True)
async def test_trees_can_be_read_here_and_by_other_processes_while_the_store_is_tidied(
    remote: Remote,
) -> None:
    files = {f"d{number}/a.yaml": os.urandom(200) for number in range(30)}
    remote.commit(files)
    tree = (await remote.fetch(branch="main")).tree
    over, rounds = threading.Event(), [0, 0]

    def read(reader: int, store: Store) -> None:
        while not over.is_set():
            store.start_anew()  # as if nothing had been read yet
            again = GitTree(store, tree.id)
            assert {path: again.read(path) for path in files} == files
            rounds[reader] += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, read, 0, remote.store)
        tasks.start_soon(anyio.to_thread.run_sync, read, 1, Store(remote.store.folder))
        try:
            for number in range(4):
                remote.commit({"new.yaml": b"%d" % number, "x.png": os.urandom(500)})
                await remote.fetch(branch="main")
                await anyio.to_thread.run_sync(tidied, remote.store)
        finally:
            over.set()

    assert min(rounds) > 0


def tidied(store: Store) -> int:
    """Tidy, whatever its age."""
    with store.exclusive:
        return compact_if_worth(store, most_packs=-1, grace=-1.0)
