import pytest

from engine.render.operators import OPERATORS, matches


@pytest.mark.parametrize(
    ("pattern", "name", "wanted"),
    [
        ("*", "", True),
        ("a*c", "abbc", True),
        ("a*/c", "a/b/c", True),
        ("?b", "ab", True),
        ("?", "ab", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("\\*", "*", True),
        ("\\*", "a", False),
        ("[", "[", False),
        ("[]a]", "a", False),
        ("a*b*c", "aXbYbZc", True),
        ("*a*", "bab", True),
    ],
)
def test_globs(pattern: str, name: str, wanted: bool) -> None:
    assert matches(pattern, name) is wanted


@pytest.mark.parametrize(
    ("operator", "value", "arguments", "wanted"),
    [
        (":", "äb", ["2"], "b"),
        (":", "abc", ["-2"], "bc"),
        (":", "abc", ["-9", "1"], "a"),
        (":", "abc", ["x"], "abc"),
        ("#length", "äb", [], "3"),
        ("^^", "straße", [], "STRAßE"),
        ("%", "a.b.c", [".*"], "a.b"),
        ("%%", "a.b.c", [".*"], "a"),
        ("/", "aa", ["a"], "a"),
        ("/#", "aa", ["a"], "aa"),
    ],
)
def test_operators(operator: str, value: str, arguments: list[str], wanted: str) -> None:
    assert OPERATORS[operator](value, arguments) == wanted
