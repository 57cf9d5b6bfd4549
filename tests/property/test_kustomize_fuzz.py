"""Whatever a repository holds, a build ends with objects or with what a person can be told."""

from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.scalars import copied
from engine.render.kustomize.model.schemas import BuiltInSchemas
from engine.render.kustomize.transform.merge import merge
from engine.render.kustomize.transform.paths import find, look_up, split_smart
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS
from tests.support.soak import examples

WORDS = st.sampled_from(
    (
        *("apiVersion", "kind", "metadata", "name", "spec", "containers", "ports", "v1", "a", ""),
        *("Deployment", "apps/v1", "template", "$patch", "delete", "replace", "merge"),
        *("$retainKeys", "$setElementOrder/containers", "$deleteFromPrimitiveList/args"),
    )
)
SCALARS = st.one_of(WORDS, st.none(), st.booleans(), st.integers(), st.text(max_size=3))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=5)),
    max_leaves=12,
)
OBJECTS = st.dictionaries(WORDS, VALUES, max_size=6)
PATHS = st.lists(
    st.one_of(WORDS, st.text("[]=.*-+0129/\\~a ", max_size=8), st.sampled_from(["*", "0", "-"])),
    max_size=5,
).map(".".join)


@pytest.mark.parametrize("target", TARGETS)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=examples(100))
def test_nearly_right_input_never_breaks_a_build(target: str, seed: int) -> None:
    TARGETS[target](mutated(Random(seed)))


@pytest.mark.parametrize("target", TARGETS)
@given(data=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_no_input_breaks_a_build(target: str, data: bytes) -> None:
    TARGETS[target](data)


@given(OBJECTS, OBJECTS)
def test_a_merge_ends_with_an_object_or_an_error_and_leaves_the_patch_as_it_is(
    obj: dict[str, Any], patch: dict[str, Any]
) -> None:
    before = repr(patch)

    try:
        merged: Any = merge(copied(obj), patch, BuiltInSchemas())
    except KustomizeError:
        merged = {}

    assert isinstance(merged, dict)
    assert repr(patch) == before


@given(OBJECTS, PATHS, st.sampled_from([None, str, dict, list]))
def test_a_field_path_leads_to_fields_or_to_an_error(
    obj: dict[str, Any], path: str, create: type | None
) -> None:
    with suppress(KustomizeError):
        look_up(obj, split_smart(path))
    with suppress(KustomizeError):
        for field in find(copied(obj), split_smart(path), create):
            field.set("new")
