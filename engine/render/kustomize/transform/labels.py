"""Labels and annotations, in the metadata and as deep as the field specifications go.

Source: kustomize api/filters/labels, api/filters/annotations,
api/internal/target/kusttarget_configplugin.go.
"""

from collections.abc import Mapping
from typing import NamedTuple

from engine.render.kustomize.config.kustomization import Label
from engine.render.kustomize.config.specs import Config, Specs, field_specs
from engine.render.kustomize.model.fields import FieldSpec, change_fields, merge_specs, put_entry
from engine.render.kustomize.model.remembered import by_identity
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.shared import Replacements

METADATA_LABELS: Specs = (FieldSpec("metadata/labels", create=True),)


def set_entries(resources: ResMap, entries: Mapping[str, str], specs: Specs) -> None:
    """Set each entry in every map that `specs` names."""
    for resource in resources:
        for key, value in sorted(entries.items()):
            replaced = Replacements()
            change_fields(resource, specs, put_entry(key, value, replaced), dict)
            replaced.spread(resource.obj)


def label_specs(label: Label, config: Config) -> Specs:
    """The fields that one entry of `labels` goes to.  Raises KustomizeError on contradictions."""
    depth = _Depth(
        label.include_selectors, label.include_templates, label.include_volume_claim_templates
    )
    if not label.fields:
        return _usual_specs(config, depth)
    return _deepened(merge_specs(field_specs(label.fields), config.labels), config, depth)


class _Depth(NamedTuple):
    """How deep an entry of `labels` goes."""

    selectors: bool
    templates: bool
    claims: bool


@by_identity
def _usual_specs(config: Config, depth: _Depth) -> Specs:
    """Those of an entry that names no fields itself."""
    return _deepened(merge_specs((), config.labels), config, depth)


def _deepened(specs: Specs, config: Config, depth: _Depth) -> Specs:
    if depth.selectors:
        return merge_specs(specs, config.common_labels)
    if depth.templates:
        specs = merge_specs(specs, config.template_labels)
    if depth.claims:
        specs = merge_specs(specs, config.volume_claim_template_labels)
    return merge_specs(specs, METADATA_LABELS)
