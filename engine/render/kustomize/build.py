"""Run `kustomize build` on a tree: pure, and all that it reads is recorded.

Source: kustomize api/krusty/kustomizer.go.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.render.inputs import Inputs, Recorder, TooManyFiles
from engine.render.kustomize.config.kustomization import MANAGED_BY, ORIGINS, TRANSFORMERS
from engine.render.kustomize.errors import KustomizeError, Lacking, Needs
from engine.render.kustomize.loader import Loader, Reach
from engine.render.kustomize.model.factory import check_whole
from engine.render.kustomize.model.fields import fresh_key
from engine.render.kustomize.model.origins import ORIGIN, TRANSFORMATIONS, Origin, listed
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.model.scalars import unspelled
from engine.render.kustomize.provenance import Trace, by
from engine.render.kustomize.provenance_tree import Setter
from engine.render.kustomize.state import Build, BuildSchemas
from engine.render.kustomize.target import Target
from engine.render.kustomize.transform.backrefs import fix_references
from engine.render.kustomize.transform.labels import METADATA_LABELS, set_entries
from engine.render.kustomize.transform.names import add_hashes
from engine.render.kustomize.transform.order import LEGACY, sort_resources
from engine.render.kustomize.transform.variables import resolve_variables
from engine.source.tree import Form, Tree

_REMOVED = frozenset(
    {
        ORIGIN,
        TRANSFORMATIONS,
        *(f"config.kubernetes.io/{name}" for name in ("id", "index", "path")),
        *(
            f"internal.config.kubernetes.io/{name}"
            for name in (
                *("allowKindChange", "allowNameChange", "annotations-migration-resource-id"),
                *("generatorBehavior", "helm-generated", "id", "index", "needsHashSuffix", "path"),
                *("prefixes", "previousKinds", "previousNames", "previousNamespaces", "refBy"),
                *("seqindent", "suffixes"),
            )
        ),
    }
)
"""Annotations that kustomize keeps its books with, and removes in the end."""
_MANAGED_BY_LABEL = {"app.kubernetes.io/managed-by": "kustomize-(devel)"}
_ANNOTATIONS = Setter("AnnotationsTransformer", "buildMetadata")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line decides.

    reorder: "none" keeps the input order, "legacy" or "unspecified" sort by kind; a kustomization's
    `sortOptions` always win.  adds_schemas: an OpenAPI document of a kustomization adds to the
    built-in one, as in Flux, and does not take its place.  trace: follows every field.
    """

    reach: Reach = field(default_factory=Reach)
    reorder: str = "none"
    managed_by_label: bool = False
    adds_schemas: bool = False
    trace: Trace | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """The result; inputs: what it depends on."""

    resources: tuple[Resource, ...]
    inputs: Inputs


def build(tree: Tree, path: str, options: Options) -> Built:
    """The resources of the kustomization in the folder `path`.

    tree: a Recorder goes on recording.  Raises KustomizeError, or Lacking with everything that must
    be fetched first.
    """
    recorder = tree if isinstance(tree, Recorder) else Recorder(tree)
    schemas = BuildSchemas(keeps_built_in=options.adds_schemas)
    shared = Build(trace=options.trace, schemas=schemas)
    try:
        resources = _resources(Loader(recorder, path, options.reach), shared, options)
    except Lacking as lacking:
        shared.lack(lacking.needs)
        raise Lacking(_needs(shared, options.reach)) from lacking
    except TooManyFiles as error:
        raise KustomizeError(str(error)) from error
    except KustomizeError:
        if needs := _needs(shared, options.reach):  # may be wrong only as something is not there
            raise Lacking(needs) from None
        raise
    if needs := _needs(shared, options.reach):
        raise Lacking(needs)
    return Built(tuple(resources), recorder.inputs)


def _needs(shared: Build, reach: Reach) -> Needs:
    """All that the build was found to lack."""
    return shared.needs if reach.opener is None else shared.needs | reach.opener.needs


def _resources(loader: Loader, shared: Build, options: Options) -> ResMap:
    entry = loader.tree.entry(loader.root)
    if entry is None or entry.form is not Form.FOLDER:
        raise KustomizeError(f"no such folder {loader.root!r}")
    target = Target(loader, shared, Origin())
    metadata = target.kustomization.build_metadata
    shared.origins = bool(metadata)
    shared.schemas.use(target.kustomization.openapi, loader)
    gathered = target.accumulate()
    resources, trace = gathered.resources, shared.trace
    add_hashes(resources)
    if trace is not None:
        trace.hashed(resources)
    fix_references(resources, gathered.config.name_reference)
    if trace is not None:
        trace.referred(resources)
    resolve_variables(gathered)
    if trace is not None:
        trace.resolved(resources)
    for resource in resources:
        check_whole(resource)
    resources.keep(resource for resource in resources if not resource.is_local)
    resources.check_ids()
    _sort(resources, target, options)
    if options.managed_by_label or MANAGED_BY in metadata:
        set_entries(resources, _MANAGED_BY_LABEL, METADATA_LABELS)
    for resource in resources:
        _finish(resource, metadata)
    if trace is not None:
        trace.after(resources, by(_ANNOTATIONS))
    return resources


def _sort(resources: ResMap, target: Target, options: Options) -> None:
    if target.kustomization.sort_options is not None:
        try:
            sort_resources(resources, target.kustomization.sort_options)
        except KustomizeError as error:
            raise KustomizeError(f"{target.file}: {error}") from error
    elif options.reorder != "none":
        sort_resources(resources, LEGACY)


def _finish(resource: Resource, metadata: Sequence[str]) -> None:
    """Leave only what is meant for the cluster, and say where it came from if asked."""
    annotations = resource.annotations
    kept = {key: value for key, value in annotations.items() if key not in _REMOVED}
    if ORIGINS in metadata and resource.origin is not None:
        kept[ORIGIN] = resource.origin.text
    if TRANSFORMERS in metadata and resource.transformations:
        kept[TRANSFORMATIONS] = listed(resource.transformations)
    resource.set_metadata("annotations", {fresh_key(key): kept[key] for key in sorted(kept)})
    try:
        resource.obj = unspelled(resource.obj)
    except KustomizeError as error:
        raise KustomizeError(f"{resource.id} ({resource.position}): {error}") from error
