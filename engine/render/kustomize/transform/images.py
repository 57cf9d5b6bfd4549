"""New names, tags and digests of images; how many replicas of a workload.

Source: kustomize api/filters/imagetag, api/internal/image, api/filters/replicacount.
"""

from typing import Any

from engine.objects.regex import InvalidExpression, compiled
from engine.render.kustomize.config.kustomization import Image, Replica
from engine.render.kustomize.config.specs import Specs
from engine.render.kustomize.errors import KustomizeError, nearest
from engine.render.kustomize.model.fields import FieldSpec, change_field, change_fields, put_scalar
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.model.scalars import described, retyped, text_of

_TAG = r"(:[a-zA-Z0-9_.{}-]*)?(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{}-]*)?"
_CONTAINERS = ("containers", "initContainers")


def set_image(resources: ResMap, image: Image, specs: Specs) -> None:
    """Change the image wherever containers use it, and in the fields of `specs`."""
    try:
        pattern = compiled(f"^{image.name}{_TAG}$")
    except InvalidExpression:
        return  # an invalid name matches nothing

    def change(value: Any) -> Any:
        if value is None:
            return value
        if isinstance(value, (dict, list)):
            raise KustomizeError(f"an image must be a scalar, got {described(value)}")
        text = text_of(value)
        return retyped(value, _renamed(text, image)) if pattern.search(text) else value

    for resource in resources:
        if resource.kind != "CustomResourceDefinition":
            _change_containers(resource.obj, change)
            change_fields(resource, specs, change)


def _change_containers(node: Any, change: Any) -> None:
    """Change `image` in every list called containers or initContainers, however deep.

    node: a map or a list.
    """
    is_map = isinstance(node, dict)
    for key, value in node.items() if is_map else enumerate(node):
        if not isinstance(value, (dict, list)):
            continue
        _change_containers(value, change)
        if is_map and key in _CONTAINERS and isinstance(value, list):
            for item in value:
                if isinstance(item, dict) and "image" in item:
                    item["image"] = change(item["image"])
                elif item is not None and not isinstance(item, dict):
                    raise KustomizeError(f"a container must be a map, got {described(item)}")


def _renamed(text: str, image: Image) -> str:
    """A new tag or digest replaces tag and digest together."""
    name, tag, digest = split_image(text)
    if image.new_tag or image.digest:
        tag, digest = image.new_tag, image.digest
    elif image.tag_suffix:
        tag, digest = tag + image.tag_suffix, ""
    return (image.new_name or name) + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")


def split_image(text: str) -> tuple[str, str, str]:
    """(name, tag, digest) of an image; a registry's port is part of the name."""
    slash = max(text.find("/"), 0)
    rest = text[slash:]
    at, colon = rest.find("@"), rest.find(":")
    if at < 0 and colon < 0:
        return text, "", ""
    if at >= 0 and (at < colon or colon < 0):
        return text[: slash + at], "", rest[at + 1 :]
    if at >= 0:
        return text[: slash + colon], rest[colon + 1 : at], rest[at + 1 :]
    return text[: slash + colon], rest[colon + 1 :], ""


def set_replicas(resources: ResMap, replica: Replica, specs: Specs) -> None:
    """Set the count of the workload of that name.  Raises KustomizeError if there is none."""
    called = [
        (resource, [id_.gvk for id_ in resource.ids if id_.name == replica.name])
        for resource in resources.called(replica.name)
    ]
    is_found = False
    for spec in specs:
        for resource, gvks in called:
            if not any(gvk.is_selected_by(spec.gvk) for gvk in gvks):
                continue
            is_found = True
            if resource.gvk.is_selected_by(spec.gvk):
                new = str if spec.create else None
                change_field(resource, spec.path, put_scalar(replica.count), new)
    if not is_found:
        kinds = ", ".join(str(spec.gvk) for spec in specs)
        raise KustomizeError(
            f"resource with name {replica.name!r} does not match a config with any of {kinds}"
            + nearest(replica.name, (item.name for spec in specs for item in _of(resources, spec)))
        )


def _of(resources: ResMap, spec: FieldSpec) -> list[Resource]:
    return [item for item in resources if item.gvk.is_selected_by(spec.gvk)]
