"""The kustomization file, typed: every field that kustomize has, and nothing else is accepted.

Source: kustomize api/types.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from engine.render.kustomize.errors import KustomizeError

API_VERSION = "kustomize.config.k8s.io/v1beta1"
COMPONENT_API_VERSION = "kustomize.config.k8s.io/v1alpha1"
FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
ORIGINS, TRANSFORMERS, MANAGED_BY = "originAnnotations", "transformerAnnotations", "managedByLabel"

T = TypeVar("T")


class Strict(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A part of the file: unknown fields are errors."""


class Lenient(msgspec.Struct, frozen=True, rename="camel"):
    """A part of a plugin's configuration: unknown fields are ignored, as kustomize does there."""


class Selector(Lenient):
    """Which resources: group to namespace are regular expressions that must match as a whole."""

    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    annotation_selector: str = ""
    label_selector: str = ""


class PatchOptions(Lenient):
    """What a patch may change beside the content."""

    allow_name_change: bool = False
    allow_kind_change: bool = False


class Patch(Lenient):
    """A strategic merge or JSON 6902 patch, in place or in a file."""

    path: str = ""
    patch: str = ""
    target: Selector | None = None
    options: PatchOptions | None = None


class Image(Lenient):
    """What an image is to be called."""

    name: str = ""
    new_name: str = ""
    tag_suffix: str = ""
    new_tag: str = ""
    digest: str = ""


class Replica(Lenient):
    """How many of a workload."""

    name: str = ""
    count: int = 0


class FieldEntry(Lenient):
    """A field specification as configuration files write it."""

    group: str = ""
    version: str = ""
    kind: str = ""
    path: str = ""
    create: bool = False


class Label(Lenient):
    """Labels and how deep they go."""

    pairs: dict[str, str] = {}
    include_selectors: bool = False
    include_templates: bool = False
    include_volume_claim_templates: bool = False
    fields: list[FieldEntry] = []


class GeneratorOptions(Lenient):
    """What all generated ConfigMaps and Secrets have in common."""

    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    disable_name_suffix_hash: bool = False
    immutable: bool = False


class Generator(Lenient):
    """A ConfigMap or Secret to make; `type` is a Secret's."""

    name: str = ""
    namespace: str = ""
    behavior: str = ""
    literals: list[str] = []
    files: list[str] = []
    envs: list[str] = []
    env: str = ""
    options: GeneratorOptions | None = None
    type: str = ""


class FieldOptions(Lenient):
    """Which part of a field a replacement reads or writes."""

    delimiter: str = ""
    index: int = 0
    encoding: str = ""
    create: bool = False


class Source(Lenient):
    """The field that a replacement reads; exact, not patterns."""

    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    field_path: str = ""
    options: FieldOptions | None = None


class Target(Lenient):
    """The fields that a replacement writes."""

    select: Selector | None = None
    reject: list[Selector] = []
    field_paths: list[str] = []
    options: FieldOptions | None = None


class Replacement(Lenient):
    """A value copied from one field to others; `path`: a file that holds replacements."""

    source: Source | None = None
    source_value: str | None = None
    targets: list[Target] | None = None
    path: str = ""


class ObjectReference(Lenient):
    """The object that a var reads."""

    api_version: str = ""
    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""


class FieldReference(Lenient):
    """The field that a var reads."""

    field_path: str = ""


class Var(Lenient):
    """A value that `$(NAME)` stands for."""

    name: str = ""
    objref: ObjectReference = ObjectReference()
    fieldref: FieldReference = FieldReference()


class LegacySortOptions(Lenient):
    """The kinds that come first and last."""

    order_first: list[str] = []
    order_last: list[str] = []


class SortOptions(Lenient):
    """`fifo` or `legacy`."""

    order: str = ""
    legacy_sort_options: LegacySortOptions | None = None


class Kustomization(Strict):
    """The whole file.  Fields that only exist to be refused are kept untyped."""

    api_version: str = ""
    kind: str = ""
    metadata: dict[str, Any] = {}
    openapi: dict[str, str] = {}
    name_prefix: str = ""
    name_suffix: str = ""
    namespace: str = ""
    common_labels: dict[str, str] = {}
    labels: list[Label] = []
    common_annotations: dict[str, str] = {}
    patches_strategic_merge: list[str] = []
    patches_json6902: list[Patch] = []
    patches: list[Patch] = []
    images: list[Image] = []
    image_tags: list[Image] = []
    replacements: list[Replacement] = []
    replicas: list[Replica] = []
    vars: list[Var] = []
    sort_options: SortOptions | None = None
    resources: list[str] = []
    components: list[str] = []
    crds: list[str] = []
    bases: list[str] = []
    config_map_generator: list[Generator] = []
    secret_generator: list[Generator] = []
    helm_globals: dict[str, Any] | None = None
    helm_charts: list[dict[str, Any]] = []
    helm_chart_inflation_generator: list[dict[str, Any]] = []
    generator_options: GeneratorOptions | None = None
    configurations: list[str] = []
    generators: list[str] = []
    transformers: list[str] = []
    validators: list[str] = []
    build_metadata: list[str] = []

    @property
    def is_component(self) -> bool:
        """True for a Component, which works on what its user has."""
        return self.kind == "Component"


def decode_kustomization(obj: Any, file: str) -> Kustomization:
    """The file's content, deprecated fields moved to where they belong now.

    Raises KustomizeError, with the path of the field that is wrong.
    """
    kustomization = decode(Kustomization, obj, f"{file}: invalid Kustomization")
    if not set(obj or {}) - {"apiVersion", "kind"}:
        raise KustomizeError(f"{file}: kustomization.yaml is empty")
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
        bases=[],
        images=kustomization.images + kustomization.image_tags,
        image_tags=[],
    )


def decode(cls: type[T], obj: Any, where: str) -> T:
    """A typed view of `obj`; nulls count as absent.  Raises KustomizeError starting with `where`."""
    try:
        return msgspec.convert(_without_nulls(obj or {}), cls)
    except msgspec.ValidationError as error:
        raise KustomizeError(f"{where}: {error}") from error


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
