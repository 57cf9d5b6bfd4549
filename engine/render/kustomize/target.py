"""Work through one kustomization, and through those that it names.

Source: kustomize api/internal/target/kusttarget.go.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
import orjson

from engine.render.kustomize.accumulator import Accumulator
from engine.render.kustomize.config.crds import config_from_crds
from engine.render.kustomize.config.kustomization import (
    Generator,
    Kustomization,
    decode_kustomization,
)
from engine.render.kustomize.config.specs import DEFAULTS, Config, decode_config, merge_configs
from engine.render.kustomize.errors import (
    MAX_PROBLEMS,
    KustomizeError,
    Lacking,
    LocatedError,
    at,
    collected,
)
from engine.render.kustomize.loader import Loader
from engine.render.kustomize.model.factory import is_inline, resources_from, resources_of
from engine.render.kustomize.model.origins import Origin
from engine.render.kustomize.model.reading import read_one
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.resource import Position, Resource
from engine.render.kustomize.places import Places
from engine.render.kustomize.provenance_entries import Entries
from engine.render.kustomize.repository import is_http, parse_repository
from engine.render.kustomize.state import Build
from engine.render.kustomize.transform.generators import absorb, generate, with_global_options
from engine.render.kustomize.transform.plugins import Plugin, generated_by, transformer_of
from engine.render.kustomize.transform.steps import Step, steps_of
from engine.source.tree import Form


class Target:
    """One kustomization, read from its folder."""

    def __init__(self, loader: Loader, build: Build, origin: Origin) -> None:
        """Raises KustomizeError if the file is missing or wrong."""
        build.enter()
        self._loader = loader
        self._build = build
        self._origin = origin
        self._declared = loader.kustomization()
        self._places = Places(loader, self._declared)
        self.file = self._places.file
        try:
            self.kustomization: Kustomization = decode_kustomization(self._declared.content)
        except KustomizeError as error:
            raise LocatedError(self._places.problems(error)) from error
        self._entries: Entries | None = None  # only for a build that explains itself
        if build.trace is not None:
            self._entries = Entries(loader, self._declared, self.kustomization, build.trace)

    def accumulate(self, into: Accumulator | None = None) -> Accumulator:
        """Everything that the kustomization makes.

        into: what a component works on.  Raises KustomizeError naming the file.
        """
        gathered = into or Accumulator()
        kustomization = self.kustomization
        try:
            self._each("resources", kustomization.resources, partial(self._add_resource, gathered))
            self._add_configs(gathered)
            self._generate(gathered)
            self._each(
                "components",
                kustomization.components,
                partial(self._add_component, gathered),
                is_independent=False,
            )
            self._transform(gathered)
            self._validate(gathered)
            with at("vars"):
                gathered.declare(kustomization.vars, self._place_of_var)
            if self._entries is not None:
                self._entries.declared()
        except KustomizeError as error:
            problems = [*self._places.problems(error), *self._places.problems_of(self._checks())]
            raise LocatedError(dict.fromkeys(problems)) from error
        return gathered

    def _place_of_var(self, index: int) -> str:
        return self._places.place(("vars", index))

    def _checks(self) -> Iterator[Callable[[], object]]:
        """What can be checked of this kustomization even if its resources are wrong."""
        yield partial(self._add_configs, Accumulator())
        yield lambda: collected(
            ((*entry[:2],), partial(self._made, *entry[2:])) for entry in self._generators()
        )
        yield lambda: self._each(
            "components", self.kustomization.components, partial(self._child, is_component=True)
        )
        yield lambda: self._steps(DEFAULTS)

    def _each(
        self,
        field_name: str,
        paths: Sequence[str],
        add: Callable[[str], object],
        *,
        is_independent: bool = True,
    ) -> None:
        """Add one entry after the other; the entry stands in front of what goes wrong with it.

        What an entry lacks is noted and the rest still looked at, so that all is fetched at once;
        so it is with what is wrong, unless entries work on what came before.
        """
        problems: list[str] = []
        for index, path in enumerate(paths):
            try:
                if self._entries is None:
                    add(path)
                else:
                    self._entries.lead(field_name, index, partial(add, path))
            except Lacking as lacking:
                self._build.lack(lacking.needs)
            except KustomizeError as error:
                found = (
                    error.problems if isinstance(error, LocatedError) else str(error).splitlines()
                )
                before = self._before(field_name, paths, index)
                problems += [before + problem for problem in found]
                if not is_independent or len(problems) > MAX_PROBLEMS:
                    break
        if problems:
            raise LocatedError(problems)

    def _before(self, field_name: str, paths: Sequence[str], index: int) -> str:
        """What stands before a problem of the entry: where the user wrote it, if somewhere."""
        path = paths[index]
        if self._declared.is_added(field_name, index, len(paths)):
            return f"spec.{field_name}: {path!r}: "
        if self._declared.is_generated:
            return ""
        place = self._loader.place(self._declared.name, path) if path else self.file
        if place == self.file:
            place = self._places.place((field_name, index))
        return f"{place}: {field_name.removesuffix('s')} {path!r}: "

    def _add_resource(self, gathered: Accumulator, path: str) -> None:
        if self._is_folder(path):
            gathered.absorb(self._base(path))
            return
        try:
            resources = self._resources_in(path)
        except KustomizeError:
            self._loader.check_no_repository(path)
            raise
        gathered.resources.append_all(resources)

    def _base(self, path: str) -> Accumulator:
        loader, built = self._loader.child(path), self._loader.reach.built

        def make() -> Accumulator:
            return self._target(loader, path, is_component=False).accumulate()

        return make() if built is None else built.made(loader, self._build, make)

    def _resources_in(self, path: str) -> list[Resource]:
        resources = resources_of(self._loader.documents(path), self._build.schemas)
        self._place(resources, path)
        if self._entries is not None:
            self._entries.read(resources, path)
        return resources

    def _place(self, resources: list[Resource], path: str) -> None:
        """Note where the resources were read."""
        if self._build.origins:
            for resource in resources:
                resource.origin = self._origin.below(path)

    def _is_folder(self, path: str) -> bool:
        if is_http(path):
            return path in self._loader.reach.bases
        if parse_repository(path) is not None:
            return True
        return self._loader.form(path) is Form.FOLDER

    def _child(self, path: str, *, is_component: bool) -> "Target":
        return self._target(self._loader.child(path), path, is_component=is_component)

    def _target(self, loader: Loader, path: str, *, is_component: bool) -> "Target":
        """The kustomization of the folder that the path names."""
        child = Target(loader, self._build, self._origin.below(path))
        if child.kustomization.is_component is not is_component:
            wanted = "Component" if is_component else "Kustomization"
            field_name = "components" if child.kustomization.is_component else "resources"
            raise KustomizeError(
                f"{child.file}: expected kind {wanted!r} but got {child.kustomization.kind!r}; "
                f"list it under `{field_name}`"
            )
        self._build.schemas.use(child.kustomization.openapi, loader)
        return child

    def _add_component(self, gathered: Accumulator, path: str) -> None:
        self._child(path, is_component=True).accumulate(gathered)
        gathered.settle()

    def _add_configs(self, gathered: Accumulator) -> None:
        config = DEFAULTS
        for path in self.kustomization.configurations:
            file = self._loader.join(path)
            with at("configurations"):
                content = read_one(self._loader.read(path), file, strict=True)
                config = merge_configs(config, decode_config(content, file))
        gathered.add_config(config)
        for path in self.kustomization.crds:
            with at("crds"):
                gathered.add_config(config_from_crds(self._types(path), self._loader.join(path)))

    def _content(self, path: str) -> Any:
        return read_one(self._loader.read(path), self._loader.join(path))

    def _types(self, path: str) -> Any:
        """A file of `crds`: JSON, and nothing behind it, if it begins as that."""
        content = self._loader.read(path)
        if not content.startswith(b"{"):
            return self._content(path)
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError as error:
            place = f"{self._loader.join(path)}:{error.lineno}"
            raise KustomizeError(f"{place}: invalid JSON: {error.msg}") from error

    def _generate(self, gathered: Accumulator) -> None:
        kustomization = self.kustomization
        for name, index, kind, generator in self._generators():
            before = self._traced(gathered)
            with at(name, index):
                made = self._made(kind, generator)
                self._absorb(gathered, [made], self._configured(f"{kind}Generator"))
            if self._entries is not None:
                self._entries.generated(before, gathered.resources, kind, index)
        if kustomization.helm_charts or kustomization.helm_chart_inflation_generator:
            with at("helmCharts"):
                raise KustomizeError("helmCharts are not supported by a build; use a HelmRelease")
        for plugin in self._plugins("generators", kustomization.generators):
            before = self._traced(gathered)
            self._absorb(gathered, generated_by(plugin), self._plugin_origin(plugin))
            if self._entries is not None:
                self._entries.plugged(before, gathered.resources, plugin.resource)

    def _generators(self) -> Iterator[tuple[str, int, str, Generator]]:
        """(field, index, the kind that it makes, the entry)."""
        for index, generator in enumerate(self.kustomization.config_map_generator):
            yield "configMapGenerator", index, "ConfigMap", generator
        for index, generator in enumerate(self.kustomization.secret_generator):
            yield "secretGenerator", index, "Secret", generator

    def _traced(self, gathered: Accumulator) -> Sequence[Resource]:
        """What is there before a generator; nothing if nobody will ask."""
        return () if self._entries is None else tuple(gathered.resources)

    def _made(self, kind: str, generator: Generator) -> Resource:
        options = with_global_options(generator.options, self.kustomization.generator_options)
        entry = msgspec.structs.replace(generator, options=options)
        return generate(kind, entry, self._loader, self._build.schemas, Position(self.file))

    def _absorb(self, gathered: Accumulator, made: list[Resource], origin: Origin | None) -> None:
        for resource in made:
            resource.origin = resource.origin or origin
        absorb(gathered.resources, made)

    def _transform(self, gathered: Accumulator) -> None:
        problems: list[str] = []
        for step in self._steps(gathered.config):
            if problems and not step.is_independent:
                continue
            try:
                with at(*step.entry):
                    self._run(gathered.resources, step, self._configured(step.kind))
            except KustomizeError as error:
                problems += self._places.problems(error)
        if problems:
            raise LocatedError(problems)
        for plugin in self._plugins("transformers", self.kustomization.transformers):
            step = Step(plugin.resource.kind, transformer_of(plugin))
            self._run(gathered.resources, step, self._plugin_origin(plugin), plugin.resource)

    def _steps(self, config: Config) -> list[Step]:
        name_of = partial(self._declared.entry, "patches", total=len(self.kustomization.patches))
        return steps_of(self.kustomization, config, self._loader, self._build.schemas, name_of)

    def _run(
        self,
        resources: ResMap,
        step: Step,
        origin: Origin | None,
        configuration: Resource | None = None,
    ) -> None:
        """configuration: the object that asks for the step, None if a field does."""
        if self._entries is None:
            step.transform(resources)
        else:
            self._entries.run(step, resources, configuration)
        if origin is not None:
            for resource in resources:
                if resource.origin is None:  # then the transformer must have made it
                    resource.origin = origin
                else:
                    resource.transformations.append(origin)
        resources.drop_emptied()

    def _validate(self, gathered: Accumulator) -> None:
        """Built-in transformers only run as validators if they change nothing."""
        for plugin in self._plugins("validators", self.kustomization.validators):
            before = [resource.copy() for resource in gathered.resources]
            transformer_of(plugin)(gathered.resources)
            after = list(gathered.resources)
            if [item.obj for item in before] != [item.obj for item in after]:
                raise KustomizeError(f"{plugin.where}: validator shouldn't modify the resources")

    def _plugins(self, field_name: str, entries: Iterable[str]) -> list[Plugin]:
        """The configurations among inline objects, files and folders."""
        inline, paths = Accumulator(), []
        for index, entry in enumerate(entries):
            name = f"{self.file}:{field_name}[{index}]"
            try:
                resources = resources_from(entry.encode(), name, self._build.schemas)
            except KustomizeError as error:
                if is_inline(entry):
                    raise LocatedError([str(error)]) from error
                paths.append(entry)
                continue
            self._place(resources, self._declared.name)
            inline.resources.append_all(resources)
        self._each(field_name, paths, partial(self._add_resource, inline))
        return [Plugin(item, self._loader, self._build.schemas) for item in inline.resources]

    def _configured(self, kind: str) -> Origin | None:
        if not self._build.origins:
            return None
        return self._origin.below(self._declared.name).configures("builtin", kind)

    @staticmethod
    def _plugin_origin(plugin: Plugin) -> Origin | None:
        resource = plugin.resource
        return resource.origin and resource.origin.configures(
            resource.gvk.api_version, resource.kind, resource.name, resource.namespace
        )
