"""Requests on resources, answered: the whole server without HTTP.

In: method, path, query, headers and body.  Out: a code, a body and warnings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from engine.apiserver.decoding import protobuf
from engine.apiserver.errors import (
    Refused,
    bad_request,
    forbidden,
    invalid,
    required,
    unsupported_media,
)
from engine.apiserver.http.forms import Forms, untyped
from engine.apiserver.http.media import Form, form_of, parse
from engine.apiserver.http.requests import Path, Wanted, wanted
from engine.apiserver.kinds.builtin import REVIEWS
from engine.apiserver.kinds.resources import Resource
from engine.apiserver.kinds.versions import shown
from engine.apiserver.operations import patching, scaling
from engine.apiserver.operations.deleting import Deleting
from engine.apiserver.operations.options import DeleteOptions, ListOptions, WriteOptions
from engine.apiserver.operations.patching import apply_body, object_body, patch_function, yaml_body
from engine.apiserver.operations.preconditions import Target
from engine.apiserver.operations.reading import Selection, read, read_list, selection
from engine.apiserver.operations.reviews import acting_as, reviewed
from engine.apiserver.operations.tokens import Tokens
from engine.apiserver.operations.writing import Writing, Written
from engine.apiserver.state import State
from engine.apiserver.storage.store import Record
from engine.objects.ref import Object

_JSON_BODIES = ("application/json", "")


@dataclass(frozen=True, slots=True)
class Request:
    """What came over the wire.  headers: case-insensitive."""

    method: str
    path: Path
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def media(self) -> str:
        """The body's media type, without parameters."""
        entries = parse(self.headers.get("Content-Type", ""))
        return entries[0].name if entries else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back; body: JSON."""

    code: int
    body: bytes
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Observe:
    """A watch to be opened: which objects, in which form, from where."""

    wanted: Selection
    forms: Forms
    options: ListOptions


@dataclass(slots=True)
class Api:
    """Answers requests on one server's state."""

    state: State
    writing: Writing
    deleting: Deleting
    tokens: Tokens

    def respond(self, request: Request) -> Answer | Observe:
        """The answer, or the watch that the client asks for.  Raises Refused."""
        asked = wanted(request.method, request.path, request.query, self.state.resources)
        answer = self._respond(request, asked)
        if isinstance(answer, Answer) and asked.resource.deprecation:
            return Answer(answer.code, answer.body, [*answer.warnings, asked.resource.deprecation])
        return answer

    def _respond(self, request: Request, asked: Wanted) -> Answer | Observe:
        if asked.verb in ("list", "watch"):
            return self._list(request, asked)
        if asked.verb == "deletecollection":
            return self._delete_collection(request, asked)
        if asked.subresource not in ("", "status"):
            return self._subresource(request, asked)
        target = _target(asked)
        if asked.verb == "get":
            record = read(self.state, asked.resource, target.namespace, target.name)
            return Answer(200, self._forms(request, asked).one(record))
        if asked.verb == "delete":
            return self._delete(request, asked, target)
        return self._write(request, asked, target)

    def _delete(self, request: Request, asked: Wanted, target: Target) -> Answer:
        obj = self.deleting.delete(target, _delete_options(request))
        if obj.get("kind") == "Status":
            return Answer(200, orjson.dumps(obj))
        return Answer(200, self._forms(request, asked).answer(obj))

    def _list(self, request: Request, asked: Wanted) -> Answer | Observe:
        options = ListOptions.parse(request.query)
        chosen = selection(asked.resource, asked.namespace, options)
        forms = self._forms(request, asked)
        if asked.verb == "watch":
            return Observe(chosen, forms, options)
        return Answer(200, forms.page(read_list(self.state, chosen, options)))

    def _delete_collection(self, request: Request, asked: Wanted) -> Answer:
        options = ListOptions.parse(request.query)
        chosen = selection(asked.resource, asked.namespace, options)
        deletion = _delete_options(request).without_preconditions()
        items = self.deleting.delete_all(chosen, deletion)
        body = {
            "kind": asked.resource.list_kind,
            "apiVersion": asked.resource.api_version,
            "metadata": {"resourceVersion": str(self.state.store.revision)},
            "items": [self._item(obj, asked.resource) for obj in items],
        }
        return Answer(200, orjson.dumps(body))

    def _item(self, obj: Object, resource: Resource) -> Object:
        found = shown(obj, resource)
        return found if resource.custom else untyped(found)

    def _write(self, request: Request, asked: Wanted, target: Target) -> Answer:
        if asked.resource.plural in REVIEWS:
            return self._review(request, asked)
        options = _write_options(request)
        if asked.verb == "patch":
            written = self._patch(request, target, options)
        elif asked.verb == "create":
            written = self.writing.create(target, _body(request), options)
        else:
            written = self.writing.replace(target, _body(request), options)
        return self._written(request, asked, written)

    def _patch(self, request: Request, target: Target, options: WriteOptions) -> Written:
        media = request.media
        if media == patching.APPLY:
            patch = apply_body(request.body)
            _check_identity(patch, target)
            return self.writing.apply(target, patch, options)
        function = patch_function(media, request.body, target.resource)
        return self.writing.patched(target, function, options)

    def _written(self, request: Request, asked: Wanted, written: Written) -> Answer:
        forms = self._forms(request, asked)
        record = self._record(written.obj, asked)
        body = forms.one(record) if record else forms.answer(written.obj)
        return Answer(written.code, body, written.warnings)

    def _record(self, obj: Object, asked: Wanted) -> Record | None:
        """The stored record of an object, so that its encoding is shared with watches."""
        metadata = obj["metadata"]
        key = Target(asked.resource, metadata.get("namespace") or "", metadata["name"]).key
        record = self.state.store.get(key)
        return record if record is not None and record.obj is obj else None

    def _review(self, request: Request, asked: Wanted) -> Answer:
        given = _body(request)
        if not isinstance(given, dict):
            raise bad_request("the body is not an object")
        kind = {"kind": asked.resource.kind, "apiVersion": asked.resource.api_version}
        user = self.tokens.user_of(request.headers.get("Authorization", ""))
        user = acting_as(user, request.headers)
        review = reviewed(asked.resource.plural, {**given, **kind}, user, self.tokens)
        return Answer(201, orjson.dumps(review))

    def _subresource(self, request: Request, asked: Wanted) -> Answer:
        target = _target(asked)
        record = read(self.state, asked.resource, target.namespace, target.name)
        if asked.subresource == "scale":
            return self._scale(request, asked, record)
        if asked.subresource == "token":
            return Answer(201, orjson.dumps(self.tokens.issued(record.obj, _body(request))))
        if asked.subresource == "finalize":
            return self._finalize(request, asked)
        raise Refused(
            501,
            "NotImplemented",
            f"{asked.resource.plural}/{asked.subresource} needs a real cluster",
        )

    def _scale(self, request: Request, asked: Wanted, record: Record) -> Answer:
        resource = asked.resource
        if asked.verb == "get":
            return Answer(
                200, orjson.dumps(scaling.scale_of(shown(record.obj, resource), resource))
            )
        options = _write_options(request)
        target = Target(resource, record.key.namespace, record.key.name, "scale")

        def edit(live: Object) -> Any:
            scale: Any = scaling.scale_of(live, resource)
            if asked.verb == "patch":
                media = patching.MERGE if request.media == patching.STRATEGIC else request.media
                function = patch_function(media, request.body, resource)
                scale = function(scale)
            else:
                scale = _body(request)
            return scaling.scaled(live, scale, resource)

        written = self.writing.patched(target, edit, options)
        obj = shown(written.obj, resource)
        return Answer(200, orjson.dumps(scaling.scale_of(obj, resource)), written.warnings)

    def _finalize(self, request: Request, asked: Wanted) -> Answer:
        """PUT of a namespace's finalizers: the only way to write its spec."""
        given = _body(request)
        if not isinstance(given, dict):
            raise bad_request("the body is not an object")
        target = Target(asked.resource, "", asked.name)
        record = read(self.state, asked.resource, "", asked.name)
        finalizers = (given.get("spec") or {}).get("finalizers") or []
        obj = {**record.obj, "spec": {"finalizers": finalizers} if finalizers else {}}
        return Answer(200, orjson.dumps(self.deleting.finalized(target, obj)))

    def _forms(self, request: Request, asked: Wanted) -> Forms:
        form = form_of(request.headers.get("Accept", ""))
        if form is Form.DISCOVERY:
            form = Form.OBJECT
        include = request.query.get("includeObject") or "Metadata"
        return Forms(asked.resource, form, include, self.state.clock())


def _target(asked: Wanted) -> Target:
    namespace = asked.namespace or ""
    return Target(asked.resource, namespace, asked.name, asked.subresource)


def _body(request: Request) -> Any:
    media = request.media
    if media == "application/yaml":
        return yaml_body(request.body)
    if media == protobuf.MEDIA:
        return protobuf.decode(request.body)
    if media not in _JSON_BODIES:
        raise unsupported_media(("application/json", "application/yaml", protobuf.MEDIA))
    return object_body(request.body)


def _write_options(request: Request) -> WriteOptions:
    """Force is for an apply, which in turn needs the name of a manager."""
    verb = {"POST": "Create", "PUT": "Update"}.get(request.method, "Patch")
    options = WriteOptions.parse(request.query, request.headers.get("User-Agent", ""), verb)
    causes = []
    if verb == "Patch" and request.media == patching.APPLY:
        if not request.query.get("fieldManager"):
            causes.append(required("fieldManager", "is required for apply patch"))
    elif options.force is not None and verb == "Patch":
        causes.append(forbidden("force", "may not be specified for non-apply patch"))
    if causes:
        raise invalid("PatchOptions", "meta.k8s.io", "", causes)
    return options


def _delete_options(request: Request) -> DeleteOptions:
    given = _body(request) if request.body.strip() else {}
    if not isinstance(given, dict):
        raise bad_request("invalid delete options: not an object")
    return DeleteOptions.parse(request.query, given)


def _check_identity(patch: Mapping[str, Any], target: Target) -> None:
    """An apply patch says what it is."""
    resource = target.resource
    kind, api_version = patch.get("kind") or "", patch.get("apiVersion") or ""
    if (kind, api_version) != (resource.kind, resource.api_version):
        given = api_version if "/" in api_version else f"/{api_version}"
        raise bad_request(f"invalid object type: {given}, Kind={kind}")
    metadata = patch.get("metadata") or {}
    name = metadata.get("name")
    if name is not None and name != target.name:
        raise bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({target.name})"
        )
