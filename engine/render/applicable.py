"""What of an object that was built there is to apply.

Source: flux-behaviour.md, sections 4.5 and 4.8.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from engine.errors import BuildFailed
from engine.objects.ref import Object, Ref
from engine.render.checked import problem_of
from engine.render.generate import Request
from engine.render.kustomize import Resource
from engine.render.kustomize.errors import listed
from engine.render.normalise import normalised


@dataclass(frozen=True, slots=True)
class RenderedObject:
    """An object to apply; origin: `file:line` of the source, the file alone if it was generated.

    encrypted: it holds SOPS content, as nobody asked for decryption or it has opted out; nothing
    was substituted in it.
    """

    obj: Object
    origin: str
    encrypted: bool = False

    def __reduce__(self) -> tuple[type[Self], tuple[Object, str, bool]]:
        """Ten of them cross from a builder for a build, and dataclasses take their time."""
        return type(self), (self.obj, self.origin, self.encrypted)

    @property
    def ref(self) -> Ref:
        """Which object it is."""
        return Ref.of(self.obj)


def rendered_of(resource: Resource) -> RenderedObject:
    """The resource as it was built.  Raises BuildFailed if it is no object to apply."""
    if problem := problem_of(resource.obj):
        raise BuildFailed(
            f"kustomize build failed: {resource.position}: {named(resource.obj)}: {problem}"
        )
    sops = resource.obj.get("sops")
    is_encrypted = isinstance(sops, Mapping) and "mac" in sops
    return RenderedObject(resource.obj, str(resource.position), is_encrypted)


def named(obj: Object) -> str:
    """`Kind/name`, of an object that may have neither."""
    metadata = obj.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return f"{obj.get('kind') or 'an object'}/{name or 'without a name'}"


def described(made: RenderedObject) -> str:
    """The same, and where it comes from."""
    return f"{named(made.obj)} ({made.origin})"


def applicable(made: RenderedObject, request: Request) -> Iterator[RenderedObject]:
    """What there is to apply: a list's items, nothing that is only meant for kustomize.

    Raises BuildFailed for an item that is no object.
    """
    obj = made.obj
    items = obj.get("items")
    if str(obj.get("kind", "")).endswith("List") and isinstance(items, list):
        for number, item in enumerate(items):
            problem = problem_of(item) if isinstance(item, Mapping) else "it is not a map"
            if problem:
                raise BuildFailed(
                    f"kustomize build failed: {described(made)}: items[{number}]: {problem}"
                )
            yield from applicable(replace(made, obj=item), request)
    elif not _is_kustomization(obj):
        applied = _labelled(normalised(obj), request)
        yield RenderedObject(applied, made.origin, made.encrypted)


def _is_kustomization(obj: Object) -> bool:
    is_own = str(obj["apiVersion"]).startswith("kustomize.config.k8s.io/")
    return is_own and str(obj["kind"]).lower() == "kustomization"


def _labelled(obj: Object, request: Request) -> Object:
    common = request.common_metadata
    if not (common.labels or common.annotations):
        return obj
    metadata: dict[str, Any] = dict(obj["metadata"])
    for key, values in (("labels", common.labels), ("annotations", common.annotations)):
        if values:
            metadata[key] = {**(metadata.get(key) or {}), **values}
    return {**obj, "metadata": metadata}


def check_unique(objects: Sequence[RenderedObject]) -> None:
    """Raises BuildFailed, with both places, if objects share a Ref."""
    first: dict[Ref, RenderedObject] = {}
    problems = [
        f"kustomize build failed: {made.ref} is there twice: {other.origin} and {made.origin}"
        for made in objects
        if (other := first.setdefault(made.ref, made)) is not made
    ]
    if problems:
        raise BuildFailed(listed(problems))
