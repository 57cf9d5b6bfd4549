"""Lists of a kind, a page at a time: no page, and not all of them, without end."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

from engine.cluster.allowance import Allowance
from engine.cluster.errors import ApiError, Excessive
from engine.cluster.resource import Resource
from engine.cluster.transport import Request
from engine.runtime.clock import Clock

PAGE = 500  # client-go's page size
SMALL_PAGE = 25  # where one of those is longer than an answer may be
METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1,application/json"


class Query(TypedDict, total=False):
    """What narrows a list or a watch."""

    label_selector: str
    field_selector: str
    resource_version: str  #: "0": as old as the server's cache may be
    limit: int  #: objects a page, 0 = all in one
    metadata_only: bool  #: leave everything but apiVersion, kind and metadata out


@dataclass(frozen=True, slots=True)
class Listing:
    """Objects of one kind, and the resource version at which they were so.

    size: bytes that they came in.
    """

    items: tuple[dict[str, Any], ...]
    resource_version: str
    size: int = 0


Ask = Callable[[Request], Awaitable[tuple[dict[str, Any], int]]]
"""The decoded answer, and how many bytes it had."""


@dataclass(slots=True)
class _Reading:
    """A list that is being read: what is asked next, and what has come."""

    request: Request
    resource: Resource
    allowance: Allowance
    clock: Clock
    is_partial: bool
    parameters: dict[str, str]
    objects: int = 0
    is_over: bool = False
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock.monotonic()

    def next(self) -> Request:
        """The request for the next page."""
        return replace(self.request, query=dict(self.parameters))

    def shorten(self) -> bool:
        """Ask for fewer objects at once from here on; False if there is no less."""
        limit = int(self.parameters.get("limit") or 0)
        smaller = next((each for each in (PAGE, SMALL_PAGE) if not limit or each < limit), None)
        if smaller is not None:
            self.parameters["limit"] = str(smaller)
            # The server's cache may give all of it, whatever is asked for.
            self.parameters.pop("resourceVersion", None)
        return smaller is not None

    def took(self, page: Mapping[str, Any], size: int) -> Listing:
        """One page.  Raises ApiError if it is none, Excessive if this has no end."""
        found, metadata = page.get("items") or (), page.get("metadata") or {}
        if not isinstance(found, list | tuple) or not isinstance(metadata, Mapping):
            raise self._no_list()
        if not all(map(is_object, found)):
            raise self._no_list()
        self.objects += len(found)
        token = metadata.get("continue")
        self._check(token)
        self.is_over = not token
        if token:
            self.parameters["continue"] = str(token)
            self.parameters.pop("resourceVersion", None)  # the token holds it
        items = tuple(typed(item, self.resource, is_partial=self.is_partial) for item in found)
        return Listing(items, str(metadata.get("resourceVersion", "")), size)

    def _check(self, token: object) -> None:
        most, lasted = self.allowance.list_objects, self.clock.monotonic() - self.began
        if self.objects > most:
            text = f"has more than {most} objects: if it is to, raise"
            raise self._excessive(f"{text} {self.allowance.flags}-list-objects")
        if token and (
            lasted > self.allowance.list_time or token == self.parameters.get("continue")
        ):
            text = f"has no end after {self.objects} objects and {lasted:.0f} s"
            raise self._excessive(f"{text}: no API server answers so")

    def _excessive(self, text: str) -> Excessive:
        return Excessive(0, "", f"list of {self.resource.title} {text}")

    def _no_list(self) -> ApiError:
        return ApiError(200, "", f"list of {self.resource.title}: the answer is no list of objects")


async def pages(
    ask: Ask,
    request: Request,
    resource: Resource,
    query: Query,
    allowance: Allowance,
    clock: Clock,
) -> AsyncGenerator[Listing, None]:
    """One page after the other; fewer objects at once where they are longer than may be.

    request: for the list, without its query.   Raises Gone if a page came too late, Excessive for
    what has no end.
    """
    parameters = parameters_of(query)
    if limit := query.get("limit", PAGE):
        parameters["limit"] = str(limit)
    is_partial = query.get("metadata_only", False)
    reading = _Reading(request, resource, allowance, clock, is_partial, parameters)
    while not reading.is_over:
        try:
            page, size = await ask(reading.next())
        except Excessive:
            if not reading.shorten():
                raise
            continue
        yield reading.took(page, size)


def parameters_of(query: Query) -> dict[str, str]:
    """The URL's part of a query that lists and watches share."""
    parameters = {
        "labelSelector": query.get("label_selector", ""),
        "fieldSelector": query.get("field_selector", ""),
        "resourceVersion": query.get("resource_version", ""),
    }
    return {key: value for key, value in parameters.items() if value}


def typed(obj: dict[str, Any], resource: Resource, *, is_partial: bool) -> dict[str, Any]:
    """The object with its own apiVersion and kind, which list items and metadata lack."""
    if is_partial or "kind" not in obj:
        return {**obj, "apiVersion": resource.api_version, "kind": resource.kind}
    return obj


def is_object(value: Any) -> bool:
    """Whether it has what every object has: metadata with a name, and texts where texts belong."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    return (
        isinstance(metadata, dict)
        and isinstance(metadata.get("name"), str)
        and isinstance(metadata.get("namespace") or "", str)
        and isinstance(metadata.get("uid") or "", str)
        and isinstance(metadata.get("resourceVersion") or "", str)
    )
