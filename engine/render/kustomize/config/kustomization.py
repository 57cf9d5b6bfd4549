"""The kustomization file, typed: every field that kustomize has, and nothing else is accepted.

Source: kustomize api/types.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import field

from engine.render.kustomize.config.typed import Lenient, Strict, decode
from engine.render.kustomize.errors import EntryError, KustomizeError

API_VERSION = "kustomize.config.k8s.io/v1beta1"
COMPONENT_API_VERSION = "kustomize.config.k8s.io/v1alpha1"
FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_FLUX = (
    "this is a Kustomization of Flux, which says what to build: give its file another name and "
    "list it under `resources`"
)
ORIGINS, TRANSFORMERS, MANAGED_BY = "originAnnotations", "transformerAnnotations", "managedByLabel"


class Selector(Lenient, frozen=True):
    """Which resources: group to namespace are regular expressions that must match as a whole."""

    embedded = frozenset({"group", "version", "kind", "name", "namespace"})
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

    embedded = frozenset({"group", "version", "kind"})
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
    """A ConfigMap or Secret to make."""

    name: str = ""
    namespace: str = ""
    behavior: str = ""
    literals: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    envs: tuple[str, ...] = ()
    env: str = ""
    options: GeneratorOptions | None = None


class SecretGenerator(Generator, frozen=True):
    """A Secret to make."""

    type: str = ""


class FieldOptions(Lenient, frozen=True):
    """Which part of a field a replacement reads or writes."""

    delimiter: str = ""
    index: int = 0
    encoding: str = ""
    create: bool = False


class Source(Lenient, frozen=True):
    """The field that a replacement reads; exact, not patterns."""

    embedded = Selector.embedded
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


class Metadata(Lenient, frozen=True):
    """What the kustomization itself is called; nothing is made of it."""

    name: str = ""
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


class HelmGlobals(Lenient, frozen=True):
    """Where charts would be."""

    chart_home: str = ""
    config_home: str = ""


class Kustomization(Strict, frozen=True):
    """The whole file.  Fields that only exist to be refused are kept untyped."""

    api_version: str = ""
    kind: str = ""
    metadata: Metadata | None = None
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
    secret_generator: tuple[SecretGenerator, ...] = ()
    helm_globals: HelmGlobals | None = None
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


def decode_kustomization(obj: Any) -> Kustomization:
    """The file's content, deprecated fields moved to where they belong now.

    Raises EntryError with the path of each field that is wrong.
    """
    version = (obj or {}).get("apiVersion")
    if isinstance(version, str) and version.startswith("kustomize.toolkit.fluxcd.io/"):
        raise EntryError([(("apiVersion",), _FLUX)])
    kustomization = decode(Kustomization, obj, "")
    if _is_empty(obj or {}):
        raise KustomizeError("the kustomization is empty; list what it builds under `resources`")
    kind = kustomization.kind or "Kustomization"
    wanted = COMPONENT_API_VERSION if kind == "Component" else API_VERSION
    if kind not in ("Kustomization", "Component"):
        problem = f"should be Kustomization or Component, got {kind!r}"
        raise EntryError([(("kind",), problem)])
    if kustomization.api_version not in ("", wanted):
        problem = f"should be {wanted} for kind {kind}, got {kustomization.api_version!r}"
        raise EntryError([(("apiVersion",), problem)])
    return msgspec.structs.replace(
        kustomization,
        kind=kind,
        api_version=wanted,
        resources=kustomization.resources + kustomization.bases,
        bases=(),
        images=kustomization.images + kustomization.image_tags,
        image_tags=(),
    )


def _is_empty(obj: Mapping[str, Any]) -> bool:
    """Whether the file says nothing: a list or map without entries does say something.

    Those of the fields that have a new name are moved there first, and nothing is left of them.
    """
    typed = {"apiversion", "kind"}
    moved = {"bases", "imagetags", "helmchartinflationgenerator"}
    return all(
        key.lower() in typed or value in (None, "") or (value == [] and key.lower() in moved)
        for key, value in obj.items()
    )
