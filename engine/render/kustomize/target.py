"""Work through one kustomization, and through those that it names.

Source: kustomize api/internal/target/kusttarget.go.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from engine.render.kustomize.accumulator import Accumulator
from engine.render.kustomize.config.crds import config_from_crds
from engine.render.kustomize.config.kustomization import (
    Generator,
    Kustomization,
    decode_kustomization,
)
from engine.render.kustomize.config.specs import DEFAULTS, decode_config, merge_configs
from engine.render.kustomize.errors import (
    MAX_PROBLEMS,
    KustomizeError,
    Lacking,
    LocatedError,
)
from engine.render.kustomize.loader import Loader
from engine.render.kustomize.model.factory import is_inline, resources_from, resources_of
from engine.render.kustomize.model.origins import Origin
from engine.render.kustomize.model.reading import read_one
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.resource import Position, Resource
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
        self.file = self._declared.called(loader.root)
        self.kustomization: Kustomization = decode_kustomization(self._declared.content, self.file)
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
                "components", kustomization.components, partial(self._add_component, gathered)
            )
            self._transform(gathered)
            self._validate(gathered)
            gathered.declare(kustomization.vars)
            if self._entries is not None:
                self._entries.declared()
        except LocatedError:
            raise
        except KustomizeError as error:
            raise LocatedError([f"{self.file}: {error}"]) from error
        return gathered

    def _each(self, field_name: str, paths: Sequence[str], add: Callable[[str], None]) -> None:
        """Add one entry after the other; the entry stands in front of what goes wrong with it.

        What an entry lacks is noted and the rest still looked at, so that all is fetched at once;
        so it is with what is wrong, but for components, which work on what came before.
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
                found = error.problems if isinstance(error, LocatedError) else [str(error)]
                before = self._before(field_name, paths, index)
                problems += [before + problem for problem in found]
                if field_name == "components" or len(problems) > MAX_PROBLEMS:
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
        place = self._loader.place(self._declared.name, path)
        return f"{place}: {field_name.removesuffix('s')} {path!r}: "

    def _add_resource(self, gathered: Accumulator, path: str) -> None:
        if self._is_folder(path):
            gathered.absorb(self._child(path, is_component=False).accumulate())
            return
        resources = self._resources_in(path)
        gathered.resources.append_all(resources)

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
        loader = self._loader.child(path)
        child = Target(loader, self._build, self._origin.below(path))
        if child.kustomization.is_component is not is_component:
            wanted = "Component" if is_component else "Kustomization"
            raise KustomizeError(
                f"{child.file}: expected kind {wanted!r} but got {child.kustomization.kind!r}"
            )
        self._build.schemas.use(child.kustomization.openapi, loader)
        return child

    def _add_component(self, gathered: Accumulator, path: str) -> None:
        self._child(path, is_component=True).accumulate(gathered)

    def _add_configs(self, gathered: Accumulator) -> None:
        config = DEFAULTS
        for path in self.kustomization.configurations:
            file = self._loader.join(path)
            config = merge_configs(config, decode_config(self._content(path), file))
        gathered.add_config(config)
        for path in self.kustomization.crds:
            gathered.add_config(config_from_crds(self._content(path), self._loader.join(path)))

    def _content(self, path: str) -> Any:
        return read_one(self._loader.read(path), self._loader.join(path))

    def _generate(self, gathered: Accumulator) -> None:
        kustomization = self.kustomization
        for kind, generators in (
            ("ConfigMap", kustomization.config_map_generator),
            ("Secret", kustomization.secret_generator),
        ):
            for index, generator in enumerate(generators):
                before = self._traced(gathered)
                made = self._made(kind, generator)
                self._absorb(gathered, [made], self._configured(f"{kind}Generator"))
                if self._entries is not None:
                    self._entries.generated(before, gathered.resources, kind, index)
        if kustomization.helm_charts or kustomization.helm_chart_inflation_generator:
            raise KustomizeError("helmCharts are not supported by a build; use a HelmRelease")
        for plugin in self._plugins("generators", kustomization.generators):
            before = self._traced(gathered)
            self._absorb(gathered, generated_by(plugin), self._plugin_origin(plugin))
            if self._entries is not None:
                self._entries.plugged(before, gathered.resources, plugin.resource)

    def _traced(self, gathered: Accumulator) -> Sequence[Resource]:
        """What is there before a generator; nothing if nobody will ask."""
        return () if self._entries is None else tuple(gathered.resources)

    def _made(self, kind: str, generator: Generator) -> Resource:
        options = with_global_options(generator.options, self.kustomization.generator_options)
        fields = {name: getattr(generator, name) for name in generator.__struct_fields__}
        entry = Generator(**{**fields, "options": options})
        return generate(kind, entry, self._loader, self._build.schemas, Position(self.file))

    def _absorb(self, gathered: Accumulator, made: list[Resource], origin: Origin | None) -> None:
        for resource in made:
            resource.origin = resource.origin or origin
        absorb(gathered.resources, made)

    def _transform(self, gathered: Accumulator) -> None:
        name_of = partial(self._declared.entry, "patches", total=len(self.kustomization.patches))
        steps = steps_of(
            self.kustomization, gathered.config, self._loader, self._build.schemas, name_of
        )
        for step in steps:
            self._run(gathered.resources, step, self._configured(step.kind))
        for plugin in self._plugins("transformers", self.kustomization.transformers):
            step = Step(plugin.resource.kind, transformer_of(plugin))
            self._run(gathered.resources, step, self._plugin_origin(plugin), plugin.resource)

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
