"""The requests that change something, and what may become of them if they are sent twice."""

from typing import Any, TypedDict

import orjson

from engine.cluster.resource import Resource
from engine.cluster.transport import Request


class Write(TypedDict, total=False):
    """How a change is written."""

    field_manager: str
    dry_run: bool  #: say what would come of it, and change nothing
    subresource: str
    field_validation: str  #: Strict, Warn or Ignore


def writing(
    resource: Resource, how: str, path: str, body: Any, write: Write, *, force: bool = False
) -> Request:
    """A create or a patch.  how: POST, or the content type of a PATCH."""
    query = {
        "fieldManager": write.get("field_manager", ""),
        "force": "true" if force else "",
        "dryRun": "All" if write.get("dry_run") else "",
        "fieldValidation": write.get("field_validation", ""),
    }
    creating = how == "POST"
    harmless = write.get("dry_run", False)
    return Request(
        "create" if creating else "patch",
        "POST" if creating else "PATCH",
        path,
        {key: value for key, value in query.items() if value},
        orjson.dumps(body),
        "application/json" if creating else how,
        mutating=not harmless,
        repeatable=harmless or how not in ("POST", "application/json-patch+json"),
        title=resource.title,
    )


def deletion(
    resource: Resource,
    path: str,
    uid: str,
    resource_version: str = "",
    propagation: str = "Background",
    *,
    dry_run: bool = False,
) -> Request:
    """A deletion, of the object of that uid and version only where they are given."""
    preconditions = {"uid": uid, "resourceVersion": resource_version}
    body = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {key: value for key, value in preconditions.items() if value},
        "propagationPolicy": propagation,
        **({"dryRun": ["All"]} if dry_run else {}),
    }
    return Request(
        "delete",
        "DELETE",
        path,
        body=orjson.dumps(body),
        mutating=not dry_run,
        repeatable=bool(uid) or dry_run,
        title=resource.title,
    )
