"""The built-in resources and their schemas, as a default API server has them from the start.

Source: the table of `engine.objects.schema`, derived from a real API server.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from engine.apiserver.kinds.resources import Resource, Subresource
from engine.objects.schema import KUBERNETES, BuiltIn, built_in_groups, kubernetes_version

# Kinds that are kept in another version than the one that is served first.
_STORAGE = {"autoscaling": "v2"}

# Resources that answer with what they were given and keep nothing.
REVIEWS = frozenset(
    {
        "localsubjectaccessreviews",
        "selfsubjectaccessreviews",
        "selfsubjectreviews",
        "selfsubjectrulesreviews",
        "subjectaccessreviews",
        "tokenreviews",
    }
)

_ENDPOINTS = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"


@dataclass(frozen=True, slots=True)
class Builtin:
    """The built-in part of the API."""

    version: str
    resources: tuple[Resource, ...]
    definitions: Mapping[str, Mapping[str, Any]]


@cache
def load() -> Builtin:
    """The table, read once."""
    file = files("engine.objects") / "tables" / f"kubernetes-{KUBERNETES}.json"
    table = orjson.loads(file.read_bytes())
    found = [_resource(each, table["kinds"]) for g in built_in_groups() for each in g.resources]
    return Builtin(kubernetes_version(), tuple(found), table["definitions"])


def _resource(row: BuiltIn, kinds: Mapping[str, str]) -> Resource:
    return Resource(
        group=row.group,
        version=row.version,
        kind=row.kind,
        plural=row.plural,
        singular=row.singular,
        namespaced=row.namespaced,
        storage=_STORAGE.get(row.group, row.version),
        list_kind=f"{row.kind}List",
        short_names=row.short_names,
        categories=row.categories,
        verbs=row.verbs,
        subresources={
            each.name: Subresource(each.name, each.group, each.version, each.kind, each.verbs)
            for each in row.subresources
        },
        definition=kinds.get(f"{row.group}/{row.version}/{row.kind}", ""),
        kept_as="events" if row.plural == "events" else "",
        deprecation=_ENDPOINTS if row.plural == "endpoints" else "",
    )
