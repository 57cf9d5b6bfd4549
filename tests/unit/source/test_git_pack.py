"""Packs that mean harm, or are merely broken."""

import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.source.failures import CorruptPackError, GitError
from engine.source.git_index import index_apart
from engine.source.git_pack import Limits
from engine.source.store import Store

BLOB, OFS_DELTA, REF_DELTA = 3, 6, 7


def varint(number: int) -> bytes:
    digits = bytearray()
    while number >= 0x80:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def head(kind: int, size: int) -> bytes:
    first = kind << 4 | size & 15
    return bytes([first | 0x80]) + varint(size >> 4) if size > 15 else bytes([first])


def blob(content: bytes) -> bytes:
    return head(BLOB, len(content)) + zlib.compress(content)


def tree(content: bytes) -> bytes:
    return head(2, len(content)) + zlib.compress(content)


def pack(*objects: bytes, count: int | None = None) -> bytes:
    number = len(objects) if count is None else count
    body = b"PACK\0\0\0\2" + number.to_bytes(4, "big") + b"".join(objects)
    return body + hashlib.sha1(body).digest()


def delta_bomb(base: bytes, times: int) -> bytes:
    """A delta that copies its base many times over."""
    copy = bytes([0b10110000]) + len(base).to_bytes(2, "little")
    text = varint(len(base)) + varint(len(base) * times) + copy * times
    base_id = hashlib.sha1(b"blob %d\0" % len(base) + base).digest()
    return head(REF_DELTA, len(text)) + base_id + zlib.compress(text)


BASE, COPY = b"hello", b"\x90\x05"  # all five bytes of it


def delta(base: bytes, base_size: int, size: int, instructions: bytes) -> bytes:
    """A delta that says what it likes of its sizes."""
    text = varint(base_size) + varint(size) + instructions
    base_id = hashlib.sha1(b"blob %d\0" % len(base) + base).digest()
    return head(REF_DELTA, len(text)) + base_id + zlib.compress(text)


def chain(length: int) -> tuple[bytes, bytes]:
    """(pack, last content): each object is the one before and one byte more."""
    content, objects = b"x" * 40, [blob(b"x" * 40)]
    for number in range(length):
        grown = content + bytes([number % 251])
        whole = bytes([0b10110000]) + len(content).to_bytes(2, "little")
        objects.append(delta(content, len(content), len(grown), whole + b"\1" + grown[-1:]))
        content = grown
    return pack(*objects), content


def take_in(folder: Path, data: bytes, limits: Limits | None = None) -> Store:
    store = Store(folder / "store")
    incoming = store.incoming()
    incoming.write(data)
    incoming.finish(limits or Limits(), lambda: None)
    return store


def test_a_sound_pack_becomes_readable(tmp_path: Path) -> None:
    content = b"hello" * 10_000
    store = take_in(tmp_path, pack(blob(content), delta_bomb(content, 2)))

    blob_id = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    assert store.blob(blob_id) == content
    assert store.statistics().packs == 1


def test_a_pack_with_the_same_objects_is_not_kept_twice(tmp_path: Path) -> None:
    take_in(tmp_path, pack(blob(b"other")))
    take_in(tmp_path, pack(blob(b"1"), blob(b"2")))

    store = take_in(tmp_path, pack(blob(b"2"), blob(b"1")))

    assert store.statistics().packs == 2
    assert len(list((tmp_path / "store" / "objects" / "pack").iterdir())) == 4


def test_an_empty_pack_changes_nothing(tmp_path: Path) -> None:
    assert take_in(tmp_path, pack()).statistics().packs == 0


SOUND = pack(blob(b"hello"), blob(b"world" * 100))
HARMFUL: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "cut off"),
    "no pack": (b"<html>" * 20, "not a pack"),
    "another version": (b"PACK\0\0\0\x09" + SOUND[8:], "not a pack"),
    "cut off": (SOUND[:-30], "corrupt"),
    "wrong checksum": (SOUND[:-1] + b"\0", "corrupt"),
    "more objects than there are": (pack(blob(b"a"), count=2), "corrupt"),
    "4 milliard objects": (
        pack(blob(b"a"), count=2**32 - 1),
        "4294967295 objects, more than the 1000000 allowed",
    ),
    "a delta that lies about its base": (pack(blob(BASE), delta(BASE, 9, 5, COPY)), "corrupt"),
    "a delta that grows to more than it says": (
        pack(blob(BASE), delta(BASE, 5, 4, COPY)),
        "corrupt",
    ),
    "a delta that grows to less than it says": (
        pack(blob(BASE), delta(BASE, 5, 6, COPY)),
        "corrupt",
    ),
    "a delta that copies from beyond its base": (
        pack(blob(BASE), delta(BASE, 5, 5, b"\x91\x01\x05")),
        "corrupt",
    ),
    "a delta that is cut off": (pack(blob(BASE), delta(BASE, 5, 5, b"\x90")), "corrupt"),
    "a delta with an empty instruction": (pack(blob(BASE), delta(BASE, 5, 5, b"\0")), "corrupt"),
    "a delta of itself": (pack(head(OFS_DELTA, 3) + b"\0" + zlib.compress(b"\1\1\1")), "corrupt"),
    "something after the end": (pack(blob(b"a"), blob(b"b"), count=1), "corrupt"),
    "longer than declared": (pack(head(BLOB, 2) + zlib.compress(b"abc")), "longer"),
    "shorter than declared": (pack(head(BLOB, 4) + zlib.compress(b"abc")), "shorter"),
    "unknown type": (pack(head(5, 1) + zlib.compress(b"a")), "type 5"),
    "unknown base": (pack(head(REF_DELTA, 3) + b"x" * 20 + zlib.compress(b"\1\1\1")), "corrupt"),
    "base before the pack": (
        pack(head(OFS_DELTA, 3) + b"\x7f" + zlib.compress(b"\1\1\1")),
        "corrupt",
    ),
    "not compressed": (pack(head(BLOB, 3) + b"abcdefghijklmnopq"), "corrupt"),
    "endless size": (pack(b"\xbf" + b"\xff" * 20 + b"\0"), "too many digits"),
    "a tree that is none": (pack(tree(b"abc")), "corrupt"),
    "a tree without an id": (pack(tree(b"100644 a\0" + b"1" * 19)), "corrupt"),
    "a tree with a strange mode": (pack(tree(b"x a\0" + b"1" * 20)), "corrupt"),
}


@pytest.mark.parametrize(("data", "problem"), HARMFUL.values(), ids=HARMFUL.keys())
def test_cve_2026_25934_a_pack_that_is_broken_is_refused_and_leaves_nothing(
    tmp_path: Path, data: bytes, problem: str
) -> None:
    """And PYSEC-2015-35, a delta that reaches outside of its base."""
    with pytest.raises(GitError, match=problem):
        take_in(tmp_path, data)

    assert not list((tmp_path / "store" / "objects" / "pack").iterdir())


def test_a_long_chain_of_deltas_is_followed_to_its_end(tmp_path: Path) -> None:
    data, last = chain(3000)

    store = take_in(tmp_path, data)

    assert store.blob(hashlib.sha1(b"blob %d\0" % len(last) + last).hexdigest()) == last


def test_a_pack_of_too_many_objects_is_refused_before_they_are_looked_at(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="3 objects, more than the 2 allowed"):
        take_in(tmp_path, pack(blob(b"a"), blob(b"b"), blob(b"c")), Limits(entries=2))


MiB = 1024 * 1024
BOMBS: dict[str, Callable[[], tuple[bytes, Limits, str]]] = {
    "one large object": lambda: (
        pack(blob(b"\0" * 8 * MiB)),
        Limits(object_bytes=4 * MiB),
        "inflates to 8388608 bytes",
    ),
    "many objects": lambda: (
        pack(*[blob(b"\0" * MiB)] * 16),
        Limits(inflated_bytes=8 * MiB),
        "more than the 8388608 bytes allowed",
    ),
    "a delta that grows": lambda: (
        pack(blob(b"x" * 65535), delta_bomb(b"x" * 65535, 1000)),
        Limits(object_bytes=4 * MiB),
        "inflates to 65535000 bytes",
    ),
    "many deltas that grow": lambda: (
        pack(blob(b"x" * 65535), *[delta_bomb(b"x" * 65535, 10)] * 20),
        Limits(inflated_bytes=8 * MiB),
        "more than the 8388608 bytes allowed",
    ),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_cve_2025_21614_a_pack_that_inflates_too_far_is_refused(
    tmp_path: Path, bomb: Callable[[], tuple[bytes, Limits, str]]
) -> None:
    data, limits, problem = bomb()

    with pytest.raises(GitError, match=problem):
        take_in(tmp_path, data, limits)


APART = Limits(apart_objects=0)


def test_a_large_pack_is_indexed_in_a_process_of_its_own(tmp_path: Path) -> None:
    content = b"hello" * 10_000
    store = take_in(tmp_path, pack(blob(content)), APART)

    store = take_in(tmp_path, pack(delta_bomb(content, 2)), APART)  # of what is there already

    twice = hashlib.sha1(b"blob %d\0" % len(content * 2) + content * 2).hexdigest()
    assert store.blob(twice) == content * 2
    assert store.statistics().packs == 2
    assert len(list((tmp_path / "store" / "objects" / "pack").iterdir())) == 4


def test_what_that_process_cannot_make_sense_of_is_refused_as_here(tmp_path: Path) -> None:
    unknown = head(REF_DELTA, 3) + b"x" * 20 + zlib.compress(b"\1\1\1")

    with pytest.raises(CorruptPackError):
        take_in(tmp_path, pack(blob(b"a"), unknown), APART)

    assert not list((tmp_path / "store" / "objects" / "pack").iterdir())


@pytest.mark.slow
def test_that_process_ends_at_its_share_of_memory_and_nothing_else_does(tmp_path: Path) -> None:
    large = blob(b"\0" * 120 * MiB)

    with pytest.raises(GitError, match="takes more than 134217728 bytes of memory to index"):
        take_in(tmp_path, pack(large), Limits(apart_objects=0, index_memory_bytes=128 * MiB))

    assert not list((tmp_path / "store" / "objects" / "pack").iterdir())


def test_that_process_ends_when_nobody_waits_for_it_any_more(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    file = tmp_path / "pack"
    file.write_bytes(pack(*[blob(b"%d" % number) for number in range(5000)]))

    def cancelled() -> None:
        raise TimeoutError

    with file.open("r+b") as data, pytest.raises(TimeoutError):
        index_apart(data, store.folder / "objects", "sha1", 2**30, cancelled)

    assert not list((tmp_path / "store" / "objects" / "pack").iterdir())


def test_taking_in_ends_when_it_is_cancelled(tmp_path: Path) -> None:
    class CancelledFromOutsideError(BaseException):
        pass

    def cancel() -> None:
        raise CancelledFromOutsideError

    incoming = Store(tmp_path / "store").incoming()
    incoming.write(SOUND)
    with pytest.raises(CancelledFromOutsideError):
        incoming.finish(Limits(), cancel)

    assert not list((tmp_path / "store" / "objects" / "pack").iterdir())
