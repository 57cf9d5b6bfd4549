"""Render a Kustomization: from the tree of its source to the objects to apply.

Pure: what the build lacks (a remote base) is raised as Lacking, fetched by the caller and given in
`Remotes` the next time.  Source: flux-behaviour.md, sections 4.5, 4.7 and 4.8.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import BuildFailed
from engine.objects.manifests import ManifestError, dump, load
from engine.objects.ref import Object, Ref
from engine.render.generate import Request, folder_of, kustomization_of
from engine.render.inputs import Inputs, Recorder, TooManyFiles
from engine.render.kustomize import KustomizeError, Options, Reach, Resource, build
from engine.render.normalise import normalised
from engine.render.substitute import NAME, SubstitutionError, substitute
from engine.source.tree import Tree

_SUBSTITUTE = "kustomize.toolkit.fluxcd.io/substitute"


@dataclass(frozen=True, slots=True)
class Remotes:
    """What was fetched for a build, by the URL that its kustomizations write."""

    bases: Mapping[str, Tree] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RenderedObject:
    """An object to apply; origin: `file:line` of the source, the file alone if it was generated.

    encrypted: it holds SOPS content; nothing was substituted in it.  Whoever decrypts it calls
    `post_build` on the result.
    """

    obj: Object
    origin: str
    encrypted: bool = False

    @property
    def ref(self) -> Ref:
        """Which object it is."""
        return Ref.of(self.obj)


@dataclass(frozen=True, slots=True)
class Rendered:
    """The result; digest: `sha256:<hex>` of the built YAML stream; inputs: what it depends on."""

    objects: tuple[RenderedObject, ...]
    digest: str
    inputs: Inputs


def render(tree: Tree, request: Request, remotes: Remotes | None = None) -> Rendered:
    """The objects of the request, in the build's order, no two with the same Ref.

    Raises ArtifactFailed if the path is missing, BuildFailed, or Lacking with all that is to be
    fetched before the next try.
    """
    recorder = Recorder(tree)
    folder = folder_of(recorder, request.path)
    resources = _built(recorder, folder, request, remotes or Remotes())
    objects: list[RenderedObject] = []
    digest = hashlib.sha256()
    for number, resource in enumerate(resources):
        made, text = post_build(_rendered(resource), request)
        digest.update((b"---\n" if number else b"") + text.encode())
        objects += _applicable(made, request)
    _check_unique(objects)
    return Rendered(tuple(objects), f"sha256:{digest.hexdigest()}", recorder.inputs)


def _built(
    recorder: Recorder, folder: str, request: Request, remotes: Remotes
) -> Sequence[Resource]:
    try:
        reach = Reach(
            root_only=False,
            overrides={folder: kustomization_of(recorder, folder, request)},
            allow_remote=not request.no_remote_bases,
            bases=remotes.bases,
            files=remotes.files,
        )
        return build(recorder, folder, Options(reach, adds_schemas=True)).resources
    except (KustomizeError, TooManyFiles) as error:
        raise BuildFailed(f"kustomize build failed: {error}") from error


def _rendered(resource: Resource) -> RenderedObject:
    sops = resource.obj.get("sops")
    is_encrypted = isinstance(sops, Mapping) and "mac" in sops
    return RenderedObject(resource.obj, str(resource.position), is_encrypted)


def post_build(made: RenderedObject, request: Request) -> tuple[RenderedObject, str]:
    """(the object with its variables replaced, its YAML text).  Raises BuildFailed.

    An object that is still encrypted, or opted out, stays as it is.
    """
    text = dump(made.obj)
    variables = request.variables
    if variables is None or not (variables or request.always):
        return made, text
    if made.encrypted or _has_opted_out(made.obj):
        return made, text
    where = f"post build failed for {_described(made)}"
    _check_names(variables, where)
    try:
        replaced = substitute(text, variables, request.strict)
        if replaced == text:
            return made, text
        obj = load(replaced)
    except SubstitutionError as error:
        raise BuildFailed(
            f"{where}: envsubst error: variable substitution failed: {error}"
        ) from error
    except ManifestError as error:
        raise BuildFailed(f"{where}: envsubst error: YAMLToJSON: {error.problem}") from error
    if not isinstance(obj, dict):
        raise BuildFailed(f"{where}: substitution leaves no object")
    return replace(made, obj=obj), dump(obj)


def _has_opted_out(obj: Object) -> bool:
    metadata = obj.get("metadata") or {}
    return any(
        (metadata.get(field) or {}).get(_SUBSTITUTE) == "disabled"
        for field in ("labels", "annotations")
    )


def _check_names(variables: Mapping[str, str], where: str) -> None:
    for name in variables:
        if not NAME.fullmatch(name):
            raise BuildFailed(
                f"{where}: envsubst error: '{name}' var name is invalid, must match "
                "'^[_[:alpha:]][_[:alpha:][:digit:]]*$'"
            )


def _described(made: RenderedObject) -> str:
    metadata = made.obj.get("metadata") or {}
    return f"{made.obj.get('kind')}/{metadata.get('name')} ({made.origin})"


def _applicable(made: RenderedObject, request: Request) -> Iterator[RenderedObject]:
    """What there is to apply: a list's items, nothing that is only meant for kustomize."""
    obj = made.obj
    items = obj.get("items")
    if str(obj.get("kind", "")).endswith("List") and isinstance(items, list):
        for item in items:
            if isinstance(item, Mapping):
                yield from _applicable(replace(made, obj=item), request)
    elif _is_object(obj) and not _is_kustomization(obj):
        yield replace(made, obj=_labelled(normalised(obj), request))


def _is_object(obj: Object) -> bool:
    metadata = obj.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return all(isinstance(v, str) and v for v in (name, obj.get("kind"), obj.get("apiVersion")))


def _is_kustomization(obj: Object) -> bool:
    is_own = str(obj["apiVersion"]).startswith("kustomize.config.k8s.io/")
    return is_own and str(obj["kind"]).lower() == "kustomization"


def _labelled(obj: Object, request: Request) -> Object:
    common = request.common_metadata
    if not (common.labels or common.annotations):
        return obj
    metadata: dict[str, Any] = dict(obj["metadata"])
    for key, values in (("labels", common.labels), ("annotations", common.annotations)):
        if values:
            metadata[key] = {**(metadata.get(key) or {}), **values}
    return {**obj, "metadata": metadata}


def _check_unique(objects: Sequence[RenderedObject]) -> None:
    first: dict[Ref, RenderedObject] = {}
    for made in objects:
        other = first.setdefault(made.ref, made)
        if other is not made:
            raise BuildFailed(
                f"kustomize build failed: {made.ref} is there twice: "
                f"{other.origin} and {made.origin}"
            )
