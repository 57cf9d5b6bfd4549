import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from engine.api import KINDS, Kind
from engine.api.crd import definition, texts, write
from engine.api.duration import parse_duration
from engine.api.meta import Model
from engine.api.schema import Schema, schema_of
from engine.objects.manifests import load

ROOT = Path(__file__).parents[3]
CORPUS = ROOT.parent / "shared" / "corpus" / "crds"

each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)


def root(kind: Kind) -> Schema:
    schema: Schema = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def undescribed(schema: Any, *, is_map_of_fields: bool = False) -> Any:
    """Without descriptions; a field that is called `description` stays."""
    if isinstance(schema, list):
        return [undescribed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: undescribed(value, is_map_of_fields=key == "properties" and not is_map_of_fields)
        for key, value in schema.items()
        if key != "description" or is_map_of_fields
    }


def fields(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every field at any depth, with its path."""
    for name, below in schema.get("properties", {}).items():
        yield f"{path}.{name}", below
        yield from fields(below, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from fields(schema[key], path)


@each_kind
def test_a_definition_is_that_of_flux_but_for_descriptions(kind: Kind) -> None:
    if not CORPUS.parents[1].exists():
        pytest.skip("the definitions of Flux are in ../shared, which is not here")
    theirs = json.loads((CORPUS / f"{kind.plural}.{kind.group}.json").read_text())

    made = undescribed(definition(kind))
    labels = made["metadata"].pop("labels")
    assert made | {"metadata": {**made["metadata"], "labels": {}}} == theirs
    assert labels["app.kubernetes.io/part-of"] == "flux"  # as an installation of Flux adds


def test_the_definitions_of_the_chart_are_fresh() -> None:
    """If not: `make crds`."""
    present = {path.name: path.read_text() for path in (ROOT / "helm" / "crds").iterdir()}

    assert present == texts()


@each_kind
def test_a_definition_reads_back_as_it_was_written(kind: Kind) -> None:
    assert load(texts()[f"{kind.plural}.{kind.group}.yaml"]) == definition(kind)


@each_kind
def test_every_field_is_described(kind: Kind) -> None:
    bare = [path for path, schema in fields(root(kind)) if not schema.get("description")]

    assert bare == [".metadata"]


@each_kind
def test_every_description_is_one_short_sentence_or_two(kind: Kind) -> None:
    texts_ = {schema.get("description", "A.") for _, schema in fields(root(kind))}

    assert [text for text in texts_ if not text.endswith(".") or len(text) > 120] == []


def models(kind: Any) -> Iterator[type[Model]]:
    """All models in a type."""
    if isinstance(kind, type) and issubclass(kind, Model):
        yield kind
        for info in msgspec.structs.fields(kind):
            yield from models(info.type)
    for part in get_args(kind):
        yield from models(part)


@each_kind
def test_defaults_of_the_definition_are_those_of_the_model(kind: Kind) -> None:
    for model in models(kind.model):
        for info in msgspec.structs.fields(model):
            schema = schema_of(info.type)
            if "default" in schema and "pattern" in schema:
                assert parse_duration(schema["default"]) == info.default
            elif "default" in schema:
                assert schema["default"] == info.default


def test_files_of_kinds_that_are_no_more_are_removed(tmp_path: Path) -> None:
    (tmp_path / "old.example.yaml").write_text("{}")

    write(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(texts())
