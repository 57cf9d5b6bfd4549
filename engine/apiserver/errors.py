"""What the server refuses, as the metav1.Status that a client of Kubernetes expects.

Source: apimachinery api/errors (reasons, codes and wordings).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that is wrong: its path, a reason such as FieldValueInvalid, and the text."""

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        """`spec.replicas: Invalid value: -1: must be ...`; without a path just the text."""
        return f"{self.field}: {self.message}" if self.field else self.message


def quoted(value: object) -> str:
    """A value as field errors print it: numbers bare, strings in quotes, the rest as JSON."""
    if isinstance(value, str) or not isinstance(value, (bool, int, float)):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return str(value).lower() if isinstance(value, bool) else str(value)


def invalid_value(path: str, value: object, why: str) -> Cause:
    """`Invalid value: VALUE: why`."""
    return Cause(path, "FieldValueInvalid", f"Invalid value: {quoted(value)}: {why}")


def wrong_type(path: str, value: object, why: str) -> Cause:
    """`Invalid value: VALUE: why` with the reason FieldValueTypeInvalid."""
    return Cause(path, "FieldValueTypeInvalid", f"Invalid value: {quoted(value)}: {why}")


def required(path: str, why: str = "") -> Cause:
    """`Required value`, with a reason if there is one."""
    return Cause(path, "FieldValueRequired", f"Required value: {why}" if why else "Required value")


def forbidden(path: str, why: str) -> Cause:
    """`Forbidden: why`."""
    return Cause(path, "FieldValueForbidden", f"Forbidden: {why}")


def unsupported_value(path: str, value: object, allowed: Sequence[str]) -> Cause:
    """`Unsupported value: VALUE: supported values: ...`, in their order."""
    names = ", ".join(quoted(name) for name in allowed)
    return Cause(
        path,
        "FieldValueNotSupported",
        f"Unsupported value: {quoted(value)}: supported values: {names}",
    )


def duplicate(path: str, value: object) -> Cause:
    """`Duplicate value: VALUE`."""
    return Cause(path, "FieldValueDuplicate", f"Duplicate value: {quoted(value)}")


@dataclass(slots=True)
class Refused(Exception):  # noqa: N818 - an answer, not a failure of ours
    """An answer other than success: HTTP code, reason, message and details of the Status."""

    code: int
    reason: str
    message: str
    details: dict[str, Any] | None = None

    def __str__(self) -> str:
        """The message alone."""
        return self.message

    def status(self) -> dict[str, Any]:
        """The body of the answer."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return {**body, "code": self.code}


def qualified(plural: str, group: str) -> str:
    """`deployments.apps`; the plural alone in the core group."""
    return f"{plural}.{group}" if group else plural


def _details(plural: str, group: str, name: str) -> dict[str, Any]:
    details = {"name": name, "group": group, "kind": plural}
    return {key: value for key, value in details.items() if value}


def not_found(plural: str, group: str, name: str) -> Refused:
    """404: there is no such object."""
    message = f"{qualified(plural, group)} {quoted(name)} not found"
    return Refused(404, "NotFound", message, _details(plural, group, name))


def unknown_resource() -> Refused:
    """404: the group and version exist, the resource does not."""
    return Refused(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(plural: str, group: str, name: str) -> Refused:
    """409 on create."""
    message = f"{qualified(plural, group)} {quoted(name)} already exists"
    return Refused(409, "AlreadyExists", message, _details(plural, group, name))


MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def conflict(plural: str, group: str, name: str, why: str = MODIFIED) -> Refused:
    """409: a precondition (resourceVersion, uid) does not hold."""
    message = f"Operation cannot be fulfilled on {qualified(plural, group)} {quoted(name)}: {why}"
    return Refused(409, "Conflict", message, _details(plural, group, name))


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> Refused:
    """422: fields are wrong; all of them are listed."""
    texts = list(dict.fromkeys(str(cause) for cause in causes))
    body = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = _details(kind, group, name)
    details["causes"] = [
        {"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes
    ]
    message = f"{qualified(kind, group)} {quoted(name)} is invalid: {body}"
    return Refused(422, "Invalid", message, details)


def denied(plural: str, group: str, name: str, why: str) -> Refused:
    """403: it exists, and this may not be done to it."""
    message = f"{qualified(plural, group)} {quoted(name)} is forbidden: {why}"
    return Refused(403, "Forbidden", message, _details(plural, group, name))


def bad_request(message: str) -> Refused:
    """400: the request itself makes no sense."""
    return Refused(400, "BadRequest", message)


def unauthorized() -> Refused:
    """401: the token is not one of this server's."""
    return Refused(401, "Unauthorized", "Unauthorized")


def too_large(most: int) -> Refused:
    """413: the body has more than so many bytes."""
    message = f"Request entity too large: limit is {most}"
    return Refused(413, "RequestEntityTooLarge", message)


def method_not_allowed() -> Refused:
    """405: the resource does not know this verb."""
    message = "the server does not allow this method on the requested resource"
    return Refused(405, "MethodNotAllowed", message, {})


def expired(message: str) -> Refused:
    """410: the revision asked for is no longer in the history."""
    return Refused(410, "Expired", message)


def too_old(asked: int, oldest: int) -> Refused:
    """410 of a watch that begins before the history."""
    return expired(f"too old resource version: {asked} ({oldest})")


def unsupported_media(allowed: Sequence[str]) -> Refused:
    """415: the body has a form that is not known here."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        f"{', '.join(allowed)}"
    )
    return Refused(415, "UnsupportedMediaType", message, {})
