"""Comments that say how a field merges, and texts that are to cost more than they are long."""

from typing import Any

import pytest

from engine.render.kustomize.model import comments
from engine.render.kustomize.model.comments import Comments
from engine.render.kustomize.model.document import DocumentReader
from engine.render.kustomize.model.keys import Key

REPLACE = {"x-kubernetes-patch-strategy": "replace"}
SAID = '# {"x-kubernetes-patch-strategy": "replace"}'


def read(text: str) -> Any:
    return DocumentReader(text, "a.yaml", 1).document()


def schemas(text: str) -> dict[str, Any]:
    """{field: what a comment says of it}; only the fields of which one does."""
    return {str(key): key.schema for key in read(text) if isinstance(key, Key) and key.schema}


class Counting:
    """A pattern that counts how often it is asked."""

    def __init__(self, pattern: Any) -> None:
        self._pattern, self.asked = pattern, 0

    def fullmatch(self, text: str) -> Any:
        self.asked += 1
        return self._pattern.fullmatch(text)


@pytest.mark.parametrize(
    "text",
    [
        f"{SAID}\n{{a: {{}}, b: {{x: 1}}, c: []}}",
        f"{SAID}\na: {{}}\nb: {{}}\nc: []",
        f"a: {SAID}\n  x: 1\nb: {{}}",
    ],
)
def test_a_comment_is_that_of_one_field(text: str) -> None:
    assert schemas(text) == {"a": REPLACE}


def test_a_comment_between_fields_is_that_of_the_next() -> None:
    assert schemas(f"a: {{}}\n{SAID}\nb: {{}}\nc: {{}}") == {"b": REPLACE}


@pytest.mark.parametrize("number", ["1" * 5_000, "[" * 100_000])
def test_a_comment_that_python_cannot_read_says_nothing(number: str) -> None:
    assert schemas(f'# {{"maximum": {number}}}\na: {{}}\n') == {}


def test_many_signs_of_comments_are_looked_at_once() -> None:
    """Some minutes' work if each were the beginning of all that follow."""
    assert Comments.of("#" * 1_000_000) is None
    assert Comments.of("#" * 1_000_000 + "{") is not None


@pytest.mark.parametrize(
    "text",
    [
        "{" + ", ".join(f"k{n}: {{}}" for n in range(2_000)) + "}",
        "[" + ", ".join("{k: {}}" for _ in range(2_000)) + "]",
        "{z: 1, " + ", ".join(f"k{n}: [{{k: {{}}}}]" for n in range(2_000)) + "}",
    ],
    ids=["fields", "maps", "both"],
)
def test_lines_above_are_looked_at_once_for_all_fields_of_a_line(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(comments._NO_CONTENT)
    monkeypatch.setattr(comments, "_NO_CONTENT", counting)

    read(f"# {{\n{'#' * 3}\n" * 500 + text)

    assert counting.asked <= 2 * 1_001
