"""Expressions of users: Go's dialect, in time that is linear in the text."""

import pytest

from engine.objects.regex import InvalidExpression, compiled
from engine.render import Request, render
from engine.source.tree import MemoryTree

EVIL = b"""\
resources: [web.yaml]
patches:
- target: {name: "(a+)+c"}
  patch: '[{"op": "add", "path": "/data/x", "value": "y"}]'
"""


def test_an_expression_that_backtracks_elsewhere_ends_at_once() -> None:
    name = "a" * 40
    files = {
        "kustomization.yaml": EVIL,
        "web.yaml": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n" % name.encode(),
    }

    (made,) = render(MemoryTree(files), Request()).objects  # within the ten seconds of a test

    assert "data" not in made.obj


@pytest.mark.parametrize(
    ("text", "whole", "matches"),
    [("a|b", "a", True), ("a|b", "ab", False), ("[[:alpha:]]+", "abc", True), ("x$", "x\n", False)],
)
def test_gos_dialect_is_read(text: str, whole: str, matches: bool) -> None:
    assert (compiled(text).fullmatch(whole) is not None) is matches


def test_what_is_no_expression_says_why() -> None:
    with pytest.raises(InvalidExpression, match=r"'\(' is not a regular expression: missing \)"):
        compiled("(")
