"""Generators and transformers that a kustomization configures by objects of their own.

Only kustomize's built-in ones run; anything that would be another program is refused.
Source: kustomize api/internal/plugins/loader, api/internal/builtins.
"""

import posixpath
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec import field

from engine.render.kustomize.config.kustomization import (
    FieldEntry,
    Generator,
    Image,
    Patch,
    Replacement,
    Replica,
    SecretGenerator,
    Selector,
)
from engine.render.kustomize.config.specs import Specs, field_specs
from engine.render.kustomize.config.typed import Lenient, decode
from engine.render.kustomize.errors import KustomizeError, nearest
from engine.render.kustomize.loader import Loader
from engine.render.kustomize.model.factory import patches_from
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.resource import Position, Resource
from engine.render.kustomize.model.scalars import text_of, unspelled
from engine.render.kustomize.model.schemas import Schemas
from engine.render.kustomize.transform.generators import generate
from engine.render.kustomize.transform.images import set_image, set_replicas
from engine.render.kustomize.transform.labels import set_entries
from engine.render.kustomize.transform.names import add_hashes, add_prefix, add_suffix
from engine.render.kustomize.transform.namespace import DEFAULT_ONLY, NamespaceChange, set_namespace
from engine.render.kustomize.transform.patches import PatchStep, merge_each_by_id
from engine.render.kustomize.transform.replacements import ReplacementStep
from engine.render.kustomize.transform.steps import Transform, json_patch_transform, merge_patches
from engine.render.kustomize.transform.valueadd import ValueAdd, add_value

Make = Callable[["Plugin"], Transform]


class Plugin:
    """One configuration object, and what reading it may need."""

    def __init__(self, resource: Resource, loader: Loader, schemas: Schemas) -> None:
        """resource: the configuration, apiVersion `builtin`."""
        self.resource = resource
        self.loader = loader
        self.schemas = schemas
        self.where = f"plugin {resource.id} ({resource.position})"
        try:
            self.config: dict[str, Any] = unspelled(resource.obj)
        except KustomizeError as error:
            raise KustomizeError(f"{self.where}: {error}") from error

    def typed(self, cls: type[Any], *, at: str = "") -> Any:
        """The configuration, or the part of it at a key, typed.  Raises KustomizeError."""
        config = self.config.get(at) if at else self.config
        return decode(cls, config, self.where, any_scalar=True)

    def specs(self) -> Specs:
        """The configured field specifications."""
        return field_specs(self.typed(_Specs).field_specs)


class _Specs(Lenient, frozen=True):
    field_specs: tuple[FieldEntry, ...] = ()


class _Entries(Lenient, frozen=True):
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


class _Affix(Lenient, frozen=True):
    prefix: str = ""
    suffix: str = ""


class _Namespace(Lenient, frozen=True):
    unset_only: bool = False
    set_role_binding_subjects: str = ""


class _JsonPatch(Lenient, frozen=True):
    target: Selector | None = None
    path: str = ""
    json_op: str = ""


class _MergePatches(Lenient, frozen=True):
    paths: tuple[str, ...] = ()
    patches: str = ""


class _Replacements(Lenient, frozen=True):
    replacements: tuple[Replacement, ...] = ()


class _Account(Lenient, frozen=True):
    name: str = ""
    namespace: str = ""
    project_id: str = ""


class _IamPolicy(Lenient, frozen=True):
    cloud: str = ""
    kubernetes_service: _Account = _Account()
    service_account: _Account = _Account()


def transformer_of(plugin: Plugin) -> Transform:
    """The configured transformer.  Raises KustomizeError if it is none of kustomize's own."""
    make = _TRANSFORMERS.get(_built_in_kind(plugin))
    if make is None:
        near = nearest(plugin.resource.kind, _TRANSFORMERS, "; did you mean {!r}?")
        raise KustomizeError(f"{plugin.where}: unable to load builtin transformer{near}")
    try:
        return make(plugin)
    except KustomizeError as error:
        raise KustomizeError(f"{plugin.where} fails configuration: {error}") from error


def generated_by(plugin: Plugin) -> list[Resource]:
    """What the configured generator makes.  Raises KustomizeError."""
    kind = _built_in_kind(plugin)
    if kind in ("ConfigMapGenerator", "SecretGenerator"):
        metadata = plugin.resource
        fields = {k: v for k, v in plugin.config.items() if k not in ("kind", "metadata")}
        for key, own in (("name", metadata.name), ("namespace", metadata.namespace)):
            if fields.get(key) in (None, ""):
                fields[key] = own
        form = SecretGenerator if kind == "SecretGenerator" else Generator
        generator = decode(form, fields, plugin.where)
        made = kind.removesuffix("Generator")
        return [generate(made, generator, plugin.loader, plugin.schemas, metadata.position)]
    if kind == "IAMPolicyGenerator":
        return [_service_account(plugin.typed(_IamPolicy), plugin)]
    if kind == "HelmChartInflationGenerator":
        raise KustomizeError(
            f"{plugin.where}: Helm charts are not inflated by a build; use a HelmRelease"
        )
    raise KustomizeError(f"{plugin.where}: unable to load builtin generator")


def _built_in_kind(plugin: Plugin) -> str:
    if plugin.resource.gvk.api_version != "builtin":
        raise KustomizeError(
            f"external plugins disabled; unable to load external plugin {plugin.resource.kind!r} "
            f"({plugin.resource.position}): as in Flux, a build runs no containers and programs; "
            "kustomize's own have apiVersion 'builtin'"
        )
    return plugin.resource.kind


def _labels(plugin: Plugin) -> Transform:
    entries = plugin.typed(_Entries).labels
    return partial(set_entries, entries=entries, specs=plugin.specs())


def _annotations(plugin: Plugin) -> Transform:
    entries = plugin.typed(_Entries).annotations
    return partial(set_entries, entries=entries, specs=plugin.specs())


def _affixes(plugin: Plugin, *names: str) -> Transform:
    """names: which of `prefix` and `suffix` the transformer knows."""
    affix, specs = plugin.typed(_Affix), plugin.specs()
    if "fieldSpecs" not in plugin.config:
        raise KustomizeError("fieldSpecs is not expected to be nil")

    def transform(resources: ResMap) -> None:
        if "prefix" in names:
            add_prefix(resources, affix.prefix, specs)
        if "suffix" in names:
            add_suffix(resources, affix.suffix, specs)

    return transform


def _prefix(plugin: Plugin) -> Transform:
    return _affixes(plugin, "prefix")


def _suffix(plugin: Plugin) -> Transform:
    return _affixes(plugin, "suffix")


def _both(plugin: Plugin) -> Transform:
    return _affixes(plugin, "prefix", "suffix")


def _namespace(plugin: Plugin) -> Transform:
    config = plugin.typed(_Namespace)
    subjects = config.set_role_binding_subjects or DEFAULT_ONLY
    change = NamespaceChange(plugin.resource.namespace, config.unset_only, subjects)
    return partial(set_namespace, change=change, specs=plugin.specs())


def _image(plugin: Plugin) -> Transform:
    image = plugin.typed(Image, at="imageTag")
    return partial(set_image, image=image, specs=plugin.specs())


def _replicas(plugin: Plugin) -> Transform:
    replica = plugin.typed(Replica, at="replica")
    return partial(set_replicas, replica=replica, specs=plugin.specs())


def _patch(plugin: Plugin) -> Transform:
    return PatchStep(plugin.typed(Patch), plugin.loader, plugin.schemas, plugin.where)


def _json_patch(plugin: Plugin) -> Transform:
    config = plugin.typed(_JsonPatch)
    patch = Patch(path=config.path, patch=config.json_op, target=config.target)
    return json_patch_transform(patch, plugin.loader, plugin.where)


def _merge_patches(plugin: Plugin) -> Transform:
    config = plugin.typed(_MergePatches)
    patches = [
        patch
        for path in config.paths
        for patch in merge_patches(path, plugin.loader, plugin.schemas, plugin.where)
    ]
    if config.patches:
        patches += patches_from(config.patches.encode(), plugin.where, plugin.schemas)
    if not patches:
        raise KustomizeError("patch appears to be empty")
    return partial(merge_each_by_id, patches=patches)


def _replacement(plugin: Plugin) -> Transform:
    return ReplacementStep(plugin.typed(_Replacements).replacements, plugin.loader)


def _value_add(plugin: Plugin) -> Transform:
    config = plugin.typed(ValueAdd)
    value = config.value.strip() or _name_of(plugin.loader)
    return partial(add_value, value=value, targets=config.all_targets(plugin.loader))


def _name_of(loader: Loader) -> str:
    """The last part of the folder's absolute path."""
    return posixpath.basename(posixpath.join(loader.reach.mount, loader.root).rstrip("/"))


def _hash(_: Plugin) -> Transform:
    return add_hashes


def _service_account(config: _IamPolicy, plugin: Plugin) -> Resource:
    if config.cloud != "gke":
        raise KustomizeError(f"cloud provider {config.cloud!r} not supported yet")
    account, service = config.service_account, config.kubernetes_service
    email = f"{account.name}@{account.project_id}.iam.gserviceaccount.com"
    metadata: dict[str, Any] = {
        "annotations": {"iam.gke.io/gcp-service-account": email},
        "name": text_of(service.name),
    }
    if service.namespace:
        metadata["namespace"] = service.namespace
    obj = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    return Resource(obj, Position(plugin.resource.position.file), plugin.schemas)


_TRANSFORMERS: Mapping[str, Make] = {
    "AnnotationsTransformer": _annotations,
    "HashTransformer": _hash,
    "ImageTagTransformer": _image,
    "LabelTransformer": _labels,
    "NamespaceTransformer": _namespace,
    "PatchJson6902Transformer": _json_patch,
    "PatchStrategicMergeTransformer": _merge_patches,
    "PatchTransformer": _patch,
    "PrefixSuffixTransformer": _both,
    "PrefixTransformer": _prefix,
    "ReplacementTransformer": _replacement,
    "ReplicaCountTransformer": _replicas,
    "SuffixTransformer": _suffix,
    "ValueAddTransformer": _value_add,
}
