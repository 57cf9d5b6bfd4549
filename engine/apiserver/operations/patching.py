"""PATCH: from the form of the patch to the new object.

Source: apiserver endpoints/handlers/patch.go.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from engine.apiserver.errors import Refused, bad_request, unsupported_media
from engine.apiserver.kinds.resources import Resource
from engine.objects.manifests import ManifestError, parse
from engine.objects.patch import PatchError, json_patch, merge_patch
from engine.objects.ref import Object
from engine.objects.schema import Schema, kind_schema
from engine.objects.strategic import PatchError as StrategicError
from engine.objects.strategic import strategic_merge

APPLY = "application/apply-patch+yaml"
JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
_REJECTED = "the server rejected our request due to an error in our request"
MEDIA = (JSON, MERGE, APPLY)
BUILTIN_MEDIA = (JSON, MERGE, STRATEGIC, APPLY)


def patch_function(media: str, body: bytes, resource: Resource) -> Callable[[Object], Any]:
    """What makes the new object of the live one.  Raises Refused (400, 415)."""
    if media == STRATEGIC and not resource.custom:
        schema = kind_schema(resource.group, resource.version, resource.kind)
        merge = _mapping(body)
        return lambda live: _strategic(live, merge, schema)
    if media == MERGE:
        merge = _mapping(body)
        return lambda live: merge_patch(live, merge)
    if media == JSON:
        operations = json_body(body)
        return lambda live: _json(live, operations)
    raise unsupported_media(MEDIA if resource.custom else BUILTIN_MEDIA)


def json_body(body: bytes) -> Any:
    """The decoded body.  Raises Refused (400)."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from error


def object_body(body: bytes) -> Any:
    """The decoded body of a create or update.  Raises Refused (400)."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        shown = body[:20].decode(errors="replace") or "<empty>"
        raise bad_request(
            "the object provided is unrecognized (must be a JSON object): couldn't get"
            f" version/kind; json parse error: {error} ({shown})"
        ) from error


def apply_body(body: bytes) -> dict[str, Any]:
    """The object that an apply patch holds, JSON or YAML.  Raises Refused (400)."""
    given = _loaded(body)
    if not isinstance(given, dict):
        raise bad_request("error decoding YAML: the patch is not an object")
    return given


def yaml_body(body: bytes) -> Any:
    """The first document of a YAML or JSON body; None if it is empty.  Raises Refused (400)."""
    try:
        documents = parse(body, "body")
    except ManifestError as error:
        raise bad_request(f"error decoding YAML: {error}") from error
    return documents[0].obj if documents else None


def _loaded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return yaml_body(body)


def _mapping(body: bytes) -> dict[str, Any]:
    given = json_body(body)
    if not isinstance(given, dict):
        raise bad_request("error decoding patch: the patch is not an object")
    return given


def _strategic(live: Object, patch: Mapping[str, Any], schema: Schema | None) -> Any:
    try:
        return strategic_merge(live, patch, schema)
    except StrategicError as error:
        raise bad_request(str(error)) from error


def _json(live: Object, operations: Any) -> Any:
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: the patch is not a list of operations")
    try:
        return json_patch(live, operations)
    except PatchError as error:
        raise Refused(422, "Invalid", _REJECTED, {}) from error
