"""Who sets what: the entries of one kustomization, and where each of them stands."""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from engine.objects.manifests import Document
from engine.render.kustomize.config.kustomization import Generator, Kustomization, Patch
from engine.render.kustomize.declared import Declared
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.loader import Loader
from engine.render.kustomize.model.factory import is_inline
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.provenance import Authors, Layer, Trace, by
from engine.render.kustomize.provenance_lines import (
    Steps,
    Text,
    documents_in,
    place_in_patch,
)
from engine.render.kustomize.provenance_spec import Spec, called
from engine.render.kustomize.provenance_tree import Author, Path, Setter
from engine.render.kustomize.repository import is_http
from engine.render.kustomize.transform.steps import Step

_IN_PLACE = re.compile(r".*:(generators|transformers|validators)\[([0-9]+)\]")
"""The name of a configuration that stands in the kustomization itself."""


class Entries:
    """The entries of a kustomization; made only for a build that explains itself."""

    def __init__(
        self, loader: Loader, declared: Declared, kustomization: Kustomization, trace: Trace
    ) -> None:
        self._loader = loader
        self._declared = declared
        self._kustomization = kustomization
        self._trace = trace
        is_built = not loader.is_remote and loader.reach.overrides.get(loader.root) is declared
        self._spec = trace.spec if is_built else Spec()
        self._text = self._read()

    def _read(self) -> Text:
        if self._declared.is_generated:
            return Text("")
        file = self._loader.join(self._declared.name)
        return Text.of(self._loader.content(file), file)

    def lead(self, field_name: str, index: int, add: Callable[[], object]) -> None:
        """Add what an entry of a list names; what is read meanwhile came by that entry."""
        with self._trace.within(self._layer(field_name, index)):
            add()

    def _layer(self, field_name: str, index: int) -> Layer:
        entries: Sequence[str] = getattr(self._kustomization, field_name)
        name, place = self._found((field_name, index))
        if not name:
            return Layer("", f"all manifests below './{self._loader.root}'")
        return Layer(place, f"{name} {entries[index]!r}")

    def declared(self) -> None:
        """The vars are known from here on."""
        for index, variable in enumerate(self._kustomization.vars):
            setter = self._setter("RefVarTransformer", ("vars", index))
            self._trace.variables[variable.name] = setter

    def read(self, resources: Sequence[Resource], path: str) -> None:
        """These were just read from the file."""
        file = path if is_http(path) else self._loader.join(path)
        self._trace.read(resources, self._loader.read(path), file)

    def generated(
        self, before: Sequence[Resource], resources: Iterable[Resource], kind: str, index: int
    ) -> None:
        """A generator has run.  kind: of what it makes."""
        is_secret = kind == "Secret"
        entry = ("secretGenerator" if is_secret else "configMapGenerator", index)
        every = self._kustomization
        generators = every.secret_generator if is_secret else every.config_map_generator
        authors = self._generator_authors(f"{kind}Generator", entry, generators[index])
        self._trace.absorbed(before, resources, authors)

    def plugged(
        self, before: Sequence[Resource], resources: Iterable[Resource], configuration: Resource
    ) -> None:
        """A generator that an object configures has run."""
        self._trace.absorbed(before, resources, by(self._configured(configuration)))

    def run(self, step: Step, resources: ResMap, configuration: Resource | None) -> None:
        """Run a step, entry by entry."""
        if configuration is not None:
            step.transform(resources)
            self._trace.after(resources, by(self._configured(configuration)))
            return
        for entry, transform in step.parts() if step.parts else ((step.entry, step.transform),):
            transform(resources)
            self._trace.after(resources, self._authors(step.kind, entry))

    def _configured(self, configuration: Resource) -> Setter:
        """What an object asks for that stands in the kustomization, or in a file of its own."""
        kind, file = configuration.kind, configuration.position.file
        if found := _IN_PLACE.fullmatch(file):
            return self._setter(kind, (found[1], int(found[2])))
        return Setter(kind, f"{kind}/{configuration.name}", str(configuration.position))

    def _setter(self, kind: str, entry: Steps) -> Setter:
        """The entry, as what set a field."""
        name, place = self._found(entry)
        return Setter(kind, name, place)

    def _found(self, entry: Steps) -> tuple[str, str]:
        """(what it is called, `file:line`); no name if there is no such file."""
        given = self._spec.path(self._declared, entry)
        if given:
            return called(given), self._spec.place(given)
        if self._declared.is_generated:
            return "", ""
        return called(entry), self._text.place(self._declared.written(entry))

    def _authors(self, kind: str, entry: Steps) -> Authors:
        """What a transformer has set: a patch says where."""
        setter = self._setter(kind, entry)
        documents = self._patch_documents(entry)

        def authors(resource: Resource) -> Author:
            kind = resource.kind
            return lambda path, _old, _new: (setter, place_in_patch(documents, kind, path))

        return authors

    def _generator_authors(self, kind: str, entry: Steps, generator: Generator) -> Authors:
        """What a generator has set: of its data, where each value comes from."""
        setter = self._setter(kind, entry)

        def author(path: Path, _old: object, _new: object) -> tuple[Setter, str]:
            is_data = len(path) == 2 and path[0] in ("data", "binaryData")
            found = self._sources(entry, generator, str(path[1])) if is_data else iter(())
            return setter, next(found, "")

        return lambda _: author

    def _patch_documents(self, entry: Steps) -> list[Document]:
        """The patch of an entry, with lines; nothing for an entry that is none."""
        name, index = str(entry[0]), entry[-1]
        try:
            if name == "patchesStrategicMerge" and isinstance(index, int):
                text = self._kustomization.patches_strategic_merge[index]
                is_text = is_inline(text)
                return self._in_place(entry, text) if is_text else self._in_file(text)
            if name in ("patches", "patchesJson6902") and isinstance(index, int):
                every = self._kustomization.patches
                patch = (every if name == "patches" else self._kustomization.patches_json6902)[
                    index
                ]
                return self._patch(entry, patch)
        except KustomizeError:  # then the build fails as well, and says so
            return []
        return []

    def _patch(self, entry: Steps, patch: Patch) -> list[Document]:
        if patch.path:
            return self._in_file(patch.path)
        return self._in_place((*entry, "patch"), patch.patch)

    def _in_file(self, path: str) -> list[Document]:
        file = path if is_http(path) else self._loader.join(path)
        return documents_in(self._loader.read(path), file)

    def _in_place(self, path: Steps, content: str) -> list[Document]:
        given = self._spec.path(self._declared, path)
        if given:
            text = self._spec.text
            return text.documents_at(given, content) if text is not None else []
        return self._text.documents_at(path, content)

    def _sources(self, entry: Steps, generator: Generator, key: str) -> Iterator[str]:
        """Where the value of a key of generated data stands."""
        for index, literal in enumerate(generator.literals):
            if literal.partition("=")[0] == key:
                yield self._text.place((*entry, "literals", index))
        for source in generator.files:
            name, equals, path = source.partition("=")
            if (name if equals else posixpath.basename(source)) == key:
                yield self._loader.join(path or name)
        for env in (*generator.envs, *filter(None, [generator.env])):
            lines = self._loader.read(env).decode(errors="replace").splitlines()
            file = self._loader.join(env)
            yield from (f"{file}:{n}" for n, line in enumerate(lines, 1) if _names(line, key))


def _names(line: str, key: str) -> bool:
    return line.lstrip().partition("=")[0] == key
