"""OpenAPI v3 documents: an index, and schemas and operations of each group and version.

kubectl reads them for `explain`, for patches, and to learn that fields are validated here.  Before
it sends the items of a `List` it also reads version 2, to look for unknown fields itself; that
document is served without definitions, which leaves those fields to the server.
Source: apiserver endpoints/openapi, apiextensions controller/openapi/builder.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from engine.apiserver.kinds import builtin
from engine.apiserver.kinds.resources import Resource, Resources
from engine.apiserver.kinds.schemas import OBJECT_META, Node
from engine.apiserver.operations.patching import BUILTIN_MEDIA, MEDIA

_COMPONENTS = "#/components/schemas/"
_KIND = "x-kubernetes-group-version-kind"
# What is asked for, and what the answer says, where Go's media types allow no `@`.
_V2_ASKED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
_V2_GIVEN = _V2_ASKED.replace("@", ".")
_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")


class OpenAPI:
    """Documents of one server; made when first asked for, again when its resources change."""

    def __init__(self, resources: Resources) -> None:
        """resources: the table, whose generation is watched."""
        self._resources = resources
        self._generation = -1
        self._documents: dict[str, bytes] = {}

    def index(self) -> bytes:
        """`/openapi/v3`."""
        paths = {}
        for group, version, _ in self._resources.group_versions():
            name = f"apis/{group}/{version}" if group else f"api/{version}"
            data = self.document(name) or b""
            digest = hashlib.sha256(data).hexdigest().upper()
            paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"}
        return orjson.dumps({"paths": paths})

    def document(self, name: str) -> bytes | None:
        """`/openapi/v3/NAME`, for example `apis/apps/v1`; None if nothing is served there."""
        if self._generation != self._resources.generation:
            self._documents, self._generation = {}, self._resources.generation
        data = self._documents.get(name)
        if data is None:
            parts = name.split("/")
            group, version = (parts[1], parts[2]) if len(parts) == 3 else ("", parts[-1])
            rows = [
                row
                for g, v, found in self._resources.group_versions()
                if (g, v) == (group, version)
                for row in found
            ]
            if not rows:
                return None
            data = self._documents[name] = orjson.dumps(_document(rows))
        return data


def version_2(accept: str) -> tuple[bytes, str]:
    """`/openapi/v2`, in JSON or in the protobuf form of gnostic's OpenAPIv2; its media type."""
    title, version = "Kubernetes", builtin.load().version
    if _V2_ASKED in accept or _V2_GIVEN in accept:
        info = _text_field(1, title) + _text_field(2, version)
        return _text_field(1, "2.0") + _field(2, info) + _field(8, b""), _V2_GIVEN
    document = {"swagger": "2.0", "info": {"title": title, "version": version}, "paths": {}}
    return orjson.dumps(document), "application/json"


def _text_field(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _field(number: int, data: bytes) -> bytes:
    """A field of bytes, fewer than 128 of them."""
    return bytes((number << 3 | 2, len(data))) + data


def _document(rows: Iterable[Resource]) -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for resource in rows:
        name = schema_name(resource)
        schemas[name] = _published(resource)
        _add_references(schemas[name], schemas)
        paths.update(_paths(resource, name))
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": builtin.load().version},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def schema_name(resource: Resource) -> str:
    """`io.k8s.api.apps.v1.Deployment`; of a CRD the group backwards, version and kind."""
    if not resource.custom and resource.definition:
        return resource.definition
    reverse = ".".join(reversed(resource.group.split(".")))
    return f"{reverse}.{resource.version}.{resource.kind}"


def _published(resource: Resource) -> dict[str, Any]:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    if not resource.custom:
        node = builtin.load().definitions.get(resource.definition, {"type": "object"})
        return {**_linked(node), _KIND: [kind]}
    schema = dict(resource.schema or {})
    properties = dict(schema.get("properties") or {})
    properties["apiVersion"] = {"type": "string"}
    properties["kind"] = {"type": "string"}
    properties["metadata"] = {"$ref": OBJECT_META}
    return {**_linked({**schema, "properties": properties}), _KIND: [kind]}


def _linked(node: Any) -> Any:
    """The node with references as OpenAPI writes them."""
    if isinstance(node, list):
        return [_linked(each) for each in node]
    if not isinstance(node, Mapping):
        return node
    out = {name: _linked(value) for name, value in node.items() if name != "$ref"}
    name = node.get("$ref")
    if isinstance(name, str):
        link = {"$ref": f"{_COMPONENTS}{name}"}
        return {**out, "allOf": [link]} if out else link
    return out


def _add_references(node: Any, schemas: dict[str, Any]) -> None:
    for name in set(_references(node)):
        if name not in schemas:
            schemas[name] = _linked(builtin.load().definitions[name])
            _add_references(schemas[name], schemas)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for each in node:
            yield from _references(each)
    elif isinstance(node, Mapping):
        link = node.get("$ref")
        if isinstance(link, str):
            yield link.removeprefix(_COMPONENTS)
        for value in node.values():
            yield from _references(value)


def _paths(resource: Resource, name: str) -> dict[str, Any]:
    base = f"/apis/{resource.group}/{resource.version}" if resource.group else "/api/v1"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    schema: Node = {"schema": {"$ref": f"{_COMPONENTS}{name}"}}
    answer = {"200": {"description": "OK", "content": {"application/json": schema}}}
    operations: dict[str, dict[str, Any]] = {}
    for verb, method, action in (
        ("get", "get", "get"),
        ("update", "put", "put"),
        ("patch", "patch", "patch"),
        ("delete", "delete", "delete"),
    ):
        if verb in resource.verbs:
            operations[method] = _operation(action, kind, answer)
    if "patch" in operations:
        media = MEDIA if resource.custom else BUILTIN_MEDIA
        content = {each: {"schema": {"type": "object"}} for each in media}
        operations["patch"]["requestBody"] = {"content": content, "required": True}
    found: dict[str, Any] = {}
    plural = f"{base}{scope}/{resource.plural}"
    collection = {
        method: _operation(action, kind, answer)
        for verb, method, action in (("list", "get", "list"), ("create", "post", "post"))
        if verb in resource.verbs
    }
    if collection:
        found[plural] = collection
    if operations:
        found[f"{plural}/{{name}}"] = operations
    return found


def _operation(action: str, kind: Mapping[str, str], answer: Mapping[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {"x-kubernetes-action": action, _KIND: kind, "responses": answer}
    if action in ("post", "put", "patch"):
        operation["parameters"] = [
            {"in": "query", "name": name, "schema": {"type": "string", "uniqueItems": True}}
            for name in _PARAMETERS
        ]
    return operation
