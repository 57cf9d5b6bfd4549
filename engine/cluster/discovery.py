"""Which kinds the API server serves, and where.

Source: Kubernetes' aggregated discovery (apidiscovery.k8s.io/v2), and the older walk from group to
version to resources where it is not served.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Any, TypeAlias

import anyio

from engine.cluster.errors import ApiError, Excessive, NotFound, Unavailable
from engine.cluster.resource import Resource
from engine.runtime.clock import Clock

AGGREGATED = ",".join(
    f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    for version in ("v2", "v2beta1")
)
REFRESH_PERIOD = 5.0  # seconds; both answers together are some 100 KiB
KINDS = 20_000  # times the versions; clusters with every provider of Crossplane have 5,000
VERSIONS = 2_000  # asked for one by one where need be
PATIENCE = 300.0  # seconds for all of these

Fetch: TypeAlias = Callable[[str, str], Awaitable[Any]]
"""The decoded JSON at a path, asked for with an Accept header."""


Version: TypeAlias = tuple[str, str]
"""A group and a version of it."""


class UnknownKind(LookupError):  # noqa: N818 - it is the kind that is unknown
    """A kind that is not served; the text names what comes near it."""


class Discovery:
    """The served kinds, asked for at the first question and when an answer is missing."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._resources: tuple[Resource, ...] = ()
        self._by_kind: dict[tuple[str, str], list[Resource]] = {}  # in order of preference
        self._unknown: frozenset[Version] = frozenset()
        self._refreshed_at = float("-inf")
        self._stale = True
        self._lock = anyio.Lock()

    async def resource(self, group: str, version: str | None, kind: str) -> Resource:
        """The kind in that version; None: in the one that the server prefers.

        Raises UnknownKind; ApiError if the server cannot be asked, or does not know itself: a kind
        whose own API server is away has objects all the same.
        """
        found = self._find(group, version, kind)
        settled = self._clock.monotonic() - self._refreshed_at < REFRESH_PERIOD
        if found is None or (self._stale and not settled):  # CRDs often change in bursts
            await self._refresh()
            found = self._find(group, version, kind)
        if found is None:
            self._check_known(group, version)
            raise UnknownKind(self._explain(group, version, kind))
        return found

    async def existing(self, group: str, version: str, kind: str) -> Resource:
        """The kind of objects that may exist: as they do in every version, any that is served does.

        Raises as `resource`.
        """
        try:
            return await self.resource(group, version, kind)
        except UnknownKind:
            return await self.resource(group, None, kind)

    async def all(self) -> tuple[Resource, ...]:
        """Every served kind in every version, preferred versions first within a group."""
        if self._stale:
            await self._refresh()
        return self._resources

    def invalidate(self) -> None:
        """A CustomResourceDefinition or APIService changed: ask again before the next answer."""
        self._stale = True

    def _find(self, group: str, version: str | None, kind: str) -> Resource | None:
        for resource in self._by_kind.get((group, kind), ()):
            if version is None or resource.version == version:
                return resource
        return None

    def _check_known(self, group: str, version: str | None) -> None:
        """Raises Unavailable if what is served in that version is not known."""
        for away in sorted(self._unknown):
            if away[0] == group and version in (None, away[1]):
                text = f"what is served in {group}/{away[1]} is not known: its API server is away"
                raise Unavailable(503, "ServiceUnavailable", text)

    async def _refresh(self) -> None:
        """Ask the server, once for all who wait, and not again within the period."""
        async with self._lock:
            now = self._clock.monotonic()
            if not self._stale and now - self._refreshed_at < REFRESH_PERIOD:
                return
            self._stale = False  # before asking: a change meanwhile must not get lost
            try:
                resources, self._unknown = await discover(self._fetch, self._clock)
            except BaseException:
                self._stale = True
                raise
            self._refreshed_at = self._clock.monotonic()
            self._resources = tuple(resources)
            self._by_kind = {}
            for resource in self._resources:
                self._by_kind.setdefault((resource.group, resource.kind), []).append(resource)

    def _explain(self, group: str, version: str | None, kind: str) -> str:
        wanted = "/".join(part for part in (group, version) if part) or "the core group"
        others = [r for r in self._resources if r.kind == kind]
        if others:
            served = ", ".join(sorted({r.api_version for r in others}))
            return f"no kind {kind!r} in {wanted}; it is served in {served}"
        if not any(r.group == group for r in self._resources):
            return f"no kind {kind!r} in {wanted}; nothing is served in that group"
        here = {r.kind for r in self._resources if r.group == group}
        near = get_close_matches(kind, sorted(here), n=3, cutoff=0.7)
        if near:
            names = " and ".join(repr(name) for name in near)
            return f"no kind {kind!r} in {wanted}; there is {names}"
        return f"no kind {kind!r} in {wanted}"

    def __repr__(self) -> str:
        """How many kinds are known."""
        return f"<Discovery {len(self._resources)} resources>"


async def discover(fetch: Fetch, clock: Clock) -> tuple[list[Resource], frozenset[Version]]:
    """Every served kind: the core group first, then as the server orders them.

    And the versions of which the server does not know for sure what is served.
    Raises Excessive for more than may be, ApiError for what is no such document.
    """
    found: list[Resource] = []
    unknown: set[Version] = set()
    walk = _Walk(fetch, clock)
    try:
        for root in ("/api", "/apis"):
            answer = await fetch(root, f"{AGGREGATED},application/json")
            if answer.get("kind") == "APIGroupDiscoveryList":
                found += _bounded(_aggregated(answer))
                unknown |= _stale(answer)
            else:
                found += await walk.below(root, answer, unknown)
        return _bounded(found), frozenset(unknown)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ApiError(200, "", "what is served is not known: no discovery document") from error


def _bounded(resources: Iterable[Resource]) -> list[Resource]:
    """The same.  Raises Excessive if there are too many, TypeError if one is none."""
    found = list(islice(resources, KINDS + 1))
    if len(found) > KINDS:
        text = f"more than {KINDS} kinds are served: no API server serves so many"
        raise Excessive(0, "", text)
    for each in found:
        if not all(isinstance(part, str) for part in (each.group, each.kind, each.plural)):
            raise TypeError("names are texts")
    return found


def _stale(answer: Mapping[str, Any]) -> set[Version]:
    """The versions of which the document is an old one, or empty, as it could not be had."""
    return {
        ((entry.get("metadata") or {}).get("name", ""), version["version"])
        for entry in answer.get("items") or ()
        for version in entry.get("versions") or ()
        if version.get("freshness") == "Stale"
    }


def _aggregated(answer: Mapping[str, Any]) -> Iterable[Resource]:
    for entry in answer.get("items") or ():
        group = entry.get("metadata", {}).get("name", "")
        for version in entry.get("versions") or ():
            for resource in version.get("resources") or ():
                # A kind of which only subresources are served has no responseKind.
                kind = (resource.get("responseKind") or {}).get("kind")
                if not kind:
                    continue
                yield Resource(
                    group,
                    version["version"],
                    kind,
                    resource["resource"],
                    resource.get("scope") == "Namespaced",
                    frozenset(resource.get("verbs") or ()),
                    frozenset(s["subresource"] for s in resource.get("subresources") or ()),
                )


class _Walk:
    """The same by one question for each version of each group."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch, self._clock = fetch, clock
        self._began = clock.monotonic()
        self._asked = 0

    async def below(
        self, root: str, answer: Mapping[str, Any], unknown: set[Version]
    ) -> list[Resource]:
        """What is served below a root; adds to what is not known."""
        if root == "/api":
            versions = [("", str(version)) for version in answer.get("versions") or ()]
        else:
            versions = [pair for group in answer.get("groups") or () for pair in _versions(group)]
        found: list[Resource] = []
        for group, version in versions:
            self._check()
            path = f"{root}/{group}/{version}" if group else f"{root}/{version}"
            try:
                listed = await self._fetch(path, "application/json")
            except NotFound:
                continue
            except Unavailable:  # the group's own API server is away; the others are not
                unknown.add((group, version))
                continue
            found += _bounded(_classic(group, version, listed))
            if len(found) > KINDS:
                break
        return found

    def _check(self) -> None:
        self._asked += 1
        if self._asked > VERSIONS:
            text = f"more than {VERSIONS} versions of groups are served"
            raise Excessive(0, "", f"{text}: no API server serves so many")
        if self._clock.monotonic() - self._began > PATIENCE:
            text = f"what is served is not told within {PATIENCE:.0f} s"
            raise Excessive(0, "", f"{text}: the API server is too slow")


def _versions(group: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(group, version), the preferred one first."""
    preferred = (group.get("preferredVersion") or {}).get("version")
    versions = [entry["version"] for entry in group.get("versions") or ()]
    versions.sort(key=lambda version: version != preferred)
    return [(group["name"], version) for version in versions]


def _classic(group: str, version: str, listed: Mapping[str, Any]) -> list[Resource]:
    subresources: dict[str, set[str]] = {}  # {plural: names}
    for entry in listed.get("resources") or ():
        plural, _, subresource = entry["name"].partition("/")
        subresources.setdefault(plural, set()).update([subresource] if subresource else [])
    return [
        Resource(
            group,
            version,
            entry["kind"],
            entry["name"],
            bool(entry.get("namespaced")),
            frozenset(entry.get("verbs") or ()),
            frozenset(subresources[entry["name"]]),
        )
        for entry in listed.get("resources") or ()
        if "/" not in entry["name"]
    ]
