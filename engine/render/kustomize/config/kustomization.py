"""The kustomization file, typed: every field that kustomize has, and nothing else is accepted.

Source: kustomize api/types.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import field

from engine.render.kustomize.config.typed import Lenient, Strict, decode
from engine.render.kustomize.errors import KustomizeError

API_VERSION = "kustomize.config.k8s.io/v1beta1"
COMPONENT_API_VERSION = "kustomize.config.k8s.io/v1alpha1"
FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
ORIGINS, TRANSFORMERS, MANAGED_BY = "originAnnotations", "transformerAnnotations", "managedByLabel"


class Selector(Lenient, frozen=True):
    """Which resources: group to namespace are regular expressions that must match as a whole."""

    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    annotation_selector: str = ""
    label_selector: str = ""


class PatchOptions(Lenient, frozen=True):
    """What a patch may change beside the content."""

    allow_name_change: bool = False
    allow_kind_change: bool = False


class Patch(Lenient, frozen=True):
    """A strategic merge or JSON 6902 patch, in place or in a file."""

    path: str = ""
    patch: str = ""
    target: Selector | None = None
    options: PatchOptions | None = None


class Image(Lenient, frozen=True):
    """What an image is to be called."""

    name: str = ""
    new_name: str = ""
    tag_suffix: str = ""
    new_tag: str = ""
    digest: str = ""


class Replica(Lenient, frozen=True):
    """How many of a workload."""

    name: str = ""
    count: int = 0


class FieldEntry(Lenient, frozen=True):
    """A field specification as configuration files write it."""

    group: str = ""
    version: str = ""
    kind: str = ""
    path: str = ""
    create: bool = False


class Label(Lenient, frozen=True):
    """Labels and how deep they go."""

    pairs: Mapping[str, str] = field(default_factory=dict)
    include_selectors: bool = False
    include_templates: bool = False
    include_volume_claim_templates: bool = False
    fields: tuple[FieldEntry, ...] = ()


class GeneratorOptions(Lenient, frozen=True):
    """What all generated ConfigMaps and Secrets have in common."""

    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    disable_name_suffix_hash: bool = False
    immutable: bool = False


class Generator(Lenient, frozen=True):
    """A ConfigMap or Secret to make; `type` is a Secret's."""

    name: str = ""
    namespace: str = ""
    behavior: str = ""
    literals: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    envs: tuple[str, ...] = ()
    env: str = ""
    options: GeneratorOptions | None = None
    type: str = ""


class FieldOptions(Lenient, frozen=True):
    """Which part of a field a replacement reads or writes."""

    delimiter: str = ""
    index: int = 0
    encoding: str = ""
    create: bool = False


class Source(Lenient, frozen=True):
    """The field that a replacement reads; exact, not patterns."""

    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    field_path: str = ""
    options: FieldOptions | None = None


class Target(Lenient, frozen=True):
    """The fields that a replacement writes."""

    select: Selector | None = None
    reject: tuple[Selector, ...] = ()
    field_paths: tuple[str, ...] = ()
    options: FieldOptions | None = None


class Replacement(Lenient, frozen=True):
    """A value copied from one field to others; `path`: a file that holds replacements."""

    source: Source | None = None
    source_value: str | None = None
    targets: tuple[Target, ...] | None = None
    path: str = ""


class ObjectReference(Lenient, frozen=True):
    """The object that a var reads."""

    api_version: str = ""
    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""


class FieldReference(Lenient, frozen=True):
    """The field that a var reads."""

    field_path: str = ""


class Var(Lenient, frozen=True):
    """A value that `$(NAME)` stands for."""

    name: str = ""
    objref: ObjectReference = ObjectReference()
    fieldref: FieldReference = FieldReference()


class LegacySortOptions(Lenient, frozen=True):
    """The kinds that come first and last."""

    order_first: tuple[str, ...] = ()
    order_last: tuple[str, ...] = ()


class SortOptions(Lenient, frozen=True):
    """`fifo` or `legacy`."""

    order: str = ""
    legacy_sort_options: LegacySortOptions | None = None


class Kustomization(Strict, frozen=True):
    """The whole file.  Fields that only exist to be refused are kept untyped."""

    api_version: str = ""
    kind: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    openapi: Mapping[str, str] = field(default_factory=dict)
    name_prefix: str = ""
    name_suffix: str = ""
    namespace: str = ""
    common_labels: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[Label, ...] = ()
    common_annotations: Mapping[str, str] = field(default_factory=dict)
    patches_strategic_merge: tuple[str, ...] = ()
    patches_json6902: tuple[Patch, ...] = ()
    patches: tuple[Patch, ...] = ()
    images: tuple[Image, ...] = ()
    image_tags: tuple[Image, ...] = ()
    replacements: tuple[Replacement, ...] = ()
    replicas: tuple[Replica, ...] = ()
    vars: tuple[Var, ...] = ()
    sort_options: SortOptions | None = None
    resources: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    crds: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    config_map_generator: tuple[Generator, ...] = ()
    secret_generator: tuple[Generator, ...] = ()
    helm_globals: Mapping[str, Any] | None = None
    helm_charts: tuple[dict[str, Any], ...] = ()
    helm_chart_inflation_generator: tuple[dict[str, Any], ...] = ()
    generator_options: GeneratorOptions | None = None
    configurations: tuple[str, ...] = ()
    generators: tuple[str, ...] = ()
    transformers: tuple[str, ...] = ()
    validators: tuple[str, ...] = ()
    build_metadata: tuple[str, ...] = ()

    @property
    def is_component(self) -> bool:
        """True for a Component, which works on what its user has."""
        return self.kind == "Component"


def decode_kustomization(obj: Any, file: str) -> Kustomization:
    """The file's content, deprecated fields moved to where they belong now.

    Raises KustomizeError, with the path of the field that is wrong.
    """
    kustomization = decode(Kustomization, obj, f"{file}: invalid Kustomization")
    if not {key.lower() for key in obj or {}} - {"apiversion", "kind"}:
        raise KustomizeError(
            f"{file}: the kustomization is empty; list what it builds under `resources`"
        )
    kind = kustomization.kind or "Kustomization"
    wanted = COMPONENT_API_VERSION if kind == "Component" else API_VERSION
    if kind not in ("Kustomization", "Component"):
        raise KustomizeError(f"{file}: kind should be Kustomization or Component, got {kind!r}")
    if kustomization.api_version not in ("", wanted):
        raise KustomizeError(
            f"{file}: apiVersion for {kind} should be {wanted}, got {kustomization.api_version!r}"
        )
    return msgspec.structs.replace(
        kustomization,
        kind=kind,
        api_version=wanted,
        resources=kustomization.resources + kustomization.bases,
        bases=(),
        images=kustomization.images + kustomization.image_tags,
        image_tags=(),
    )
