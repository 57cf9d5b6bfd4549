"""Write one value into fields, or into a place of the file paths that they hold.

Source: kustomize api/filters/valueadd, api/internal/builtins/ValueAddTransformer.go.
"""

from collections.abc import Iterable
from typing import Any

from engine.render.kustomize.config.kustomization import Selector
from engine.render.kustomize.config.typed import Lenient, decode
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.loader import Loader
from engine.render.kustomize.model.fields import split_path
from engine.render.kustomize.model.reading import read_one
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.scalars import text_of
from engine.render.kustomize.transform.namespace import NamespaceChange, set_on_resource
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
                _put(resource.obj, split_path("/" + target.field_path), value, target)
    resources.touch()


def _put(node: Any, path: list[str], value: str, target: Place) -> None:
    for part in path[:-1]:
        node = node.setdefault(part, {}) if isinstance(node, dict) else None
    if not isinstance(node, dict) or isinstance(node.get(path[-1]), (dict, list)):
        raise KustomizeError(f"{target.field_path!r} does not lead to a scalar")
    old = node.get(path[-1])
    node[path[-1]] = (
        inserted(text_of(old) if old is not None else "", target.file_path_position - 1, value)
        if target.file_path_position
        else value
    )


def inserted(path: str, index: int, part: str) -> str:
    """A file path with `part` as its part number `index`, or at the end."""
    lead = "/" if path.startswith("/") else ""
    parts = [item for item in path.split("/") if item]
    return lead + "/".join((*parts[:index], part, *parts[index:]))
