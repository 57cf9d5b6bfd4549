"""Data keys in shares."""

import secrets
from itertools import combinations

import pytest

from engine.sops import MasterKey, Metadata, SopsError, combined, split

KEY = secrets.token_bytes(32)


def metadata(groups: int, threshold: int) -> Metadata:
    keys = tuple((MasterKey("age", f"age1{at}", f"sealed {at}"),) for at in range(groups))
    return Metadata(keys, threshold, "ENC[", "2026-11-23T06:00:00Z")


@pytest.mark.parametrize(("groups", "threshold"), [(2, 2), (3, 2), (5, 3), (4, 0), (255, 2)])
def test_any_groups_up_to_the_threshold_give_the_key(groups: int, threshold: int) -> None:
    shares = split(KEY, groups, threshold, secrets.token_bytes)
    what = metadata(groups, threshold)
    parts = dict(zip(what.keys(), shares, strict=True))
    needed = threshold or groups

    for some in list(combinations(parts, needed))[:20]:
        assert combined(what, {key: parts[key] for key in some}) == KEY
    few = list(parts)[: needed - 1]
    assert combined(what, {key: parts[key] for key in few}) is None


def test_one_group_holds_the_key_itself() -> None:
    assert split(KEY, 1, 0, secrets.token_bytes) == (KEY,)
    (key,) = metadata(1, 0).keys()
    assert combined(metadata(1, 2), {key: KEY}) == KEY


def test_one_key_of_a_group_is_enough() -> None:
    keys = [MasterKey("age", name, name) for name in "abc"]
    what = Metadata(((keys[0], keys[1]), (keys[2],)), 2, "", "")
    first, second = split(KEY, 2, 2, secrets.token_bytes)

    assert combined(what, {keys[1]: first, keys[2]: second}) == KEY
    assert combined(what, {keys[0]: first, keys[1]: first}) is None


@pytest.mark.parametrize(
    "parts",
    [
        (b"", b""),
        (b"a", b"b"),
        (b"aa\x01", b"bb\x01"),
        (b"aa\x01", b"b\x02"),
        (b"aa\x00", b"bb\x02"),
        (b"a" * 100 + b"\x01", b"b" * 100 + b"\x02"),
    ],
)
def test_shares_that_do_not_fit_are_refused(parts: tuple[bytes, bytes]) -> None:
    what = metadata(2, 2)

    with pytest.raises(SopsError, match="shares of the data key"):
        combined(what, dict(zip(what.keys(), parts, strict=True)))


@pytest.mark.parametrize(("groups", "threshold"), [(2, 3), (2, 1), (256, 2), (0, 0)])
def test_a_threshold_out_of_range_is_refused(groups: int, threshold: int) -> None:
    with pytest.raises(SopsError, match="key groups cannot be required"):
        split(KEY, groups, threshold, secrets.token_bytes)
