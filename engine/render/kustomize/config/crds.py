"""Field specifications out of the OpenAPI of custom resources (`crds:`).

Source: kustomize api/internal/accumulator/loadconfigfromcrds.go.
"""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from engine.render.kustomize.config.references import NameReference
from engine.render.kustomize.config.specs import Config, merge_configs
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.fields import FieldSpec
from engine.render.kustomize.model.ids import Gvk

_DEPTH = 100
_FIELDS = 100_000
"""Fields of one file, each counted as often as types lead to it."""


def config_from_crds(content: Any, file: str) -> Config:
    """What the types of a `crds` file say of their fields.  Raises KustomizeError."""
    if not isinstance(content, dict):
        raise KustomizeError(f"{file}: unable to parse open API definition: a map was expected")
    config = Config()
    fields = count(1)
    for name in sorted(content):
        properties = _properties(content, name)
        if {"kind", "apiVersion", "metadata"} <= properties.keys():
            gvk = Gvk(kind=name.rpartition(".")[2])
            for spec in _walk(content, name, gvk, (), fields):
                config = merge_configs(config, spec)
    return config


def _properties(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    definition = content.get(name)
    fields = definition if isinstance(definition, dict) else {}
    schema = fields.get("Schema", fields.get("schema"))
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return properties if isinstance(properties, dict) else {}


def _walk(
    content: Mapping[str, Any], name: str, gvk: Gvk, path: tuple[str, ...], fields: Iterator[int]
) -> list[Config]:
    """fields: counts them."""
    if len(path) > _DEPTH:
        raise KustomizeError(f"open API definition {name!r} refers to itself")
    found = []
    for key, field in _properties(content, name).items():
        if not isinstance(field, dict):
            continue
        if next(fields) > _FIELDS:
            raise KustomizeError(
                f"open API definition {name!r} leads to more than {_FIELDS} fields"
            )
        here = (*path, key)
        found += _declared(field, gvk, here)
        if isinstance(reference := field.get("$ref"), str):
            found += _walk(content, reference, gvk, here, fields)
    return found


def _declared(field: Mapping[str, Any], gvk: Gvk, path: tuple[str, ...]) -> list[Config]:
    spec = (FieldSpec("/".join(path), gvk),)
    found = []
    if "x-kubernetes-annotation" in field:
        found.append(Config(common_annotations=spec))
    if "x-kubernetes-label-selector" in field:
        found.append(Config(common_labels=spec))
    if "x-kubernetes-identity" in field:
        found.append(Config(name_prefix=spec))
    version = field.get("x-kubernetes-object-ref-api-version")
    kind = field.get("x-kubernetes-object-ref-kind")
    if isinstance(version, str) and isinstance(kind, str):
        key = str(field.get("x-kubernetes-object-ref-name-key", "name"))
        referrer = FieldSpec("/".join((*path, key)), gvk)
        target = Gvk(version=version, kind=kind)
        found.append(Config(name_reference=(NameReference(target, (referrer,)),)))
    return found
