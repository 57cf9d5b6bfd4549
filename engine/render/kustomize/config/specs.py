"""Which fields the transformers of a build work on: the defaults and what `configurations` add.

Source: kustomize api/internal/plugins/builtinconfig.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.render.kustomize.config import defaults
from engine.render.kustomize.config.kustomization import FieldEntry
from engine.render.kustomize.config.references import NAME_REFERENCES, NameReference
from engine.render.kustomize.config.typed import Strict, decode
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.fields import FieldSpec, merge_specs
from engine.render.kustomize.model.ids import Gvk
from engine.render.kustomize.model.scalars import described
from engine.render.kustomize.transform.order import sort_key

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


_PLAIN_FIELDS = tuple(name for name in Config.__dataclass_fields__ if name != "name_reference")


class _ReferenceEntry(Strict, frozen=True):
    group: str = ""
    version: str = ""
    kind: str = ""
    field_specs: tuple[FieldEntry, ...] = ()


class _ConfigFile(Strict, frozen=True):
    name_prefix: tuple[FieldEntry, ...] = ()
    name_suffix: tuple[FieldEntry, ...] = ()
    namespace: tuple[FieldEntry, ...] = ()
    common_labels: tuple[FieldEntry, ...] = ()
    labels: tuple[FieldEntry, ...] = ()
    template_labels: tuple[FieldEntry, ...] = ()
    volume_claim_template_labels: tuple[FieldEntry, ...] = ()
    common_annotations: tuple[FieldEntry, ...] = ()
    name_reference: tuple[_ReferenceEntry, ...] = ()
    var_reference: tuple[FieldEntry, ...] = ()
    images: tuple[FieldEntry, ...] = ()
    replicas: tuple[FieldEntry, ...] = ()


def merge_configs(config: Config, more: Config) -> Config:
    """Both, sorted by kind.  Raises KustomizeError if they disagree on a field.

    A general specification that comes after one for some kind is lost there: so it is in kustomize,
    where this is how a configuration takes a default away.
    """
    is_default = more is DEFAULTS or more is SORTED_DEFAULTS
    if is_default and (config is SORTED_DEFAULTS or config == Config()):
        return SORTED_DEFAULTS  # as `_merged` says, which is slow: a test compares
    return _merged(config, more)


def _merged(config: Config, more: Config) -> Config:
    merged: dict[str, Any] = {
        name: _sorted(
            merge_specs(getattr(config, name), getattr(more, name), f"{name} field specs")
        )
        for name in _PLAIN_FIELDS
    }
    references = config.name_reference
    for reference in more.name_reference:
        references = _with_reference(references, reference)
    by_target = sorted(references, key=lambda reference: sort_key(reference.target))
    return Config(name_reference=tuple(by_target), **merged)


def _sorted(specs: Specs) -> Specs:
    return tuple(sorted(specs, key=lambda spec: sort_key(spec.gvk)))


def decode_config(obj: Any, file: str) -> Config:
    """What a file of `configurations` says.  Raises KustomizeError."""
    if obj is not None and not isinstance(obj, dict):
        raise KustomizeError(f"{file}: a configuration must be a map, got {described(obj)}")
    entries = decode(_ConfigFile, obj, f"{file}: invalid configuration")
    fields: dict[str, Any] = {
        name: _sorted(field_specs(getattr(entries, name))) for name in _PLAIN_FIELDS
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


def _with_reference(
    references: tuple[NameReference, ...], more: NameReference
) -> tuple[NameReference, ...]:
    for i, reference in enumerate(references):
        if reference.target == more.target:
            referrers = merge_specs(reference.referrers, more.referrers, "nameReference")
            return (*references[:i], replace(reference, referrers=referrers), *references[i + 1 :])
    return (*references, more)


SORTED_DEFAULTS = _merged(Config(), DEFAULTS)
"""What an accumulator has that only met the defaults."""
