"""Laws of the models: what meets a definition decodes, and decode after encode is identity."""

from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.api import KINDS, Kind, Undecodable, decode, encode
from engine.api.duration import format_duration, parse_duration
from engine.api.schema import Schema, schema_of
from tests.support.soak import examples

each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
in_few_examples = settings(
    max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

INSTANTS = st.sampled_from(["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678+09:00"])
DURATIONS = st.from_regex(r"\A([0-9]{1,4}(\.[0-9]{1,9})?(ms|s|m)){1,3}\Z")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
ANYTHING = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(), SCALARS, max_size=2)


def texts(schema: Schema) -> st.SearchStrategy[str]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("format") == "date-time":
        return INSTANTS
    pattern = schema.get("pattern")
    if pattern and "(ms|s|m" in pattern:
        return DURATIONS
    if pattern:
        return st.from_regex(pattern.replace("$", r"\Z").replace("^", r"\A"), fullmatch=True)
    return st.text(min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 9), 9))


def values(schema: Schema) -> st.SearchStrategy[Any]:
    """JSON that meets a schema."""
    match schema.get("type"):
        case "object":
            strategy = mappings(schema)
        case "array":
            least = schema.get("minItems", 0)
            strategy = st.lists(values(schema["items"]), min_size=least, max_size=least + 1)
        case "string":
            strategy = texts(schema)
        case "boolean":
            strategy = st.booleans()
        case "integer":
            strategy = st.integers(schema.get("minimum", -(2**63)), 2**63 - 1)
        case _:
            strategy = ANYTHING
    return strategy


def mappings(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    if "properties" not in schema:
        return st.dictionaries(st.text(), values(schema["additionalProperties"]), max_size=2)
    below = {
        # Of a duration in a status the definition says only that it is text.
        name: DURATIONS if name.endswith("Duration") else values(part)
        for name, part in schema["properties"].items()
    }
    required = {name: below.pop(name) for name in schema.get("required", ())}
    return st.fixed_dictionaries(required, optional=below)


@cache  # building a strategy costs more than drawing from it
def objects(kind: Kind) -> st.SearchStrategy[dict[str, Any]]:
    return values(schema_of(kind.model))


@each_kind
@in_few_examples
@given(data=st.data())
def test_what_meets_the_definition_decodes_and_survives_a_round(
    kind: Kind, data: st.DataObject
) -> None:
    model = decode(kind.model, data.draw(objects(kind)))

    assert decode(kind.model, encode(model)) == model


def spoil(value: Any, path: tuple[str | int, ...], by: Any) -> Any:
    """A copy of `value` with `by` at `path`."""
    if not path:
        return by
    first, *rest = path
    if isinstance(value, list):
        return [spoil(v, tuple(rest), by) if i == first else v for i, v in enumerate(value)]
    return {k: spoil(v, tuple(rest), by) if k == first else v for k, v in value.items()}


def paths(value: Any) -> list[tuple[str | int, ...]]:
    below = enumerate(value) if isinstance(value, list) else ()
    pairs = value.items() if isinstance(value, dict) else below
    return [(), *((key, *rest) for key, part in pairs for rest in paths(part))]


@each_kind
@in_few_examples
@given(data=st.data())
def test_a_spoiled_object_decodes_or_is_undecodable_with_a_path(
    kind: Kind, data: st.DataObject
) -> None:
    sound = data.draw(objects(kind))
    spoiled = spoil(sound, data.draw(st.sampled_from(paths(sound))), data.draw(ANYTHING))

    problem = problem_of(kind, spoiled)

    assert problem is None or (problem.path.startswith("$") and problem.found and problem.expected)


def problem_of(kind: Kind, obj: Any) -> Undecodable | None:
    try:
        decode(kind.model, obj)
    except Undecodable as problem:
        return problem
    return None


@given(st.integers(-(2**50), 2**50))  # 13 days; beyond, a float loses nanoseconds
def test_a_printed_duration_reads_back_to_the_nanosecond(nanoseconds: int) -> None:
    assert round(parse_duration(format_duration(nanoseconds / 1e9)) * 1e9) == nanoseconds
