"""Render every Kustomization of a repository, those that others make included.

Each is built as the engine would.  Where variables come from ConfigMaps and Secrets of the
repository itself, all is rendered again until they stay as they are.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from engine.api import Undecodable, decode
from engine.api.kustomize import Kustomization
from engine.api.meta import KUSTOMIZE_GROUP, SOURCE_GROUP
from engine.errors import Failure
from engine.objects.manifests import Document, ManifestError, dump, parse
from engine.objects.ref import Object, Ref
from engine.rehearsal.clusters import clusters_of
from engine.rehearsal.sources import Checkout, source_of, tree_of
from engine.rehearsal.values import Values, secrets_in, values_of, variables_of
from engine.render import Rendered, Request
from engine.source.tree import Form, Tree

_MOST: Final = 5_000
"""Kustomizations that are built: a repository in a circle of them must end."""
_ROUNDS: Final = 5
"""Renderings of everything: variables may decide what other variables are."""
_MANIFESTS: Final = (".yaml", ".yml", ".json")
_GENERATORS: Final = "source.extensions.fluxcd.io"

Build: TypeAlias = Callable[[Tree, Request], Rendered]
"""Renders; raises Failure."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What is rendered, and how.

    folder: below which manifests are looked for.  variables: what somebody gives, by name.
    """

    checkout: Checkout
    folder: str
    build: Build
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """One Kustomization.   origin: `file:line` of its manifest.   cluster: see `clusters_of`.

    rendered: None if it was not built, for the `problem`, or as its files are not here (`absent`).
    asked: of what, and how, it was built.
    unknown: ConfigMaps and Secrets of variables that the repository does not hold.
    secrets: values of its variables that nothing that is printed may hold.
    """

    obj: Object
    origin: str
    cluster: str
    ks: Kustomization | None = None
    rendered: Rendered | None = None
    asked: tuple[Tree, Request] | None = None
    problem: str = ""
    absent: str = ""
    unknown: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def ref(self) -> Ref:
        """Which Kustomization it is."""
        return Ref.of(self.obj)

    @property
    def place(self) -> str:
        """Where its objects go: its cluster, and the kubeconfig that leads to another one."""
        remote = self.ks.spec.kube_config if self.ks is not None else None
        return f"{self.cluster} {remote}" if remote is not None else self.cluster


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of it.   sources: {(cluster, source)} that the repository has.

    malformed: files that cannot be read, with why.
    """

    parts: tuple[Part, ...]
    sources: frozenset[tuple[str, Ref]]
    malformed: tuple[str, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nothing that is told of it may quote."""
        return tuple(dict.fromkeys(text for part in self.parts for text in part.secrets))


@dataclass(frozen=True, slots=True)
class _Found:
    """A Kustomization that is to be built."""

    obj: Object
    origin: str
    cluster: str
    is_made: bool
    """Whether another one's build made it."""


def rehearse(stage: Stage) -> Rehearsal:
    """Everything rendered."""
    documents, malformed = _documents(stage.checkout.tree, stage.folder)
    kustomizations = [each for each in documents if _is_of(each.obj, KUSTOMIZE_GROUP)]
    clusters = clusters_of([(each.file, _name(each.obj)) for each in kustomizations])
    roots = [
        _Found(each.obj, f"{each.file}:{each.line}", clusters[each.file], is_made=False)
        for each in kustomizations
    ]
    everywhere = [(cluster, each.obj) for cluster in {*clusters.values()} for each in documents]
    values: Values = {}
    sources: Mapping[tuple[str, Ref], Object] = {}
    memory: dict[Any, Part] = {}
    parts: list[Part] = []
    made: list[tuple[str, Object]] = []
    is_whole = True
    for _ in range(_ROUNDS):
        parts, is_whole = _round(roots, stage, values, sources, memory)
        made = [
            (part.cluster, each.obj)
            for part in parts
            for each in (part.rendered.objects if part.rendered is not None else ())
        ]
        known = values, sources
        values = values_of([*everywhere, *made])
        sources = {
            (cluster, Ref.of(obj)): obj
            for cluster, obj in (*everywhere, *made)
            if _is_of(obj, SOURCE_GROUP)
        }
        if known == (values, sources):
            break
    if not is_whole:
        malformed.append(f"there are more than {_MOST} Kustomizations: the others are not built")
    there = frozenset(sources) | frozenset(
        (cluster, ref) for cluster, obj in (*everywhere, *made) for ref in _generated(obj)
    )
    return Rehearsal(tuple(parts), there, tuple(malformed))


def _generated(obj: Object) -> Iterator[Ref]:
    """The artifacts that source-watcher makes for an ArtifactGenerator."""
    if obj.get("kind") == "ArtifactGenerator" and _is_of(obj, _GENERATORS):
        spec, namespace = obj.get("spec"), obj["metadata"].get("namespace") or ""
        artifacts = spec.get("artifacts") if isinstance(spec, Mapping) else None
        for each in artifacts if isinstance(artifacts, list) else ():
            name = str(each.get("name", "")) if isinstance(each, Mapping) else ""
            yield Ref(SOURCE_GROUP, "ExternalArtifact", namespace, name)


def _round(
    roots: Sequence[_Found],
    stage: Stage,
    values: Values,
    sources: Mapping[tuple[str, Ref], Object],
    memory: dict[Any, Part],
) -> tuple[list[Part], bool]:
    """(everything rendered once, in the order of the manifests; whether that is all)."""
    waiting = deque(roots)
    found: dict[str, tuple[Part, bool]] = {}
    while waiting and len(found) < _MOST:
        each = waiting.popleft()
        key = f"{each.cluster}\n{each.origin}\n{dump(_judged(each.obj))}"
        if key in found:
            found[key] = found[key][0], found[key][1] or each.is_made
            continue
        part = _part(each, stage, values, sources, memory)
        found[key] = part, each.is_made
        waiting += _inner(part)
    shaped = {part.origin for part, is_made in found.values() if is_made}
    kept = [part for part, is_made in found.values() if is_made or part.origin not in shaped]
    return sorted(kept, key=lambda part: (part.cluster, part.ref, part.origin)), not waiting


def _part(
    found: _Found,
    stage: Stage,
    values: Values,
    sources: Mapping[tuple[str, Ref], Object],
    memory: dict[Any, Part],
) -> Part:
    part = Part(found.obj, found.origin, found.cluster)
    try:
        ks = decode(Kustomization, found.obj)
    except Undecodable as error:
        return replace(part, problem=str(error))
    part = replace(part, ks=ks)
    tree, absent = tree_of(ks, sources.get((found.cluster, source_of(ks))), stage.checkout)
    if tree is None:
        return replace(part, absent=absent)
    variables, unknown = variables_of(ks, found.cluster, values, stage.variables)
    request = Request.of(ks, variables, strict=not unknown)
    secrets = secrets_in(ks, found.cluster, values)
    part = replace(part, asked=(tree, request), unknown=unknown, secrets=secrets)
    key = tree.id, repr(request), repr(sorted((variables or {}).items()))
    if key not in memory:
        try:
            memory[key] = replace(part, rendered=stage.build(tree, request))
        except Failure as failure:
            memory[key] = replace(part, problem=failure.message)
    known = memory[key]
    return replace(part, rendered=known.rendered, problem=known.problem)


def _inner(part: Part) -> Iterator[_Found]:
    for each in part.rendered.objects if part.rendered is not None else ():
        if _is_of(each.obj, KUSTOMIZE_GROUP):
            yield _Found(each.obj, each.origin, part.cluster, is_made=True)


def _documents(tree: Tree, folder: str) -> tuple[list[Document], list[str]]:
    """(all manifests below a folder, why files of them cannot be read)."""
    documents: list[Document] = []
    malformed: list[str] = []
    for file in _files(tree, folder):
        content = tree.read(file)
        if (
            b".fluxcd.io/" not in content
            and b"ConfigMap" not in content
            and b"Secret" not in content
        ):
            continue
        try:
            found = parse(content, file)
        except (ManifestError, RecursionError) as error:
            # A chart's template is no manifest; what is built says so itself.
            if b"{{" not in content:
                malformed.append(str(error))
            continue
        documents += [each for each in found if _is_object(each.obj)]
        malformed += filter(None, map(_unnamed, found))
    return documents, malformed


def _files(tree: Tree, folder: str) -> Iterator[str]:
    """Every manifest; none of a folder that is not there, as in an older commit."""
    if tree.entry(folder) is None:
        return
    for name, entry in tree.names(folder).items():
        path = f"{folder}/{name}" if folder else name
        if entry.form is Form.FOLDER:
            yield from _files(tree, path)
        elif name.endswith(_MANIFESTS):
            yield path


def _is_object(obj: Any) -> bool:
    """Whether its identity is text; of what is not, its build says so."""
    metadata = obj.get("metadata") if isinstance(obj, Mapping) else None
    if not isinstance(metadata, Mapping):
        return False
    named = obj.get("kind"), metadata.get("name"), metadata.get("namespace") or ""
    return all(isinstance(each, str) for each in named) and all(named[:2])


def _unnamed(document: Document) -> str:
    """Why a Kustomization is passed over, "" if it is not; a patch may lack what names one."""
    obj = document.obj
    metadata = obj.get("metadata") if isinstance(obj, Mapping) else None
    if not isinstance(metadata, Mapping) or not _is_of(obj, KUSTOMIZE_GROUP):
        return ""
    for name in ("name", "namespace"):
        if metadata.get(name) is not None and not isinstance(metadata[name], str):
            return f"{document.file}:{document.line}: metadata.{name} must be text: quote it"
    return ""


def _is_of(obj: Object, group: str) -> bool:
    return str(obj.get("apiVersion", "")).startswith(f"{group}/")


def _name(obj: Object) -> str:
    return f"{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"


def _judged(obj: Object) -> Object:
    """What tells two Kustomizations apart."""
    named = {key: obj["metadata"].get(key) for key in ("name", "namespace")}
    return {"metadata": named, "spec": obj.get("spec")}


def objects_of(parts: Iterable[Part]) -> Iterator[tuple[Part, Ref, str]]:
    """(who makes it, which, `file:line`) of every object."""
    for part in parts:
        for each in part.rendered.objects if part.rendered is not None else ():
            yield part, each.ref, each.origin
