"""What all kustomizations of one build share.

Source: kustomize api/krusty/kustomizer.go, kyaml openapi/openapi.go.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.render.kustomize.errors import KustomizeError, Needs
from engine.render.kustomize.loader import Loader
from engine.render.kustomize.model.reading import read_one
from engine.render.kustomize.model.schemas import (
    BuiltInSchemas,
    OpenApiSchemas,
    Schemas,
    is_listed,
)
from engine.render.kustomize.model.shapes import Shape
from engine.render.kustomize.provenance import Trace

_OPENAPI = "v1.21.2"
"""The only version of Kubernetes' OpenAPI that kustomize carries."""


MAX_KUSTOMIZATIONS = 10_000
"""A few files that name each other twice can mean millions."""


class BuildSchemas:
    """The schemas in force: the first kustomization that names an OpenAPI document decides.

    The document takes the built-in schemas' place, unless these were asked for before: kustomize
    reads them as late as it can, and adds what it reads later to what it has.
    """

    def __init__(self, *, keeps_built_in: bool = False) -> None:
        """Begins with the built-in ones; keeps_built_in: a document only adds to them."""
        self._keeps_built_in = keeps_built_in
        self._schemas: Schemas = BuiltInSchemas()
        self.is_asked = False
        """Whether the schemas were asked for something that kustomize has in no table."""
        self.is_set = False
        """Whether a document or version was named."""

    def is_cluster_scoped(self, api_version: str, kind: str) -> bool:
        """True only if the kind is known to have no namespace."""
        self.is_asked = self.is_asked or not is_listed(api_version, kind)
        return self._schemas.is_cluster_scoped(api_version, kind)

    def shape(self, obj: object) -> Shape | None:
        """The type of an object, None if it says none or one that is not known."""
        self.is_asked = True
        return self._schemas.shape(obj)

    def described(self, node: Mapping[str, Any]) -> Shape | None:
        """The type that an OpenAPI node describes, which may refer to others."""
        self.is_asked = True
        return self._schemas.described(node)

    def use(self, openapi: Mapping[str, str], loader: Loader) -> None:
        """Take what a kustomization's `openapi` names.  Raises KustomizeError."""
        path, version = openapi.get("path"), openapi.get("version", "")
        content = read_one(loader.read(path), loader.join(path)) if path is not None else None
        if self.is_set:
            return
        if path is not None and version:
            raise KustomizeError("builtin version and custom schema provided, cannot use both")
        if path is not None:
            content = {} if content is None else content  # nobody reads it before it is needed
            if not isinstance(content, dict):
                raise KustomizeError(f"{loader.join(path)}: invalid schema file")
            keeps = self._keeps_built_in or self.is_asked
            self._schemas = OpenApiSchemas(content, keeps_built_in=keeps)
        elif version and version != _OPENAPI:
            raise KustomizeError(f"the specified OpenAPI version is not built in: {version!r}")
        self.is_set = bool(path is not None or version)


@dataclass(slots=True)
class Build:
    """What all kustomizations of one build share.

    origins: True if origin annotations are kept while building.  needs: what was found lacking.
    entered: how many kustomizations were read, each as often as it is named.
    trace: what follows each field, None unless the build is to explain itself.
    """

    origins: bool = False
    trace: Trace | None = None
    schemas: BuildSchemas = field(default_factory=BuildSchemas)
    bases: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    entered: int = 0

    def enter(self) -> None:
        """Count one more kustomization.  Raises KustomizeError if there are too many."""
        self.entered += 1
        if self.entered > MAX_KUSTOMIZATIONS:
            raise KustomizeError(
                f"more than {MAX_KUSTOMIZATIONS:,} kustomizations are built, each counted as "
                "often as it is named"
            )

    def has_room(self, entered: int) -> bool:
        """Whether so many more kustomizations may be built."""
        return self.entered + entered <= MAX_KUSTOMIZATIONS

    def lack(self, needs: Needs) -> None:
        """Remember what must be fetched."""
        self.bases |= needs.bases
        self.files |= needs.files

    @property
    def needs(self) -> Needs:
        """Everything that was found lacking."""
        return Needs(frozenset(self.bases), frozenset(self.files))
