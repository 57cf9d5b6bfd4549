from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

import pytest
from msgspec import Meta

from engine.api.duration import Duration, Timeout
from engine.api.meta import Int64, Model, Rule
from engine.api.schema import descriptions, schema_of


class Wheel(Model, frozen=True, kw_only=True):
    """A round
    thing."""

    size: int
    """Inches."""
    brand: Annotated[str, Meta(extra_json_schema={"default": "x"}, extra={"required": True})] = "x"

    rules: ClassVar[tuple[Rule, ...]] = (Rule("self.size > 0", "must be round"),)


class SpareWheel(Wheel, frozen=True, kw_only=True):
    """One more."""

    age: int = 0
    """Years."""


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (str, {"type": "string"}),
        (Int64, {"type": "integer", "format": "int64"}),
        (datetime, {"type": "string", "format": "date-time"}),
        (Any, {"x-kubernetes-preserve-unknown-fields": True}),
        (Duration, {"type": "string"}),
        (Timeout, {"type": "string", "pattern": Timeout.pattern}),
        (Timeout | None, {"type": "string", "pattern": Timeout.pattern}),
        (Literal["b", "a"], {"type": "string", "enum": ["b", "a"]}),
        (tuple[str, ...], {"type": "array", "items": {"type": "string"}}),
        (
            Annotated[tuple[bool, ...], Meta(min_length=1)],
            {"type": "array", "items": {"type": "boolean"}, "minItems": 1},
        ),
        (Annotated[str, Meta(max_length=9)], {"type": "string", "maxLength": 9}),
        (Annotated[int, Meta(ge=0)], {"type": "integer", "minimum": 0}),
        (
            Mapping[str, Duration],
            {"type": "object", "additionalProperties": {"type": "string"}},
        ),
    ],
)
def test_a_type_has_the_schema_of_its_json(kind: Any, wanted: dict[str, Any]) -> None:
    assert schema_of(kind) == wanted


def test_a_model_is_an_object_with_descriptions_required_fields_and_rules() -> None:
    assert schema_of(Wheel) == {
        "type": "object",
        "description": "A round thing.",
        "properties": {
            "size": {"type": "integer", "description": "Inches."},
            "brand": {"type": "string", "default": "x"},
        },
        "required": ["brand", "size"],
        "x-kubernetes-validations": [{"rule": "self.size > 0", "message": "must be round"}],
    }


def test_descriptions_are_inherited() -> None:
    assert descriptions(SpareWheel) == {"": "One more.", "size": "Inches.", "age": "Years."}


@pytest.mark.parametrize("kind", [bytes, list[str], tuple[int, str], set[str], Literal[1]])
def test_a_type_without_a_structural_schema_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match="no schema for"):
        schema_of(kind)
