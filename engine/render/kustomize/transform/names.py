"""Prefixes, suffixes and hashes of names.

Source: kustomize api/internal/builtins/{Prefix,Suffix,Hash}Transformer.go, api/hasher.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from engine.render.kustomize.config.specs import Specs
from engine.render.kustomize.errors import KustomizeError, bounded
from engine.render.kustomize.model.fields import change_field, selected
from engine.render.kustomize.model.ids import Gvk
from engine.render.kustomize.model.resmap import ResMap
from engine.render.kustomize.model.resource import Resource
from engine.render.kustomize.model.scalars import described, retyped, text_of

_NEVER_RENAMED = (
    Gvk(kind="CustomResourceDefinition"),
    Gvk(group="apiregistration.k8s.io", kind="APIService"),
    Gvk(kind="Namespace"),
)
_DIGITS = str.maketrans("013ae", "ghkmt")
"""Keeps hashes from spelling words."""


def add_prefix(resources: ResMap, prefix: str, specs: Specs) -> None:
    """Put `prefix` before the names."""
    for resource in resources:
        _rename(resource, specs, resource.prefixes, prefix, lambda text: prefix + text)
    resources.touch()


def add_suffix(resources: ResMap, suffix: str, specs: Specs) -> None:
    """Put `suffix` behind the names."""
    for resource in resources:
        _rename(resource, specs, resource.suffixes, suffix, lambda text: text + suffix)
    resources.touch()


def _rename(
    resource: Resource, specs: Specs, kept: list[str], part: str, rename: Callable[[str], str]
) -> None:
    original = resource.original_id.gvk
    if not part or any(original.is_selected_by(kind) for kind in _NEVER_RENAMED):
        return

    def change(old: Any) -> Any:
        if isinstance(old, (dict, list)):
            raise KustomizeError(f"a name must be a scalar, got {described(old)}")
        return retyped(old, bounded(rename(text_of(old))))

    for spec in selected(specs, original):
        if spec.path == "metadata/name":
            if resource.metadata.get("name", "") is None:
                raise KustomizeError(f"{resource.id} ({resource.position}): its name was removed")
            kept.append(part)
            resource.remember_id()
        if resource.gvk.is_selected_by(spec.gvk):
            change_field(resource, spec.path, change, str if spec.create else None)


def add_hashes(resources: ResMap) -> None:
    """Put the hash of its content behind the name of each generated resource that wants it."""
    for resource in resources:
        if resource.wants_hash:
            suffix = content_hash(resource)
            resource.remember_id()
            resource.set_metadata("name", f"{resource.name}-{suffix}")
    resources.touch()


def content_hash(resource: Resource) -> str:
    """Ten letters and digits that follow from the content of a ConfigMap or Secret."""
    obj = resource.obj
    content: dict[str, Any] = {
        "kind": resource.kind,
        "name": "",  # kustomize looks it up where it is not, so it never counts
        "data": _hashed(obj.get("data", "")),
    }
    extra = "binaryData"
    if resource.kind == "Secret":
        content["type"] = _hashed(obj.get("type", ""))
        extra = "stringData"
    if isinstance(obj.get(extra), dict):
        content[extra] = obj[extra]
    return hashlib.sha256(_go_json(content)).hexdigest()[:10].translate(_DIGITS)


def _hashed(value: Any) -> Any:
    return value if isinstance(value, (dict, list)) else text_of(value)


def _go_json(value: Any) -> bytes:
    """JSON as Go writes it: sorted, compact, what HTML minds escaped."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()
