"""Objects as a client asks for them: one, or a selected and paged list.

Source: apiserver registry/generic (List, Get), storage continue tokens.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from engine.apiserver.errors import Refused, bad_request, expired, not_found
from engine.apiserver.kinds.resources import Resource
from engine.apiserver.operations.options import ListOptions
from engine.apiserver.operations.selectors import (
    FieldSelector,
    LabelSelector,
    parse_fields,
    parse_labels,
)
from engine.apiserver.state import State
from engine.apiserver.storage.store import Key, Record
from engine.objects.ref import Object


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a resource somebody wants; namespace None: all namespaces."""

    resource: Resource
    namespace: str | None
    labels: LabelSelector = field(default_factory=LabelSelector)
    fields: FieldSelector = field(default_factory=FieldSelector)

    def has(self, obj: Object) -> bool:
        """Whether a stored object is selected by labels and fields."""
        return self.labels.matches(obj) and self.fields.matches(obj)


def selection(resource: Resource, namespace: str | None, options: ListOptions) -> Selection:
    """What the options select.  Raises Refused (400)."""
    fields = parse_fields(options.field_selector, resource.key, resource.selectable)
    return Selection(resource, namespace, parse_labels(options.label_selector), fields)


@dataclass(frozen=True, slots=True)
class Listed:
    """One page: stored records, the revision of the whole list, and how it goes on."""

    records: Sequence[Record]
    revision: int
    token: str = ""
    remaining: int | None = None

    def metadata(self) -> dict[str, Any]:
        """The list's metadata."""
        out: dict[str, Any] = {"resourceVersion": str(self.revision)}
        if self.token:
            out["continue"] = self.token
        if self.remaining is not None:
            out["remainingItemCount"] = self.remaining
        return out


def read(state: State, resource: Resource, namespace: str, name: str) -> Record:
    """The object of a name.  Raises Refused (404)."""
    record = state.store.get(Key(resource.key, namespace, name))
    if record is None:
        raise not_found(resource.plural, resource.group, name)
    return record


def read_list(state: State, wanted: Selection, options: ListOptions) -> Listed:
    """One page of the selected objects, sorted by namespace and name.

    Raises Refused: 400 for a bad token, 410 if the revision is no longer known, 504 if it is not
    known yet.
    """
    revision, after = _position(state, options)
    store = state.store
    if revision == store.revision:
        found = store.records(wanted.resource.key, wanted.namespace)
    else:
        found = _as_of(state, wanted, revision, paging=bool(options.token))
    if after is not None:
        found = [record for record in found if (record.key.namespace, record.key.name) > after]
    selected = [record for record in found if wanted.has(record.obj)]
    if not options.limit or len(selected) <= options.limit:
        return Listed(selected, revision)
    page = selected[: options.limit]
    # With a selector the real server does not know how many are left either.
    selects = bool(options.label_selector or options.field_selector)
    remaining = None if selects else len(selected) - len(page)
    return Listed(page, revision, _token(revision, page[-1].key), remaining)


def _position(state: State, options: ListOptions) -> tuple[int, tuple[str, str] | None]:
    """The revision to read at, and the namespace and name to go on after."""
    newest = state.store.revision
    if options.token:
        if options.revision not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        revision, namespace, name = _parse_token(options.token)
        return revision, (namespace, name)
    asked = int(options.revision or 0)
    if asked > newest:
        raise too_new(asked, newest)
    exact = options.match == "Exact" or (asked and options.limit and not options.match)
    return (asked if exact and asked else newest), None


def too_new(asked: int, newest: int) -> Refused:
    """504: the revision lies in the future."""
    details = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    message = f"Timeout: Too large resource version: {asked}, current: {newest}"
    return Refused(504, "Timeout", message, details)


def _as_of(state: State, wanted: Selection, revision: int, *, paging: bool) -> list[Record]:
    try:
        return state.store.records_at(wanted.resource.key, wanted.namespace, revision)
    except Refused as error:
        if not paging:
            raise
        raise expired(
            "The provided continue parameter is too old to display a consistent list result. You"
            " can start a new list without the continue parameter."
        ) from error


def _token(revision: int, key: Key) -> str:
    data = orjson.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": [*key[1:]]})
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _parse_token(token: str) -> tuple[int, str, str]:
    try:
        data = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, name = data["start"]
        return int(data["rv"]), str(namespace), str(name)
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise bad_request(
            f"invalid continue token: continue key is not valid: {token!r}"
        ) from error
