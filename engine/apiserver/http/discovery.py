"""What the server serves: groups, versions and resources, in the old and the aggregated form.

Source: apiserver endpoints/discovery and discovery/aggregated.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from engine.apiserver.kinds import builtin
from engine.apiserver.kinds.resources import Resource, Resources

AGGREGATED_MEDIA = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def version_document() -> dict[str, str]:
    """`/version`."""
    text = builtin.load().version
    major, minor = text.removeprefix("v").split(".")[:2]
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": text,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }


def core_versions(address: str) -> dict[str, Any]:
    """`/api`; address: host and port."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(resources: Resources) -> dict[str, Any]:
    """`/apis`."""
    groups = [group for group in _groups(resources) if group["name"]]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group_document(resources: Resources, name: str) -> dict[str, Any] | None:
    """`/apis/GROUP`, or None."""
    found = next((group for group in _groups(resources) if group["name"] == name), None)
    return {"kind": "APIGroup", "apiVersion": "v1", **found} if found and name else None


def _groups(resources: Resources) -> Iterator[dict[str, Any]]:
    for name, versions in _by_group(resources).items():
        entries = [
            {"groupVersion": f"{name}/{version}" if name else version, "version": version}
            for version in versions
        ]
        yield {"name": name, "versions": entries, "preferredVersion": entries[0]}


def _by_group(resources: Resources) -> dict[str, dict[str, list[Resource]]]:
    found: dict[str, dict[str, list[Resource]]] = {}
    for group, version, rows in resources.group_versions():
        found.setdefault(group, {})[version] = rows
    return {
        group: dict(sorted(versions.items(), key=lambda each: version_order(each[0])))
        for group, versions in found.items()
    }


def version_order(name: str) -> tuple[Any, ...]:
    """Sorts versions: v2, v1, v1beta2, v1beta1, v1alpha1, then others by name.

    Source: apimachinery version.CompareKubeAwareVersionStrings.
    """
    head, level, tail = name, 0, ""
    for number, word in enumerate(("beta", "alpha"), 1):
        if word in name:
            head, _, tail = name.partition(word)
            level = number
    if not head[1:].isdigit() or (tail and not tail.isdigit()):
        return (1, 0, 0, 0, name)
    return (0, level, -int(head[1:]), -int(tail or 0), name)


def resource_list(resources: Resources, group: str, version: str) -> dict[str, Any] | None:
    """`/api/v1` and `/apis/GROUP/VERSION`, or None if nothing is served there."""
    rows = _by_group(resources).get(group, {}).get(version)
    if rows is None:
        return None
    typed = {"kind": "APIResourceList", "apiVersion": "v1"}
    if not group:
        del typed["apiVersion"]  # the core group's list has never said it
    return {
        **typed,
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": [entry for resource in rows for entry in _entries(resource)],
    }


def _entries(resource: Resource) -> Iterator[dict[str, Any]]:
    yield {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
        **_names(resource),
    }
    for each in resource.subresources.values():
        foreign: Mapping[str, str] = {}
        if (each.group, each.version) != (resource.group, resource.version):
            foreign = {"group": each.group, "version": each.version}
        yield {
            "name": f"{resource.plural}/{each.name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            **foreign,
            "kind": each.kind,
            "verbs": list(each.verbs),
        }


def _names(resource: Resource) -> dict[str, Any]:
    names = {
        "shortNames": list(resource.short_names),
        "categories": list(resource.categories),
    }
    return {key: value for key, value in names.items() if value}


def aggregated(resources: Resources, *, core: bool) -> dict[str, Any]:
    """`/api` (core) or `/apis` in the aggregated form."""
    items = [
        {
            "metadata": {"name": group},
            "versions": [
                {
                    "version": version,
                    "freshness": "Current",
                    "resources": [_aggregated_resource(each) for each in rows],
                }
                for version, rows in versions.items()
            ],
        }
        for group, versions in _by_group(resources).items()
        if (group == "") is core
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _aggregated_resource(resource: Resource) -> dict[str, Any]:
    subresources = [
        {
            "subresource": each.name,
            "responseKind": _response_kind(resource, each.group, each.version, each.kind),
            "verbs": list(each.verbs),
        }
        for each in resource.subresources.values()
    ]
    entry = {
        "resource": resource.plural,
        "responseKind": _response_kind(resource, resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
        **_names(resource),
    }
    return {**entry, "subresources": subresources} if subresources else entry


def _response_kind(resource: Resource, group: str, version: str, kind: str) -> dict[str, str]:
    """A kind; built-in resources leave out a group and version that are their own."""
    own = (group, version) == (resource.group, resource.version)
    if own and not resource.custom:
        group = version = ""
    return {"group": group, "version": version, "kind": kind}
