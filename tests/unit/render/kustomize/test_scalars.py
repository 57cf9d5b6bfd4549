from typing import Any

import pytest

from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.scalars import (
    Misfit,
    Quoted,
    Untyped,
    is_text,
    like,
    placed,
    resolve,
    text_of,
    unspelled,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("yes", "yes"),
        ("y", "y"),
        ("True", True),
        ("0644", 420),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", 1000),
        ("08", 8),
        ("1e3", 1000),
        ("1.50", 1.5),
        ("1e400", "1e400"),
        ("1:30", "1:30"),
        ("2001-01-02", "2001-01-02T00:00:00Z"),
        ("2001-01-02T03:04:05.60Z", "2001-01-02T03:04:05.6Z"),
        ("2001-13-01", "2001-13-01"),
    ],
)
def test_plain_scalars_have_yaml_1_2_types(text: str, value: Any) -> None:
    resolved = unspelled(resolve(text))

    assert resolved == value
    assert type(resolved) is type(value)


@pytest.mark.parametrize("text", ["0644", "1.50", "1_000", "2001-01-02", "5", "true", "x"])
def test_a_scalar_remembers_its_spelling(text: str) -> None:
    assert text_of(resolve(text)) == text


def test_infinity_has_no_json_form() -> None:
    with pytest.raises(KustomizeError, match=r"'\.inf' has no JSON form"):
        resolve(".inf")


@pytest.mark.parametrize(
    ("old", "text", "wanted"),
    [
        ("a", "5", "5"),
        (1, "5", 5),
        (True, "false", False),
        (resolve("1.5"), "2", 2),
        (None, "~", None),
        (Untyped(), "5", 5),
    ],
)
def test_a_new_text_takes_the_type_of_the_place(old: Any, text: str, wanted: Any) -> None:
    assert like(old, text) == wanted


@pytest.mark.parametrize(
    ("old", "text", "problem"),
    [
        (1, "x", "the field holds an integer, and what is put there is text"),
        (1, "1.5", "the field holds an integer, and what is put there is a number"),
        (resolve("1e3"), "true", "the field holds a number, and what is put there is true or"),
        (None, "1", "the field holds nothing, and what is put there is an integer"),
        (resolve("2001-01-02"), "x", "the field holds a time, and what is put there is text"),
    ],
)
def test_a_text_of_another_type_cannot_take_the_place(old: Any, text: str, problem: str) -> None:
    with pytest.raises(Misfit, match=problem):
        like(old, text)


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (Quoted("1"), 2, "2"),
        (Quoted("1"), resolve("1.50"), "1.50"),
        (Quoted("1"), True, "true"),
        (Quoted("1"), [], []),
        ("a", 2, 2),
        ("a", Quoted("text"), "text"),
        (None, 2, 2),
    ],
)
def test_what_is_merged_into_quotes_stays_in_them(old: Any, new: Any, wanted: Any) -> None:
    merged = placed(old, new)

    assert merged == wanted
    assert type(unspelled(merged)) is type(wanted)
    assert isinstance(merged, Quoted) is (isinstance(old, Quoted) and isinstance(wanted, str))


@pytest.mark.parametrize(
    ("text", "wanted"), [("a", True), ("1", False), ("~", False), ("yes", True)]
)
def test_unquoted_text(text: str, wanted: bool) -> None:
    assert is_text(text) is wanted
