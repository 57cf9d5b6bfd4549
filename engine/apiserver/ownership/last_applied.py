"""The bridge from `kubectl apply` to server-side apply: the annotation with the last configuration.

Only for the field manager that kubectl itself uses: what it says there it may take without force.
Source: apimachinery managedfields/internal/lastapplied{,manager,updater}.go.
"""

import json
from typing import Any

from engine.apiserver.typed.schema import TypeMismatch
from engine.apiserver.typed.type import Type
from engine.objects.field_path import value_text
from engine.objects.fields import EMPTY, FieldSet
from engine.objects.ref import Object

MANAGER = "kubectl"
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


def may_take(live: Object, typ: Type) -> FieldSet:
    """The fields that live still has as client-side apply wrote them."""
    try:
        last = json.loads(_annotation(live))
        if not isinstance(last, dict) or last.get("apiVersion") != live["apiVersion"]:
            return EMPTY
        typ.validate(last)
        change = typ.compare(last, dict(live))
        fields = typ.field_set(last)
    except (TypeMismatch, ValueError):
        return EMPTY
    return fields.difference(change.changed).difference(change.removed)


def followed(obj: dict[str, Any], patch: Object) -> dict[str, Any]:
    """The object with `patch` in its annotation, if it has one, so that `kubectl apply` goes on."""
    if not _annotation(obj):
        return obj
    metadata = {**(patch.get("metadata") or {})}
    if metadata.get("annotations"):
        annotations = {k: v for k, v in metadata["annotations"].items() if k != ANNOTATION}
        metadata["annotations"] = annotations
    text = f"{value_text({**patch, 'metadata': metadata})}\n"
    annotations = {**obj["metadata"]["annotations"], ANNOTATION: text}
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}


def _annotation(obj: Object) -> str:
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(ANNOTATION) or "")
