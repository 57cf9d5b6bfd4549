"""The transformers that a kustomization's own fields ask for, in kustomize's order.

Source: kustomize api/internal/target/kusttarget_configplugin.go.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from msgspec import structs

from engine.render.kustomize.config.kustomization import Image, Kustomization, Patch, Replica
from engine.render.kustomize.config.specs import Config
from engine.render.kustomize.errors import Entry, KustomizeError, collected
from engine.render.kustomize.loader import Loader
from engine.render.kustomize.model.factory import is_inline, patches_from
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.model.schemas import Schemas
from engine.render.kustomize.transform.images import set_image, set_replicas
from engine.render.kustomize.transform.labels import label_specs, set_entries
from engine.render.kustomize.transform.names import add_prefix, add_suffix
from engine.render.kustomize.transform.namespace import NamespaceChange, set_namespace
from engine.render.kustomize.transform.patches import (
    PatchStep,
    apply_operations,
    merge_each_by_id,
    operations_from,
)
from engine.render.kustomize.transform.replacements import ReplacementStep
from engine.render.kustomize.transform.selectors import select
from engine.sops import format_of

Transform = Callable[[ResMap], None]


@dataclass(frozen=True, slots=True)
class Step:
    """A transformer by the name that kustomize has for it.

    parts: the same one entry after the other, for who must know which of them did what.
    """

    kind: str
    transform: Transform
    entry: Entry = ()
    parts: Callable[[], Iterable[tuple[Entry, Transform]]] | None = None

    @property
    def is_independent(self) -> bool:
        """True if what is wrong with it is wrong whatever the steps before did."""
        return self.kind in _INDEPENDENT


_INDEPENDENT = ("PatchTransformer", "PatchJson6902Transformer", "ReplicaCountTransformer")


def steps_of(
    kustomization: Kustomization,
    config: Config,
    loader: Loader,
    schemas: Schemas,
    name_of: Callable[[int], str],
) -> list[Step]:
    """Everything that the file asks for, read and checked.  Raises EntryError with all problems.

    name_of: what errors call an entry of `patches`.
    """

    def patch(i: int, p: Patch) -> Step:
        return Step("PatchTransformer", PatchStep(p, loader, schemas, name_of(i)), ("patches", i))

    def json_patch(i: int, p: Patch) -> Step:
        name = ("patchesJson6902", i)
        transform = json_patch_transform(p, loader, f"patchesJson6902[{i}]")
        return Step("PatchJson6902Transformer", transform, name)

    made = collected(
        [
            (("patchesStrategicMerge",), lambda: [*_merges(kustomization, loader, schemas)]),
            *(
                (("patches", i), lambda i=i, p=p: [patch(i, p)])
                for i, p in enumerate(kustomization.patches)
            ),
            ((), lambda: [*_renames(kustomization, config), *_entries(kustomization, config)]),
            *(
                (("patchesJson6902", i), lambda i=i, p=p: [json_patch(i, p)])
                for i, p in enumerate(kustomization.patches_json6902)
            ),
            ((), lambda: [*_counts(kustomization, config)]),
            (("replacements",), lambda: [*_replacements(kustomization, loader)]),
        ]
    )
    return [step for steps in made for step in steps]


def _counts(kustomization: Kustomization, config: Config) -> Iterable[Step]:
    for i, replica in enumerate(kustomization.replicas):
        yield Step("ReplicaCountTransformer", _replicas(replica, config), ("replicas", i))
    for i, image in enumerate(kustomization.images):
        yield Step("ImageTagTransformer", _image(image, config), ("images", i))


def _merges(kustomization: Kustomization, loader: Loader, schemas: Schemas) -> Iterable[Step]:
    paths = kustomization.patches_strategic_merge
    if paths:
        name = "patchesStrategicMerge"
        each = [
            ((name, i), merge_patches(path, loader, schemas, f"{name}[{i}]"))
            for i, path in enumerate(paths)
        ]
        patches = [patch for _, those in each for patch in those]
        if not patches:
            raise KustomizeError("patchesStrategicMerge: patch appears to be empty")
        yield Step(
            "PatchStrategicMergeTransformer",
            partial(merge_each_by_id, patches=patches),
            (name,),
            lambda: ((entry, partial(merge_each_by_id, patches=those)) for entry, those in each),
        )


def merge_patches(text: str, loader: Loader, schemas: Schemas, name: str) -> list[Resource]:
    """The patches in a text that is YAML itself, and is then called `name`, or a file's path."""
    try:
        return patches_from(text.encode(), name, schemas)
    except KustomizeError:
        if is_inline(text):
            raise
        return patches_from(loader.opened(text, format_of(text)), loader.join(text), schemas)


def _renames(kustomization: Kustomization, config: Config) -> Iterable[Step]:
    if kustomization.namespace:
        change = NamespaceChange(kustomization.namespace)
        specs = config.namespace
        transform = partial(set_namespace, change=change, specs=specs)
        yield Step("NamespaceTransformer", transform, ("namespace",))
    if kustomization.name_prefix:
        prefix, specs = kustomization.name_prefix, config.name_prefix
        transform = partial(add_prefix, prefix=prefix, specs=specs)
        yield Step("PrefixTransformer", transform, ("namePrefix",))
    if kustomization.name_suffix:
        suffix, specs = kustomization.name_suffix, config.name_suffix
        transform = partial(add_suffix, suffix=suffix, specs=specs)
        yield Step("SuffixTransformer", transform, ("nameSuffix",))


def _entries(kustomization: Kustomization, config: Config) -> Iterable[Step]:
    for i, label in enumerate(kustomization.labels):
        specs = label_specs(label, config)
        transform = partial(set_entries, entries=label.pairs, specs=specs)
        yield Step("LabelTransformer", transform, ("labels", i))
    if kustomization.labels or kustomization.common_labels:
        entries, specs = kustomization.common_labels, config.common_labels
        transform = partial(set_entries, entries=entries, specs=specs)
        yield Step("LabelTransformer", transform, ("commonLabels",))
    if kustomization.common_annotations:
        entries, specs = kustomization.common_annotations, config.common_annotations
        transform = partial(set_entries, entries=entries, specs=specs)
        yield Step("AnnotationsTransformer", transform, ("commonAnnotations",))


def json_patch_transform(patch: Patch, loader: Loader, name: str) -> Transform:
    """The JSON patch called `name`.  Raises KustomizeError if it says too little or too much."""
    target = patch.target
    if target is None or not target.name:
        raise KustomizeError(f"{name}: must specify the target name")
    if bool(patch.path) == bool(patch.patch):
        raise KustomizeError(f"{name}: must specify a file path or a patch, and not both")
    path = patch.path
    content = loader.opened(path, format_of(path)) if path else patch.patch.encode()
    source = loader.join(path) if path else name
    operations = operations_from(content, source)
    if not operations:
        raise KustomizeError(f"{source}: patch appears to be empty")

    def transform(resources: ResMap) -> None:
        for resource in select(resources, target):
            apply_operations(resource, operations, source)
        resources.touch()

    return transform


def _replicas(replica: Replica, config: Config) -> Transform:
    return partial(set_replicas, replica=replica, specs=config.replicas)


def _image(image: Image, config: Config) -> Transform:
    return partial(set_image, image=image, specs=config.images)


def _replacements(kustomization: Kustomization, loader: Loader) -> Iterable[Step]:
    # As kustomize hands them on as YAML, which leaves empty lists out.
    entries = [structs.replace(r, targets=r.targets or None) for r in kustomization.replacements]
    if entries:
        yield Step(
            "ReplacementTransformer",
            ReplacementStep(entries, loader),
            ("replacements",),
            lambda: (
                (("replacements", i), ReplacementStep((entry,), loader))
                for i, entry in enumerate(entries)
            ),
        )
