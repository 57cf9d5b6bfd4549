"""Work through one kustomization, and through those that it names.

Source: kustomize api/internal/target/kusttarget.go.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
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
from engine.render.kustomize.errors import KustomizeError, Lacking, Needs
from engine.render.kustomize.loader import Loader
from engine.render.kustomize.model.factory import resources_from
from engine.render.kustomize.model.origins import Origin
from engine.render.kustomize.model.reading import read_one
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.resource import Position, Resource
from engine.render.kustomize.model.schemas import BuiltInSchemas, OpenApiSchemas, Schemas, Shape
from engine.render.kustomize.repository import is_http, parse_repository
from engine.render.kustomize.transform.generators import absorb, generate, with_global_options
from engine.render.kustomize.transform.plugins import Plugin, generated_by, transformer_of
from engine.render.kustomize.transform.steps import Step, steps_of
from engine.source.tree import Form

_OPENAPI = "v1.21.2"
"""The only version of Kubernetes' OpenAPI that kustomize carries."""


class BuildSchemas:
    """The schemas in force: the first kustomization that names an OpenAPI document decides."""

    def __init__(self, *, keeps_built_in: bool = False) -> None:
        """Begins with the built-in ones; keeps_built_in: a document only adds to them."""
        self._keeps_built_in = keeps_built_in
        self._schemas: Schemas = BuiltInSchemas()
        self._is_set = False

    def is_cluster_scoped(self, api_version: str, kind: str) -> bool:
        """True only if the kind is known to have no namespace."""
        return self._schemas.is_cluster_scoped(api_version, kind)

    def shape(self, obj: object) -> Shape | None:
        """The type of an object, None if it says none or one that is not known."""
        return self._schemas.shape(obj)

    def use(self, openapi: Mapping[str, str], loader: Loader) -> None:
        """Take what a kustomization's `openapi` names.  Raises KustomizeError."""
        path, version = openapi.get("path"), openapi.get("version", "")
        content = read_one(loader.read(path), loader.join(path)) if path is not None else None
        if self._is_set:
            return
        if path is not None and version:
            raise KustomizeError("builtin version and custom schema provided, cannot use both")
        if path is not None:
            if not isinstance(content, dict):
                raise KustomizeError(f"{loader.join(path)}: invalid schema file")
            self._schemas = OpenApiSchemas(content, keeps_built_in=self._keeps_built_in)
        elif version and version != _OPENAPI:
            raise KustomizeError(f"the specified OpenAPI version is not built in: {version!r}")
        self._is_set = bool(path is not None or version)


@dataclass(slots=True)
class Build:
    """What all kustomizations of one build share.

    origins: True if origin annotations are kept while building.  needs: what was found lacking.
    """

    origins: bool = False
    schemas: BuildSchemas = field(default_factory=BuildSchemas)
    bases: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)

    def lack(self, needs: Needs) -> None:
        """Remember what must be fetched."""
        self.bases |= needs.bases
        self.files |= needs.files

    @property
    def needs(self) -> Needs:
        """Everything that was found lacking."""
        return Needs(frozenset(self.bases), frozenset(self.files))


class _LocatedError(KustomizeError):
    """An error that already says in which kustomization it is."""


class Target:
    """One kustomization, read from its folder."""

    def __init__(self, loader: Loader, build: Build, origin: Origin) -> None:
        """Raises KustomizeError if the file is missing or wrong."""
        self._loader = loader
        self._build = build
        self._origin = origin
        content, self._name = loader.kustomization()
        self.file = loader.join(self._name)
        self.kustomization: Kustomization = decode_kustomization(content, self.file)

    def accumulate(self, into: Accumulator | None = None) -> Accumulator:
        """Everything that the kustomization makes.

        into: what a component works on.  Raises KustomizeError naming the file.
        """
        gathered = into or Accumulator()
        kustomization = self.kustomization
        try:
            self._each("resource", kustomization.resources, partial(self._add_resource, gathered))
            self._add_configs(gathered)
            self._generate(gathered)
            self._each(
                "component", kustomization.components, partial(self._add_component, gathered)
            )
            self._transform(gathered)
            self._validate(gathered)
            gathered.declare(kustomization.vars)
        except _LocatedError:
            raise
        except KustomizeError as error:
            raise _LocatedError(f"{self.file}: {error}") from error
        return gathered

    def _each(self, what: str, paths: Iterable[str], add: Callable[[str], None]) -> None:
        """Add one entry after the other; the entry stands in front of what goes wrong with it.

        What an entry lacks is noted, and the rest still looked at, so that all is fetched at once.
        """
        for path in paths:
            try:
                add(path)
            except Lacking as lacking:
                self._build.lack(lacking.needs)
            except KustomizeError as error:
                place = self._loader.place(self._name, path)
                raise _LocatedError(f"{place}: {what} {path!r}: {error}") from error

    def _add_resource(self, gathered: Accumulator, path: str) -> None:
        if self._is_folder(path):
            gathered.absorb(self._child(path, is_component=False).accumulate())
            return
        resources = self._resources_in(path)
        gathered.resources.append_all(resources)

    def _resources_in(self, path: str) -> list[Resource]:
        file = path if is_http(path) else self._loader.join(path)
        resources = resources_from(self._loader.read(path), file, self._build.schemas)
        self._place(resources, path)
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
            for generator in generators:
                made = self._made(kind, generator)
                self._absorb(gathered, [made], self._configured(f"{kind}Generator"))
        if kustomization.helm_charts or kustomization.helm_chart_inflation_generator:
            raise KustomizeError("helmCharts are not supported by a build; use a HelmRelease")
        for plugin in self._plugins(kustomization.generators, "generator"):
            self._absorb(gathered, generated_by(plugin), self._plugin_origin(plugin))

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
        steps = steps_of(self.kustomization, gathered.config, self._loader, self._build.schemas)
        for step in steps:
            self._run(gathered.resources, step, self._configured(step.kind))
        for plugin in self._plugins(self.kustomization.transformers, "transformer"):
            step = Step(plugin.resource.kind, transformer_of(plugin))
            self._run(gathered.resources, step, self._plugin_origin(plugin))

    def _run(self, resources: ResMap, step: Step, origin: Origin | None) -> None:
        step.transform(resources)
        if origin is not None:
            for resource in resources:
                if resource.origin is None:  # then the transformer must have made it
                    resource.origin = origin
                else:
                    resource.transformations.append(origin)
        resources.drop_emptied()

    def _validate(self, gathered: Accumulator) -> None:
        """Built-in transformers only run as validators if they change nothing."""
        for plugin in self._plugins(self.kustomization.validators, "validator"):
            before = [resource.copy() for resource in gathered.resources]
            transformer_of(plugin)(gathered.resources)
            after = list(gathered.resources)
            if [item.obj for item in before] != [item.obj for item in after]:
                raise KustomizeError(f"{plugin.where}: validator shouldn't modify the resources")

    def _plugins(self, entries: Iterable[str], what: str) -> list[Plugin]:
        """The configurations among inline objects, files and folders."""
        inline, paths = Accumulator(), []
        for entry in entries:
            try:
                resources = resources_from(entry.encode(), self.file, self._build.schemas)
            except KustomizeError:
                paths.append(entry)
                continue
            self._place(resources, self._name)
            inline.resources.append_all(resources)
        self._each(what, paths, partial(self._add_resource, inline))
        return [Plugin(item, self._loader, self._build.schemas) for item in inline.resources]

    def _configured(self, kind: str) -> Origin | None:
        if not self._build.origins:
            return None
        return self._origin.below(self._name).configures("builtin", kind)

    @staticmethod
    def _plugin_origin(plugin: Plugin) -> Origin | None:
        resource = plugin.resource
        return resource.origin and resource.origin.configures(
            resource.gvk.api_version, resource.kind, resource.name, resource.namespace
        )
