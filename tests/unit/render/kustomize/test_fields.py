from typing import Any

import pytest

from engine.render.kustomize.config.defaults import COMMON_LABELS
from engine.render.kustomize.model.fields import FieldSpec, change_fields
from engine.render.kustomize.model.ids import Gvk
from engine.render.kustomize.model.resource import Position, Resource
from engine.render.kustomize.model.scalars import SpelledText
from engine.render.kustomize.model.schemas import BuiltInSchemas


def resource(kind: str, api_version: str = "apps/v1") -> Resource:
    obj: dict[str, Any] = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}}
    return Resource(obj, Position("a.yaml", 1), BuiltInSchemas())


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "CronJob", "Widget"])
def test_many_specifications_change_what_each_of_them_changes_alone(kind: str) -> None:
    together, alone = resource(kind), resource(kind)

    for _ in range(2):  # the second time they are known
        change_fields(together, COMMON_LABELS, lambda _: {"a": "b"}, dict)
    for spec in COMMON_LABELS:
        change_fields(alone, (spec,), lambda _: {"a": "b"}, dict)

    assert together.obj == alone.obj
    assert "labels" in together.metadata


def test_what_is_known_of_a_kind_is_not_taken_for_another() -> None:
    specs = tuple(FieldSpec("x", Gvk(kind=kind), create=True) for kind in ("A", "B", "C"))
    kinds = [resource(kind) for kind in ("A", "B", "D")]

    for each in kinds:
        change_fields(each, specs, lambda _: "set", str)

    assert [each.obj.get("x") for each in kinds] == ["set", "set", None]


def test_a_text_that_remembers_more_is_no_part_of_what_others_get() -> None:
    spelled = SpelledText.of("2001-01-01T00:00:00Z", "2001-01-01")

    Gvk.of("v1", spelled)

    assert Gvk.of("v1", str(spelled)).kind.__class__ is str
