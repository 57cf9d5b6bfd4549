"""Render a Kustomization: from the tree of its source to the objects to apply.

Pure: what the build lacks (a remote base, a data key) is raised as Lacking, fetched by the caller
and given in `Remotes` the next time.  Source: flux-behaviour.md, sections 4.5, 4.7 and 4.8.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from engine.api.meta import DISABLED, SUBSTITUTE, has_mark
from engine.errors import BuildFailed
from engine.objects.manifests import dump
from engine.render.applicable import (
    RenderedObject,
    applicable,
    check_unique,
    described,
    named,
    rendered_of,
)
from engine.render.cache import ParsedFiles
from engine.render.checked import problem_of
from engine.render.decrypt import Keys, Opener, discreet
from engine.render.decrypt_cache import Decrypt, decrypted_anew
from engine.render.decrypt_keys import Opened
from engine.render.decrypt_words import Words
from engine.render.generate import Request, folder_of, kustomization_of
from engine.render.inputs import Inputs, Recorder, TooManyFiles
from engine.render.kustomize import KustomizeError, Lacking, Options, Reach, Resource, build
from engine.render.kustomize.built_bases import BuiltBases
from engine.render.kustomize.errors import listed
from engine.render.kustomize.model.reading import Parse, read
from engine.render.kustomize.provenance import Trace
from engine.render.secret_variables import SecretVariables
from engine.render.stories import Stories
from engine.render.variables import Places, Unset, Where, substituted
from engine.source.tree import Tree


@dataclass(frozen=True, slots=True)
class Remotes:
    """What was fetched for a build, by the URL that its kustomizations write.

    failures: why a URL was not fetched, though the build asked for it.  keys: what was opened.
    """

    bases: Mapping[str, Tree] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    keys: Keys = field(default_factory=Keys)


@dataclass(frozen=True, slots=True)
class Memory:
    """What builds remember of each other; see `Reach` for both."""

    parse: Parse = read
    bases: BuiltBases | None = None

    @classmethod
    def of(cls, max_bytes: int) -> Self:
        """One for many builds; max_bytes: of it all, about, 0 remembers nothing."""
        half = max_bytes // 2
        return cls(ParsedFiles(half), BuiltBases(half)) if half else cls()


@dataclass(frozen=True, slots=True)
class Rendered:
    """The result; digest: `sha256:<hex>` of the built YAML stream; inputs: what it depends on.

    The digest of what was decrypted, or has a secret variable in it, cannot be compared with
    guesses: data keys and `Request.seal` are part of it.
    """

    objects: tuple[RenderedObject, ...]
    digest: str
    inputs: Inputs
    opened: Opened = field(default_factory=Opened)


def render(
    tree: Tree,
    request: Request,
    remotes: Remotes | None = None,
    *,
    memory: Memory | None = None,
    decrypt: Decrypt = decrypted_anew,
    stories: Stories | None = None,
) -> Rendered:
    """The objects of the request, in the build's order, no two with the same Ref.

    memory: what builds remember of each other.  decrypt: one that remembers may serve any number
    of builds.
    stories: is told where everything comes from, object by object.
    Raises ArtifactFailed if the path is missing, BuildFailed, or Lacking with all that is to be
    fetched before the next try.
    """
    recorder, remotes, memory = Recorder(tree), remotes or Remotes(), memory or Memory()
    folder = folder_of(recorder, request.path)
    how, variables = request.decryption, SecretVariables(request.secret_variables)
    words = Words(variables)
    opener = Opener(how, remotes.keys, decrypt, words) if how is not None else None

    def built(trace: Trace | None) -> Sequence[Resource]:
        return _built(recorder, folder, request, _reach(remotes, memory, opener), trace)

    with discreet(words):
        try:
            resources = built(stories.trace if stories is not None else None)
            telling = _Telling(stories, Places(len(resources), built), variables)
            objects, digest = _finished(resources, request, opener, telling)
        except RecursionError as error:
            raise BuildFailed("kustomize build failed: an object is nested too deep") from error
        check_unique(objects)
    opened = opener.opened if opener is not None else Opened(words.values)
    return Rendered(tuple(objects), digest, recorder.inputs, opened)


@dataclass(frozen=True, slots=True)
class _Telling:
    """Who is told what becomes of an object, and who knows where its fields stand.

    variables: is told what was made of those that are secret.
    """

    stories: Stories | None
    places: Places
    variables: SecretVariables


def _finished(
    resources: Sequence[Resource], request: Request, opener: Opener | None, telling: _Telling
) -> tuple[list[RenderedObject], str]:
    """(what there is to apply, the digest).  Raises BuildFailed with all that is wrong, Lacking."""
    objects: list[RenderedObject] = []
    failures: list[BuildFailed] = []
    digest, stories = hashlib.sha256(), telling.stories
    for number, resource in enumerate(resources):
        try:
            built = _decrypted(rendered_of(resource), resource, opener, stories)
            made, text = _post_build(built, request, telling, number)
            to_apply = list(applicable(made, request))
        except BuildFailed as failure:
            failures.append(failure)
            continue
        objects += to_apply
        if stories is not None:
            stories.finished(resource, made.obj, [each.obj for each in to_apply])
        digest.update((b"---\n" if number else b"") + text.encode())
    if opener is not None and opener.needs:
        raise Lacking(opener.needs)
    if failures:
        raise BuildFailed(_all_of(failures, request))
    secret = opener.secret if opener is not None else b""
    secret += request.seal if telling.variables.made else b""
    value = hmac.digest(secret, digest.digest(), "sha256") if secret else digest.digest()
    return objects, f"sha256:{value.hex()}"


def _decrypted(
    made: RenderedObject, resource: Resource, opener: Opener | None, stories: Stories | None
) -> RenderedObject:
    """The object in plain text, if it is to be decrypted and its data key is there."""
    if opener is None:
        return made
    try:
        obj = opener.object(made.obj, resource.position.file, made.origin)
    except KustomizeError as error:
        raise BuildFailed(f"decryption failed for {described(made)}: {error}") from None
    if obj is made.obj:
        return made
    if problem := problem_of(obj):
        raise BuildFailed(f"decryption failed for {described(made)}: then {problem}")
    if stories is not None:
        stories.decrypted(resource, obj)
    return replace(made, obj=obj, encrypted=False)


def _all_of(failures: Sequence[BuildFailed], request: Request) -> str:
    """What is wrong, one a line, and where variables were looked for if some are not set."""
    problems = listed(line for failure in failures for line in str(failure).splitlines())
    if request.looked_in and any(isinstance(failure, Unset) for failure in failures):
        return f"{problems}\nvariables were looked for in {', '.join(request.looked_in)}"
    return problems


def _reach(remotes: Remotes, memory: Memory, opener: Opener | None) -> Reach:
    return Reach(
        root_only=False,
        bases=remotes.bases,
        files=remotes.files,
        failures=remotes.failures,
        parse=memory.parse,
        built=memory.bases,
        opener=opener,
    )


def _built(
    recorder: Recorder, folder: str, request: Request, reach: Reach, trace: Trace | None
) -> Sequence[Resource]:
    try:
        reach = replace(
            reach,
            overrides={folder: kustomization_of(recorder, folder, request)},
            allow_remote=not request.no_remote_bases,
        )
        return build(recorder, folder, Options(reach, adds_schemas=True, trace=trace)).resources
    except (KustomizeError, TooManyFiles) as error:
        raise BuildFailed(f"kustomize build failed: {error}") from error


def _post_build(
    made: RenderedObject, request: Request, telling: _Telling, number: int
) -> tuple[RenderedObject, str]:
    """(the object with its variables replaced, its YAML text).  Raises BuildFailed.

    An object that is still encrypted, or opted out, stays as it is.  number: of the object.
    """
    if made.encrypted or has_mark(made.obj, SUBSTITUTE, DISABLED):
        return made, dump(made.obj)
    where = Where(named(made.obj), made.origin, telling.places.of(number))
    obj, text = substituted(made.obj, request, where, telling.variables)
    return (made if obj is made.obj else replace(made, obj=obj)), text
