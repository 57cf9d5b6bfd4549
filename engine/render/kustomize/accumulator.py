"""What a kustomization has gathered: resources, field specifications and vars."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from engine.render.kustomize.config.kustomization import Var
from engine.render.kustomize.config.specs import Config, merge_configs
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.ids import Gvk, Id
from engine.render.kustomize.model.resmap import ResMap


@dataclass(slots=True)
class Accumulator:
    """Grows while kustomizations are read, the innermost first.

    places: of each var, what tells where it is declared, as `file:line`.
    """

    resources: ResMap = field(default_factory=ResMap)
    config: Config = field(default_factory=Config)
    variables: dict[str, Var] = field(default_factory=dict)
    places: dict[str, Callable[[], str]] = field(default_factory=dict)

    def add_config(self, config: Config) -> None:
        """Raises KustomizeError if it contradicts what is there."""
        self.config = merge_configs(self.config, config)

    def absorb(self, other: "Accumulator") -> None:
        """Add all of another.  Raises KustomizeError on conflicts."""
        self.resources.append_all(other.resources)
        self.add_config(other.config)
        for name, variable in other.variables.items():
            self._add_variable(variable, other.places[name])

    def settle(self) -> None:
        """What kustomize does after a component: an empty accumulator absorbs this one.

        Of two field specifications one of which covers the other, the later one is lost there.
        Raises KustomizeError on conflicts.
        """
        settled = Accumulator()
        settled.absorb(self)
        self.config = settled.config

    def declare(self, variables: Sequence[Var], place_of: Callable[[int], str]) -> None:
        """Tie each var to the resource that it reads today.  Raises KustomizeError.

        place_of: where the var of an index is declared, as `file:line`.
        """
        for variable in variables:
            matches = self.resources.having(variable.objref.name, _matcher(variable))
            if len(matches) > 1:
                raise KustomizeError(
                    f"found {len(matches)} resId matches for var {variable.name!r} "
                    "(unable to disambiguate)"
                )
            for resource in matches:
                resource.variables.append(variable.name)
        for index, variable in enumerate(variables):
            self._add_variable(variable, partial(place_of, index))

    def _add_variable(self, variable: Var, place: Callable[[], str]) -> None:
        name = variable.name
        if name in self.variables:
            raise KustomizeError(f"var {name!r} already encountered ({self.places[name]()})")
        self.variables[name], self.places[name] = variable, place


def variable_gvk(variable: Var) -> Gvk:
    """The kind that the var reads; `apiVersion` wins over group and version."""
    reference = variable.objref
    if not reference.api_version:
        return Gvk(reference.group, reference.version, reference.kind)
    gvk = Gvk.of(reference.api_version, reference.kind)
    return gvk if gvk.group else Gvk(reference.group, gvk.version, gvk.kind)


def _matcher(variable: Var) -> Callable[[Id], bool]:
    """Whether an id of its name is the one that the var names; without a namespace any will do."""
    gvk, namespace = variable_gvk(variable), variable.objref.namespace

    def matches(id_: Id) -> bool:
        return id_.gvk == gvk and (not namespace or namespace == id_.effective_namespace)

    return matches
