"""Write one value into fields, or into a place of the file paths that they hold.

Source: kustomize api/filters/valueadd, api/internal/builtins/ValueAddTransformer.go.
"""

from collections.abc import Iterable

from engine.render.kustomize.config.kustomization import Selector
from engine.render.kustomize.config.typed import Lenient, decode
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.loader import Loader
from engine.render.kustomize.model.fields import split_path
from engine.render.kustomize.model.reading import read_one
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.model.scalars import described, retyped, text_of
from engine.render.kustomize.transform.namespace import NamespaceChange, set_on_resource
from engine.render.kustomize.transform.paths import make
from engine.render.kustomize.transform.selectors import select


class Place(Lenient, frozen=True):
    """Where the value goes; position: from 1, the part of a file path; 0 = the whole field."""

    selector: Selector | None = None
    field_path: str = ""
    file_path_position: int = 0


class ValueAdd(Lenient, frozen=True):
    """A ValueAddTransformer's configuration."""

    value: str = ""
    targets: tuple[Place, ...] = ()
    target_file_path: str = ""

    def all_targets(self, loader: Loader) -> list[Place]:
        """The targets here and in the file.  Raises KustomizeError."""
        targets = list(self.targets)
        if self.target_file_path:
            content = read_one(loader.read(self.target_file_path), self.target_file_path)
            targets += decode(ValueAdd, content, self.target_file_path).targets
        if not targets:
            raise KustomizeError("must specify at least one target")
        for target in targets:
            if not target.field_path:
                raise KustomizeError("fieldPath cannot be empty")
            if target.file_path_position < 0:
                raise KustomizeError(
                    f"value of FilePathPosition ({target.file_path_position}) cannot be negative"
                )
        return targets


def add_value(resources: ResMap, value: str, targets: Iterable[Place]) -> None:
    """Write the value into every target."""
    for target in targets:
        chosen = select(resources, target.selector) if target.selector else list(resources)
        for resource in chosen:
            if target.field_path == "metadata/namespace":
                set_on_resource(resource, NamespaceChange(value), ())
            else:
                _put(resource, value, target)
    resources.touch()


def _put(resource: Resource, value: str, target: Place) -> None:
    try:
        found = make(resource.obj, split_path("/" + target.field_path))
    except KustomizeError as error:
        raise KustomizeError(f"field {target.field_path!r} of {resource.id}: {error}") from error
    if found is None:
        return
    if isinstance(found.value, (dict, list)):
        raise KustomizeError(
            f"field {target.field_path!r} of {resource.id} must be a scalar, "
            f"got {described(found.value)}"
        )
    if target.file_path_position:
        value = inserted(text_of(found.value), target.file_path_position - 1, value)
    found.set(retyped(found.value, value))


def inserted(path: str, index: int, part: str) -> str:
    """A file path with `part` as its part number `index`, or at the end."""
    lead = "/" if path.startswith("/") else ""
    parts = [item for item in path.split("/") if item]
    return lead + "/".join((*parts[:index], part, *parts[index:]))
