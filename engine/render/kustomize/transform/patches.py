"""Patches: strategic merge and JSON 6902, by name or by selector.

Source: kustomize api/internal/builtins/Patch*Transformer.go, api/resource/resource.go.
"""

import json
from collections.abc import Iterable
from typing import Any

from engine.objects.patch import PatchError, json_patch
from engine.render.kustomize.config.kustomization import Patch, PatchOptions, Selector
from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.loader import Loader
from engine.render.kustomize.model.factory import patches_from
from engine.render.kustomize.model.reading import read_one
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.model.rewriting import refloated
from engine.render.kustomize.model.scalars import unspelled
from engine.render.kustomize.model.schemas import Schemas
from engine.render.kustomize.transform.generators import take_identity
from engine.render.kustomize.transform.merge import merge
from engine.render.kustomize.transform.nearby import near_field, near_resource
from engine.render.kustomize.transform.selectors import select
from engine.sops import format_of


class PatchStep:
    """One entry of `patches`, read and ready to run."""

    def __init__(self, patch: Patch, loader: Loader, schemas: Schemas, name: str) -> None:
        """name: what a patch in place is called.

        Raises KustomizeError if it is neither a strategic merge nor a JSON patch.
        """
        text = patch.patch.strip()
        if bool(text) == bool(patch.path):
            raise KustomizeError("a patch must have one of 'patch' and 'path'")
        content = text.encode() if text else loader.opened(patch.path, format_of(patch.path))
        self._source = loader.join(patch.path) if patch.path else name
        self._target = patch.target
        self._merges, self._operations = _either(content, self._source, schemas)
        options = patch.options or PatchOptions()
        if self._operations is not None and self._target is None:
            raise KustomizeError(f"must specify a target for JSON patch {self._source}")
        for item in self._merges:
            item.allow_name_change |= options.allow_name_change
            item.allow_kind_change |= options.allow_kind_change

    def __call__(self, resources: ResMap) -> None:
        """Patch the resources that are meant.  Raises KustomizeError if there is none."""
        if self._operations is not None and self._target is not None:
            for resource in select(resources, self._target):
                resource.remember_id()
                apply_operations(resource, self._operations, self._source)
        elif self._target is None:
            merge_by_id(resources, self._merges)
        elif self._merges:
            self._merge_selected(resources, self._target)
        resources.touch()

    def _merge_selected(self, resources: ResMap, target: Selector) -> None:
        if len(self._merges) > 1:
            raise KustomizeError(
                "multiple strategic merge patches in one `patches` entry are not allowed together "
                f"with `target`: {self._source}"
            )
        chosen = {resource.key for resource in select(resources, target)}
        _merge_into(resources, chosen, self._merges[0])


def merge_by_id(resources: ResMap, patches: Iterable[Resource]) -> None:
    """Merge each patch into the resource of its id.  Raises KustomizeError if it has none."""
    for patch in patches:
        merge_one(_target(resources, patch), patch)


def merge_each_by_id(resources: ResMap, patches: Iterable[Resource]) -> None:
    """As `patchesStrategicMerge` does it: a target that another patch deleted is an error."""
    for patch in patches:
        target = _target(resources, patch)
        _merge_into(resources, {target.key}, patch)


def _target(resources: ResMap, patch: Resource) -> Resource:
    found = resources.with_id(patch.original_id)
    if len(found) != 1:
        what = "multiple resources match" if found else "no resource matches"
        raise KustomizeError(
            f"{what} strategic merge patch {patch.original_id} ({patch.position}): "
            f"failed to find unique target{near_resource(patch.original_id, resources)}"
        )
    return found[0]


def _merge_into(resources: ResMap, keys: set[Any], patch: Resource) -> None:
    """Merge into the resources of these ids; what the patch deletes is taken out."""
    for resource in resources:
        if resource.key not in keys:
            continue
        own = patch.copy()
        take_identity(own, patch)
        version = resource.obj.get("apiVersion")
        own.obj["apiVersion"] = version or ""
        merge_one(resource, own)
        if resource.obj and not version:
            resource.obj["apiVersion"] = None
    resources.drop_emptied()
    resources.check_ids()


def merge_one(resource: Resource, patch: Resource) -> None:
    """Merge one patch; name, namespace and kind stay unless the patch may change them."""
    kind, metadata = resource.obj.get("kind"), resource.metadata
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if patch.allow_name_change or patch.allow_kind_change:
        resource.remember_id()
    try:
        resource.obj = merge(resource.obj, patch.obj, resource.schemas)
    except KustomizeError as error:
        raise KustomizeError(
            f"patch {patch.position} of {resource.id} ({resource.position}): {error}"
        ) from error
    if not resource.obj:
        return
    if not patch.allow_kind_change:
        resource.obj["kind"] = kind
    if not patch.allow_name_change:
        resource.set_metadata("name", name)
    resource.set_metadata("namespace", namespace)


def apply_operations(resource: Resource, operations: list[Any], source: str) -> None:
    """Run a JSON patch.  Raises KustomizeError naming the operation that fails."""
    if resource.repeated:
        raise KustomizeError(f"{source}: JSON patch of {resource.id}: {resource.repeated}")
    given = unspelled(resource.obj)
    if resource.has_books:  # then kustomize finds annotations where the object has none
        metadata = given.get("metadata") or {}
        given = {
            **given,
            "metadata": {**metadata, "annotations": metadata.get("annotations") or {}},
        }
    try:
        patched = json_patch(given, operations)
    except PatchError as error:
        near = _near_operation(resource.obj, operations[error.number])
        raise KustomizeError(
            f"{source}: JSON patch of {resource.id} ({resource.position}): {error}{near}"
        ) from error
    if not isinstance(patched, dict):
        raise KustomizeError(f"{source}: JSON patch of {resource.id} leaves no object")
    resource.obj = refloated(patched)


def _near_operation(obj: Any, operation: Any) -> str:
    """What there is near the paths of an operation that cannot be done."""
    path = operation.get("path") if operation.get("op") not in ("copy", "move") else None
    if not isinstance(path, str) or not path.startswith("/"):
        return ""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    if operation.get("op") == "add":
        parts.pop()
    return near_field(obj, parts, "/")


def operations_from(content: bytes, source: str) -> list[Any]:
    """The operations of a JSON patch, in JSON or YAML.  Raises KustomizeError."""
    operations = _json(content, source) if content[:1] == b"[" else read_one(content, source)
    if operations is None:
        return []
    if not isinstance(operations, list) or not all(isinstance(op, dict) for op in operations):
        raise KustomizeError(f"{source}: a JSON patch must be a list of operations")
    return operations


def _json(content: bytes, source: str) -> Any:
    """What begins with a bracket is JSON: the same in YAML needs a `- ` for each operation."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise KustomizeError(f"{source}: a JSON patch that begins with '[': {error}") from error


def _either(
    content: bytes, source: str, schemas: Schemas
) -> tuple[list[Resource], list[Any] | None]:
    """(strategic merge patches, None) or ([], operations)."""
    try:
        merges = patches_from(content, source, schemas)
    except KustomizeError as merge_error:
        try:
            return [], operations_from(content, source)
        except KustomizeError as error:
            raise KustomizeError(
                f"unable to parse SM or JSON patch from {source}: "
                + "; ".join(dict.fromkeys((str(merge_error), str(error))))
            ) from error
    return merges, None
