"""The books that kustomize keeps on a resource while it builds, where a file brings some along.

Kustomize keeps them in annotations and so believes those that it reads: what was put out by one of
its own plugins, or saved in the middle of a build, is still known by its earlier names.
Source: kustomize api/internal/utils/annotations.go, api/resource/resource.go.
"""

from typing import Any

from engine.render.kustomize.errors import KustomizeError
from engine.render.kustomize.model.resource import Resource

_DOMAIN = "internal.config.kubernetes.io/"
_HISTORY = ("previousKinds", "previousNames", "previousNamespaces")
FROM_HELM = f"{_DOMAIN}helm-generated"
"""Marks, by "true", what has its namespace from a chart."""


def read_books(resource: Resource) -> None:
    """Take over what the resource's annotations say.  Raises KustomizeError if that is no book."""
    if not _has_books(resource.metadata.get("annotations")):
        return
    said = {
        key.removeprefix(_DOMAIN): text
        for key, text in resource.annotations.items()
        if key.startswith(_DOMAIN)
    }
    if "previousNames" in said:
        resource.history = _history(said, resource)
    resource.prefixes = _listed(said, "prefixes")
    resource.suffixes = _listed(said, "suffixes")
    resource.behavior = said.get("generatorBehavior", "")
    resource.wants_hash = said.get("needsHashSuffix") == "enabled"
    resource.allow_name_change = said.get("allowNameChange") == "enabled"
    resource.allow_kind_change = said.get("allowKindChange") == "enabled"


def _has_books(annotations: Any) -> bool:
    return isinstance(annotations, dict) and any(key.startswith(_DOMAIN) for key in annotations)


def _history(said: dict[str, str], resource: Resource) -> list[tuple[str, str, str]]:
    kinds, names, namespaces = (said.get(name, "").split(",") for name in _HISTORY)
    if not len(kinds) == len(names) == len(namespaces):
        wanted = ", ".join(f"{_DOMAIN}{name}" for name in _HISTORY)
        raise KustomizeError(f"{resource.position}: {wanted} must have one entry for each other")
    return list(zip(kinds, names, namespaces, strict=True))


def _listed(said: dict[str, str], name: str) -> list[str]:
    return said[name].split(",") if name in said else []
