"""Blocks between BEGIN and END lines."""

import pytest

from engine.objects.armor import blocks_of

KEY = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"
TWO = b"-----BEGIN CERTIFICATE-----\r\nBBBB\r\n-----END CERTIFICATE-----"


def test_each_block_is_found_with_its_name_whatever_stands_between() -> None:
    text = b"Bag Attributes\n" + KEY + b"\nsubject=x\n" + TWO + b"\n-----\n" + KEY

    assert list(blocks_of(text)) == [
        (b"PRIVATE KEY", KEY),
        (b"CERTIFICATE", TWO),
        (b"PRIVATE KEY", KEY),
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-----BEGIN ",
        b"-----BEGIN X",
        b"-----BEGIN X-----",
        b"-----BEGIN X-----\n-----END X",
        b"-----BEGIN X\n-----\n-----END X-----",
        b"-----BEGIN ----------END -----",
        b"-----END X-----\n-----BEGIN X-----\n",
    ],
)
def test_what_is_not_whole_is_no_block(text: bytes) -> None:
    assert list(blocks_of(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        b"-----BEGIN X-----" * 60_000,
        b"-----BEGIN X-----\n" * 60_000 + b"-----END X",
        b"-----BEGIN " * 100_000,
        b"-----BEGIN \n" * 90_000,
        b"-----END X-----" * 70_000,
        b"-" * 1_000_000,
    ],
    ids=["beginnings", "lines", "heads", "broken heads", "ends", "dashes"],
)
def test_a_megabyte_of_beginnings_holds_nobody_up(text: bytes) -> None:
    """It would take hours with a regular expression, and end at the limit of a test."""
    assert list(blocks_of(text)) == []
