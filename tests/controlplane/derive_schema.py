"""Write engine/objects/tables/ from what a real API server says about itself.

`python -m tests.controlplane.derive_schema` starts one, reads its discovery and its OpenAPI v3
documents, and keeps what engine/objects/schema.py offers: which resources there are, and how the
fields of their kinds merge.  Prose, validation and definitions that no kind reaches are dropped.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import anyio

from tests.support.controlplane import start

TABLES = Path(__file__).resolve().parents[2] / "engine/objects/tables"
KEPT = (
    "type",
    "format",
    "default",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy",
    "x-kubernetes-preserve-unknown-fields",
)
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


async def derived(session: aiohttp.ClientSession) -> tuple[Path, str]:
    """The file that belongs to the API server behind `session`, and the text it should have."""
    version = (await fetched(session, "/version"))["gitVersion"]
    groups = [
        *(await fetched(session, "/api", DISCOVERY))["items"],
        *(await fetched(session, "/apis", DISCOVERY))["items"],
    ]
    paths = (await fetched(session, "/openapi/v3"))["paths"]
    schemas: dict[str, Any] = {}
    for path in sorted(paths):
        document = await fetched(session, paths[path]["serverRelativeURL"])
        schemas |= document.get("components", {}).get("schemas", {})
    minor = ".".join(version.lstrip("v").split(".")[:2])
    return TABLES / f"kubernetes-{minor}.json", written(table(version, groups, schemas))


async def fetched(session: aiohttp.ClientSession, path: str, accept: str = "*/*") -> Any:
    async with session.get(path, headers={"Accept": accept}) as response:
        response.raise_for_status()
        return await response.json(content_type=None)


def table(version: str, groups: Iterable[Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """The content of the file; schemas: {definition name: OpenAPI node}, as published."""
    served = [group_version(group, item) for group in groups for item in group["versions"]]
    names = {
        f"{gvk['group']}/{gvk['version']}/{gvk['kind']}": name
        for name, node in schemas.items()
        for gvk in node.get("x-kubernetes-group-version-kind", ())
    }
    wanted = {
        f"{item['group']}/{item['version']}/{item['kind']}"
        for group in served
        for resource in group["resources"]
        for item in (resource, *resource["subresources"])
    }
    kinds = {kind: names[kind] for kind in sorted(wanted & names.keys())}
    nodes = {name: kept(node) for name, node in schemas.items()}
    definitions = {name: nodes[name] for name in sorted(reached(kinds.values(), nodes))}
    return {"kubernetes": version, "groups": served, "kinds": kinds, "definitions": definitions}


def group_version(group: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    """One version of a group with its resources; item: an APIVersionDiscovery."""
    name, version = group["metadata"].get("name", ""), item["version"]
    resources = [resource(name, version, found) for found in item["resources"]]
    return {"group": name, "version": version, "resources": resources}


def resource(group: str, version: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """One resource; found: an APIResourceDiscovery."""
    return {
        "group": group,
        "version": version,
        "kind": found["responseKind"]["kind"],
        "plural": found["resource"],
        "singular": found.get("singularResource", ""),
        "namespaced": found["scope"] == "Namespaced",
        "verbs": found["verbs"],
        "short_names": found.get("shortNames", []),
        "categories": found.get("categories", []),
        "subresources": [
            {
                "name": sub["subresource"],
                # An empty group is that of the resource, unless the version is written out.
                "group": sub["responseKind"].get("group") or ("" if version_of(sub) else group),
                "version": version_of(sub) or version,
                "kind": sub["responseKind"]["kind"],
                "verbs": sub["verbs"],
            }
            for sub in found.get("subresources", ())
        ],
    }


def version_of(sub: Mapping[str, Any]) -> str:
    return str(sub["responseKind"].get("version", ""))


def kept(node: Mapping[str, Any]) -> dict[str, Any]:
    """A node without prose; a reference is its definition's bare name."""
    result = {key: node[key] for key in KEPT if key in node}
    if result.get("default") == {}:  # Go's zero struct: says nothing that merging needs
        del result["default"]
    references = [part["$ref"] for part in (node, *node.get("allOf", ())) if "$ref" in part]
    if references:
        result["$ref"] = references[0].rpartition("/")[2]
    if "properties" in node:
        result["properties"] = {name: kept(child) for name, child in node["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in node:
            result[key] = kept(node[key]) if isinstance(node[key], Mapping) else node[key]
    return result


def reached(roots: Iterable[str], nodes: Mapping[str, Any]) -> set[str]:
    """The names of the definitions that `roots` lead to, with themselves."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(references_of(nodes[name]))
    return found


def references_of(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references_of(child)


def written(content: Mapping[str, Any]) -> str:
    """JSON with one resource, kind or definition a line, so that a new release shows as a diff."""
    lines = [f'"kubernetes":{compact(content["kubernetes"])}', '"groups":[' + groups_text(content)]
    for key in ("kinds", "definitions"):
        entries = [f"{compact(name)}:{compact(item)}" for name, item in content[key].items()]
        lines.append(f'"{key}":{{\n' + ",\n".join(entries) + "}")
    return "{" + ",\n".join(lines) + "}\n"


def groups_text(content: Mapping[str, Any]) -> str:
    texts = []
    for group in content["groups"]:
        head = f'{{"group":{compact(group["group"])},"version":{compact(group["version"])},'
        texts.append(head + '"resources":[\n' + ",\n".join(map(compact, group["resources"])) + "]}")
    return ",\n".join(texts) + "]"


def compact(value: Any) -> str:
    """Sorted, and without what a reader takes for granted: empty lists of a resource."""
    if isinstance(value, Mapping):
        value = {key: item for key, item in value.items() if item != []}
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


async def main() -> None:
    async with start() as plane, plane.session() as session:
        path, text = await derived(session)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    sys.stdout.write(f"{path}: {len(text)} bytes\n")


if __name__ == "__main__":
    anyio.run(main)
