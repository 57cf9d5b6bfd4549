"""A request's body as an object of the resource: right kind, known fields, defaults.

Source: apiserver endpoints/handlers (create, update), strict decoding errors of apimachinery.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from engine.apiserver.decoding.defaulting import defaulted
from engine.apiserver.decoding.faults import Place, first_fault
from engine.apiserver.decoding.pruning import pruned
from engine.apiserver.decoding.tidying import tidied
from engine.apiserver.errors import Refused, bad_request
from engine.apiserver.kinds.resources import Resource
from engine.apiserver.kinds.schemas import OBJECT_META, Schemas
from engine.apiserver.validation.checking import type_name


class NotHandled(Refused):
    """400: the body is no object of its kind.  why: the part after the kind."""

    def __init__(self, resource: Resource, why: str) -> None:
        """why: what the decoder stopped at."""
        super().__init__(
            400,
            "BadRequest",
            f'{resource.kind} in version "{resource.version}" cannot be handled as a'
            f" {resource.kind}: {why}",
        )
        self.why = why


def decoded(
    raw: Any, resource: Resource, schemas: Schemas, validation: str
) -> tuple[dict[str, Any], list[str]]:
    """The object with known fields and a CRD's defaults, and warnings about the rest.

    validation: Ignore, Warn or Strict.  Raises Refused (400) for another kind, for wrong types of
    a built-in kind, and if Strict for unknown fields.
    """
    if not isinstance(raw, Mapping):
        raise bad_request(f"couldn't get version/kind; json parse error: {type_name(raw)} given")
    obj = _of_kind(raw, resource)
    node = schemas.of(resource)
    if node is None:
        return obj, []
    obj, entries = _without_entries(obj)
    obj, unknown = pruned(obj, schemas, node, custom=resource.custom)
    if unknown and validation == "Strict":
        texts = ", ".join(f'unknown field "{path}"' for path in unknown)
        raise NotHandled(resource, f"strict decoding error: {texts}")
    if resource.custom:
        meta = {"$ref": OBJECT_META}
        fault = first_fault(obj.get("metadata"), meta, schemas, Place("ObjectMeta"))
    else:
        fault = first_fault(obj, node, schemas, Place(resource.kind))
    if fault:
        raise NotHandled(resource, fault)
    obj["metadata"] = dict(obj.get("metadata") or {})
    obj = (defaulted if resource.custom else tidied)(obj, node, schemas)
    if entries is not None:
        obj["metadata"]["managedFields"] = entries
    warnings = [f'unknown field "{path}"' for path in unknown] if validation == "Warn" else []
    return obj, warnings


def _without_entries(obj: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """The object without managedFields, and those: they are large and checked elsewhere."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return obj, None
    rest = dict(metadata)
    entries = rest.pop("managedFields")
    return {**obj, "metadata": rest}, entries


def _of_kind(raw: Mapping[str, Any], resource: Resource) -> dict[str, Any]:
    kind, api_version = raw.get("kind"), raw.get("apiVersion")
    if resource.custom and not kind:
        text = orjson.dumps(raw).decode()
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): Object 'Kind'"
            f" is missing in '{text}' ({text[:27]} ...)"
        )
    if resource.custom and not api_version:
        raise bad_request(
            "the API version in the data () does not match the expected API version"
            f" ({resource.api_version})"
        )
    if kind and kind != resource.kind:
        raise bad_request(
            f'{kind} in version "{_version(api_version or resource.api_version)}" cannot be handled'
            f' as a {resource.kind}: no kind "{resource.kind}" matches the given "{kind}"'
        )
    if api_version and api_version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version"
            f" ({resource.api_version})"
        )
    return {**raw, "kind": resource.kind, "apiVersion": resource.api_version}


def _version(api_version: str) -> str:
    return api_version.rpartition("/")[2]
