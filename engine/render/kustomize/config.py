"""Which fields the transformers of a build work on: the defaults and what `configurations` add.

Source: kustomize api/internal/plugins/builtinconfig.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from engine.render.kustomize import defaults
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.fields import FieldSpec, merge_specs
from engine.render.kustomize.ids import Gvk
from engine.render.kustomize.kustomization import FieldEntry, Strict, decode
from engine.render.kustomize.references import NAME_REFERENCES, NameReference

Specs = tuple[FieldSpec, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """The field specifications in force at one kustomization."""

    name_prefix: Specs = ()
    name_suffix: Specs = ()
    namespace: Specs = ()
    common_labels: Specs = ()
    labels: Specs = ()
    template_labels: Specs = ()
    volume_claim_template_labels: Specs = ()
    common_annotations: Specs = ()
    name_reference: tuple[NameReference, ...] = ()
    var_reference: Specs = ()
    images: Specs = ()
    replicas: Specs = ()


DEFAULTS = Config(
    name_prefix=defaults.NAMES,
    name_suffix=defaults.NAMES,
    namespace=defaults.NAMESPACE,
    common_labels=defaults.COMMON_LABELS,
    template_labels=defaults.TEMPLATE_LABELS,
    volume_claim_template_labels=defaults.CLAIM_LABELS,
    common_annotations=defaults.COMMON_ANNOTATIONS,
    name_reference=NAME_REFERENCES,
    var_reference=defaults.VARIABLES,
    images=defaults.IMAGES,
    replicas=defaults.REPLICAS,
)


class _ReferenceEntry(Strict):
    group: str = ""
    version: str = ""
    kind: str = ""
    field_specs: list[FieldEntry] = []


class _ConfigFile(Strict):
    name_prefix: list[FieldEntry] = []
    name_suffix: list[FieldEntry] = []
    namespace: list[FieldEntry] = []
    common_labels: list[FieldEntry] = []
    labels: list[FieldEntry] = []
    template_labels: list[FieldEntry] = []
    volume_claim_template_labels: list[FieldEntry] = []
    common_annotations: list[FieldEntry] = []
    name_reference: list[_ReferenceEntry] = []
    var_reference: list[FieldEntry] = []
    images: list[FieldEntry] = []
    replicas: list[FieldEntry] = []


def merge_configs(config: Config, more: Config) -> Config:
    """Both.  Raises KustomizeError if they disagree on a field."""
    if more is config or more == Config():
        return config
    if config == Config():
        return more
    merged: dict[str, Any] = {
        name: merge_specs(getattr(config, name), getattr(more, name), f"{name} field specs")
        for name in Config.__dataclass_fields__
        if name != "name_reference"
    }
    references = config.name_reference
    for reference in more.name_reference:
        references = _with_reference(references, reference)
    return Config(name_reference=references, **merged)


def decode_config(obj: Any, file: str) -> Config:
    """What a file of `configurations` says.  Raises KustomizeError."""
    if obj is not None and not isinstance(obj, dict):
        raise KustomizeError(f"{file}: a configuration must be a map, got {obj!r}")
    entries = decode(_ConfigFile, obj, f"{file}: invalid configuration")
    fields: dict[str, Any] = {
        name: field_specs(getattr(entries, name))
        for name in Config.__dataclass_fields__
        if name != "name_reference"
    }
    references = tuple(
        NameReference(Gvk(entry.group, entry.version, entry.kind), field_specs(entry.field_specs))
        for entry in entries.name_reference
    )
    return Config(name_reference=references, **fields)


def field_specs(entries: Sequence[FieldEntry]) -> Specs:
    """Entries of a file as field specifications."""
    return tuple(
        FieldSpec(entry.path, Gvk(entry.group, entry.version, entry.kind), entry.create)
        for entry in entries
    )


def field_entries(obj: Any, where: str) -> Specs:
    """The `fieldSpecs` of a plugin's configuration.  Raises KustomizeError."""
    try:
        return field_specs(msgspec.convert(obj or [], list[FieldEntry]))
    except msgspec.ValidationError as error:
        raise KustomizeError(f"{where}: fieldSpecs: {error}") from error


def _with_reference(
    references: tuple[NameReference, ...], more: NameReference
) -> tuple[NameReference, ...]:
    for i, reference in enumerate(references):
        if reference.target == more.target:
            referrers = merge_specs(reference.referrers, more.referrers, "nameReference")
            return (*references[:i], replace(reference, referrers=referrers), *references[i + 1 :])
    return (*references, more)
