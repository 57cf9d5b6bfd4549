"""Kinds that the API server serves, by the words that kubectl takes: `deploy`, `pods`, `ks`.

Source: Kubernetes' aggregated discovery: plural, singular and short names; `<plural>.<group>`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from engine.cli.problems import Problem
from engine.cluster import Client, Resource
from engine.cluster.discovery import AGGREGATED


@dataclass(frozen=True, slots=True)
class Spoken:
    """A served kind, and what it may be called."""

    resource: Resource
    names: frozenset[str]


class Resources:
    """What is served; made by `served`."""

    def __init__(self, spoken: list[Spoken]) -> None:
        """spoken: in order of preference."""
        self._spoken = spoken

    def called(self, word: str) -> Resource:
        """The kind that is meant.  Raises Problem if there is none."""
        wanted = word.lower()
        for each in self._spoken:
            if wanted in each.names:
                return each.resource
        known = sorted({name for each in self._spoken for name in each.names})
        near = get_close_matches(wanted, known, n=1, cutoff=0.7)
        hint = f"there is '{near[0]}'" if near else "`kubectl api-resources` lists all"
        raise Problem(f'the server doesn\'t have a resource type "{word}"; {hint}')

    def of(self, api_version: str, kind: str) -> Resource:
        """The kind of an object.  Raises Problem if it is not served."""
        for each in self._spoken:
            served = each.resource
            if served.api_version == api_version and served.kind.lower() == kind.lower():
                return served
        raise Problem(f"no kind {kind!r} is served in {api_version}; `kubectl api-resources` lists")


async def served(client: Client) -> Resources:
    """Everything that the API server serves.  Raises ApiError."""
    found: list[Spoken] = []
    for root in ("/api", "/apis"):
        answer = await client.document(root, f"{AGGREGATED},application/json")
        if answer.get("kind") == "APIGroupDiscoveryList":
            found += _aggregated(answer)
        else:  # a server older than Kubernetes 1.27, or the embedded one
            found += await _walked(client, root, answer)
    return Resources(found)


def _aggregated(answer: Mapping[str, Any]) -> Iterator[Spoken]:
    for entry in answer.get("items") or ():
        group = (entry.get("metadata") or {}).get("name", "")
        for version in entry.get("versions") or ():
            for each in version.get("resources") or ():
                if kind := (each.get("responseKind") or {}).get("kind"):
                    namespaced = each.get("scope") == "Namespaced"
                    where = (group, version["version"], kind, each["resource"])
                    resource = Resource(*where, namespaced=namespaced)
                    yield _spoken(resource, each.get("singularResource"), each.get("shortNames"))


async def _walked(client: Client, root: str, answer: Mapping[str, Any]) -> list[Spoken]:
    """The same by a question for each preferred version."""
    preferred = [each["preferredVersion"]["groupVersion"] for each in answer.get("groups") or ()]
    found = []
    for place in preferred or answer.get("versions") or ():
        group, _, version = place.rpartition("/")
        for each in (await client.document(f"{root}/{place}")).get("resources") or ():
            if "/" not in each["name"]:
                where = (group, version, each["kind"], each["name"])
                resource = Resource(*where, namespaced=bool(each.get("namespaced")))
                found.append(_spoken(resource, each.get("singularName"), each.get("shortNames")))
    return found


def _spoken(resource: Resource, singular: str | None, short: Sequence[str] | None) -> Spoken:
    names = {resource.plural, resource.kind.lower(), resource.title, singular or "", *(short or ())}
    return Spoken(resource, frozenset(names - {""}))
