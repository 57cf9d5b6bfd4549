"""Whatever anybody writes into an expression, it has a value or a CelError."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.objects.cel import CelError, parsed

WORDS = st.sampled_from(
    [
        "a",
        "b",
        "1",
        "2u",
        "1.5",
        "'x'",
        "b'y'",
        "true",
        "null",
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        ".",
        ".?",
        "[?",
        ",",
        ":",
        "?",
        "+",
        "-",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        ">=",
        "in",
        "&&",
        "||",
        "!",
        "has(",
        "size(",
        "int(",
        "string(",
        "duration(",
        "timestamp(",
        "all(x,",
        "exists(x,",
        "map(x,",
        "filter(x,",
        "matches(",
        "split(",
        "join(",
        "optional.of(",
        "orValue(",
        "value()",
        "type(",
        "x",
        "self",
        "sets.contains(",
        "getHours()",
    ]
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)


@given(st.lists(WORDS, max_size=14).map(" ".join) | st.text(max_size=40), JSON, JSON)
def test_an_expression_has_a_value_or_a_cel_error(text: str, a: Any, b: Any) -> None:
    for variables in (None, ("a", "b")):
        try:
            program = parsed(text, variables)
            program.value({"a": a, "b": b, "self": {"x": a}})
        except CelError:
            pass
