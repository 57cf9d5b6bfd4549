"""A disk that is full or loses what it holds: nothing good is lost, and all is fetched again."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.source.failures import ArchiveOperationFailed
from engine.source.git_compact import compact_if_worth
from engine.source.git_pack import Limits
from engine.source.git_repair import repaired
from engine.source.store import Store
from tests.support.failing_disk import failing, small_files
from tests.unit.source.conftest import Remote
from tests.unit.source.test_git_compact import age
from tests.unit.source.test_git_pack import blob, pack
from tests.unit.source.test_include import files_of

OURS = pytest.mark.parametrize("remote", ["ours"], indirect=True)


@pytest.mark.slow
@OURS
async def test_at_whatever_moment_the_disk_is_full_nothing_is_lost_and_it_recovers(
    remote: Remote,
) -> None:
    remote.commit({"a.yaml": b"1", "x.png": b"left out"})
    before = await remote.fetch(branch="main")
    moment, said = 0, list[str]()
    while True:
        moment += 1
        remote.commit({"a.yaml": b"%d" % moment, f"{moment}.yaml": b"new", "x.png": b"%d" % moment})
        with failing(remote.store.folder, moment) as fault:
            try:
                await remote.fetch(branch="main")
            except ArchiveOperationFailed as failure:
                said.append(str(failure))
        after = await remote.fetch(branch="main")

        assert files_of(before.tree) == {"a.yaml": b"1"}
        assert after.tree.read("a.yaml") == b"%d" % moment
        if fault.seen < moment:  # all that was to be written was
            break

    assert len(said) >= 5
    assert all("No space left on device: check the space" in text for text in said)
    assert not list(remote.store.folder.glob("objects/pack/tmp*"))


@OURS
async def test_a_pack_that_is_cut_off_while_it_is_written_leaves_nothing(remote: Remote) -> None:
    remote.commit({"a.yaml": os.urandom(300_000)})

    with small_files(100_000), pytest.raises(ArchiveOperationFailed, match="File too large"):
        await remote.fetch(branch="main")
    assert not list(remote.store.folder.glob("objects/pack/*"))

    assert await remote.fetch(branch="main")


@OURS
async def test_tidying_that_finds_no_space_removes_nothing_and_stops_no_fetch(
    remote: Remote,
) -> None:
    remote.commit({"a.yaml": os.urandom(30_000)})
    before = await remote.fetch(branch="main")
    for number in range(41):
        incoming = remote.store.incoming()
        incoming.write(pack(blob(b"%d" % number)))
        incoming.finish(Limits(), lambda: None)
    age(remote.store.folder, 9999)
    packs = remote.store.statistics().packs
    remote.commit({"b.yaml": b"1"})

    with small_files(20_000):
        found = await remote.fetch(branch="main")

    assert remote.store.statistics().packs == packs + 1
    assert found.tree.read("b.yaml") == b"1"
    assert before.tree.read("a.yaml") == found.tree.read("a.yaml")
    with remote.store.exclusive:
        assert compact_if_worth(remote.store) > 0


def packs_of(store: Store, suffix: str) -> Iterator[Path]:
    for path in sorted(store.folder.glob(f"objects/pack/*{suffix}")):
        path.chmod(0o600)
        yield path


def turned(path: Path) -> None:
    """Turn a bit of each byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    for at in range(len(content) // 4, len(content) * 3 // 4):
        content[at] ^= 0x55
    path.write_bytes(content)


def cut(path: Path) -> None:
    """Lose a file's second half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a pack with turned bits": (".pack", turned),
    "a pack that is cut off": (".pack", cut),
    "a pack that is empty": (".pack", lambda path: path.write_bytes(b"") and None),
    "a pack that is gone": (".pack", Path.unlink),
    "an index with turned bits": (".idx", turned),
    "an index that is cut off": (".idx", cut),
    "an index that is gone": (".idx", Path.unlink),
}


@OURS
@pytest.mark.parametrize("damage", DAMAGES)
async def test_what_the_disk_has_lost_is_fetched_again_at_the_next_look(
    remote: Remote, damage: str
) -> None:
    suffix, harm = DAMAGES[damage]
    remote.commit({"a/b.yaml": os.urandom(2000), "c.yaml": b"2"}, branch="other")
    remote.commit({"a/b.yaml": os.urandom(2000), "c.yaml": b"1"})
    await remote.fetch(branch="other")
    await remote.fetch(branch="main")
    remote.stores.close()
    for path in packs_of(remote.store, suffix):
        harm(path)
    remote.stores = type(remote.stores)(remote.store.folder.parent)  # as after a restart
    remote.commit({"c.yaml": b"3"})

    found = await read_whole(remote, "main")
    other = await read_whole(remote, "other")

    assert found["c.yaml"] == b"3"
    assert len(found["a/b.yaml"]) == len(other["a/b.yaml"]) == 2000
    assert other["c.yaml"] == b"2"


async def read_whole(remote: Remote, branch: str) -> dict[str, bytes]:
    """All files, as they are read to be stored; a second look is allowed if one cannot be read."""
    try:
        return files_of((await remote.fetch(branch=branch)).tree)
    except KeyError:
        repaired(remote.store)
    return files_of((await remote.fetch(branch=branch)).tree)


@OURS
async def test_a_loose_object_that_is_damaged_is_made_anew(remote: Remote) -> None:
    remote.commit({"a.yaml": b"1", "x.png": b"left out"})
    before = await remote.fetch(branch="main")
    remote.stores.close()
    for path in remote.store.folder.glob("objects/??/*"):
        path.chmod(0o600)
        path.write_bytes(b"")
    remote.stores = type(remote.stores)(remote.store.folder.parent)

    found = await remote.fetch(branch="main")

    assert files_of(found.tree) == {"a.yaml": b"1"}
    assert found.tree.id == before.tree.id
