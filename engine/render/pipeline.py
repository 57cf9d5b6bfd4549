"""Render a Kustomization: from the tree of its source to the objects to apply.

Pure: what the build lacks (a remote base) is raised as Lacking, fetched by the caller and given in
`Remotes` the next time.  Source: flux-behaviour.md, sections 4.5, 4.7 and 4.8.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.api.meta import DISABLED, SUBSTITUTE
from engine.errors import BuildFailed
from engine.objects.manifests import ManifestError, dump, load
from engine.objects.ref import Object, Ref
from engine.render.checked import problem_of
from engine.render.generate import Request, folder_of, kustomization_of
from engine.render.inputs import Inputs, Recorder, TooManyFiles
from engine.render.kustomize import KustomizeError, Options, Reach, Resource, build
from engine.render.kustomize.errors import listed
from engine.render.kustomize.model.reading import Parse, read
from engine.render.kustomize.provenance import Trace
from engine.render.normalise import normalised
from engine.render.stories import Stories
from engine.render.substitute import NAME, SubstitutionError, substitute
from engine.source.tree import Tree

_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
"""What an error of the YAML reader quotes: may be the value of a variable, which may be secret."""
_REFERENCE = re.compile(r"\$\{\w+")
"""Where a text has a variable, up to its name."""


@dataclass(frozen=True, slots=True)
class Remotes:
    """What was fetched for a build, by the URL that its kustomizations write.

    failures: why a URL was not fetched, though the build asked for it.
    """

    bases: Mapping[str, Tree] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)


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


def render(
    tree: Tree,
    request: Request,
    remotes: Remotes | None = None,
    *,
    parse: Parse = read,
    stories: Stories | None = None,
) -> Rendered:
    """The objects of the request, in the build's order, no two with the same Ref.

    parse: see `Reach`.  stories: is told where everything comes from, object by object.
    Raises ArtifactFailed if the path is missing, BuildFailed, or Lacking with all that is to be
    fetched before the next try.
    """
    recorder = Recorder(tree)
    folder = folder_of(recorder, request.path)
    trace = stories.trace if stories is not None else None
    try:
        resources = _built(recorder, folder, request, remotes or Remotes(), parse, trace)
        objects, digest = _finished(resources, request, stories)
    except RecursionError as error:
        raise BuildFailed("kustomize build failed: an object is nested too deep") from error
    _check_unique(objects)
    return Rendered(tuple(objects), digest, recorder.inputs)


def _finished(
    resources: Sequence[Resource], request: Request, stories: Stories | None
) -> tuple[list[RenderedObject], str]:
    """(what there is to apply, the digest).  Raises BuildFailed with all that is wrong."""
    objects: list[RenderedObject] = []
    problems: list[str] = []
    digest = hashlib.sha256()
    for number, resource in enumerate(resources):
        try:
            made, text = post_build(_rendered(resource), request)
            applicable = list(_applicable(made, request))
        except BuildFailed as failure:
            problems.append(str(failure))
            continue
        objects += applicable
        if stories is not None:
            stories.finished(resource, made.obj, [each.obj for each in applicable])
        digest.update((b"---\n" if number else b"") + text.encode())
    if problems:
        raise BuildFailed(listed(problems))
    return objects, f"sha256:{digest.hexdigest()}"


def _built(
    recorder: Recorder,
    folder: str,
    request: Request,
    remotes: Remotes,
    parse: Parse,
    trace: Trace | None,
) -> Sequence[Resource]:
    try:
        reach = Reach(
            root_only=False,
            overrides={folder: kustomization_of(recorder, folder, request)},
            allow_remote=not request.no_remote_bases,
            bases=remotes.bases,
            files=remotes.files,
            failures=remotes.failures,
            parse=parse,
        )
        return build(recorder, folder, Options(reach, adds_schemas=True, trace=trace)).resources
    except (KustomizeError, TooManyFiles) as error:
        raise BuildFailed(f"kustomize build failed: {error}") from error


def _rendered(resource: Resource) -> RenderedObject:
    """The resource as it was built.  Raises BuildFailed if it is no object to apply."""
    if problem := problem_of(resource.obj):
        raise BuildFailed(
            f"kustomize build failed: {resource.position}: {_named(resource.obj)}: {problem}"
        )
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
        raise BuildFailed(
            f"{where}: envsubst error: YAMLToJSON: {_shown(error, text, replaced)}"
        ) from error
    problem = problem_of(obj) if isinstance(obj, dict) else "no object is left"
    if problem:
        raise BuildFailed(f"{where}: after substitution {problem}")
    return replace(made, obj=obj), dump(obj)


def _shown(error: ManifestError, before: str, after: str) -> str:
    """What is wrong with a text whose variables were replaced, without any value of it.

    before: the same text with its variables: those in the line of the error are named.
    """
    problem = _QUOTED.sub(lambda text: text[0] if len(text[0]) == 3 else "'...'", error.problem)
    lines = before.splitlines()
    if len(lines) != len(after.splitlines()) or not 0 < error.line <= len(lines):
        return problem
    names = ", ".join(f"{found}}}" for found in _REFERENCE.findall(lines[error.line - 1]))
    return f"{problem}, where {names} stands: put it in quotes" if names else problem


def _has_opted_out(obj: Object) -> bool:
    metadata = obj.get("metadata") or {}
    return any(
        (metadata.get(field) or {}).get(SUBSTITUTE) == DISABLED
        for field in ("labels", "annotations")
    )


def _check_names(variables: Mapping[str, str], where: str) -> None:
    for name in variables:
        if not NAME.fullmatch(name):
            raise BuildFailed(
                f"{where}: envsubst error: '{name}' var name is invalid, must match "
                "'^[_[:alpha:]][_[:alpha:][:digit:]]*$'"
            )


def _named(obj: Object) -> str:
    """`Kind/name`, of an object that may have neither."""
    metadata = obj.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return f"{obj.get('kind') or 'an object'}/{name or 'without a name'}"


def _described(made: RenderedObject) -> str:
    return f"{_named(made.obj)} ({made.origin})"


def _applicable(made: RenderedObject, request: Request) -> Iterator[RenderedObject]:
    """What there is to apply: a list's items, nothing that is only meant for kustomize.

    Raises BuildFailed for an item that is no object.
    """
    obj = made.obj
    items = obj.get("items")
    if str(obj.get("kind", "")).endswith("List") and isinstance(items, list):
        for number, item in enumerate(items):
            problem = problem_of(item) if isinstance(item, Mapping) else "it is not a map"
            if problem:
                raise BuildFailed(
                    f"kustomize build failed: {_described(made)}: items[{number}]: {problem}"
                )
            yield from _applicable(replace(made, obj=item), request)
    elif not _is_kustomization(obj):
        yield replace(made, obj=_labelled(normalised(obj), request))


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
    problems = [
        f"kustomize build failed: {made.ref} is there twice: {other.origin} and {made.origin}"
        for made in objects
        if (other := first.setdefault(made.ref, made)) is not made
    ]
    if problems:
        raise BuildFailed(listed(problems))
