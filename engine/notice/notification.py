"""An event as Flux's controllers post it: what happened to an object, and what is told of it.

Source: fluxcd/pkg apis/event/v1beta1; flux-behaviour 1.6 and 6.1.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from msgspec import field
from msgspec.structs import replace

from engine.api.decode import decode
from engine.api.meta import Instant, Model
from engine.objects.ref import Object

EVENT_GROUP = "event.toolkit.fluxcd.io"
"""Group of metadata that comes from annotations of the object."""

REVISION, ORIGIN_REVISION, COMMIT = "revision", "originRevision", "commit"
SUMMARY = "summary"
ERROR = "error"

_MESSAGE_LIMIT = 39_000  # characters, as the recorder of Flux cuts it
_NEVER = "0001-01-01T00:00:00Z"  # Go's zero time
_NOT_FOR_ALERTS = ("checksum", "digest")


class Involved(Model, frozen=True, kw_only=True):
    """The object that an event is about; "" where it is not said."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    resource_version: str = ""
    field_path: str = ""

    @property
    def group(self) -> str:
        """Its API group."""
        return self.api_version.rpartition("/")[0]

    def __str__(self) -> str:
        """`Kind/namespace/name`, as messages name it."""
        return f"{self.kind}/{self.namespace}/{self.name}"


class Notification(Model, frozen=True, kw_only=True):
    """One event.

    metadata: as posted its keys have a group; as told to a service (`metadata.merged`) none.
    """

    involved_object: Involved = Involved()
    severity: str = ""
    timestamp: Instant | None = None
    message: str = ""
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    reporting_controller: str = ""
    reporting_instance: str = ""

    @property
    def is_error(self) -> bool:
        """Whether something went wrong."""
        return self.severity == ERROR

    def own(self, key: str) -> str:
        """The metadata of that key under the object's own group, "" if there is none."""
        return self.metadata.get(f"{self.involved_object.group}/{key}", "")

    def annotated(self, key: str) -> str:
        """The metadata of that key from the object's annotations, "" if there is none."""
        return self.metadata.get(f"{EVENT_GROUP}/{key}", "")

    @property
    def at(self) -> str:
        """When it happened, as Kubernetes writes instants."""
        try:
            at = self.timestamp and self.timestamp.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:  # a stranger's year 1 or 9999, near its end
            at = None
        return f"{at.isoformat(timespec='seconds')}Z" if at else _NEVER

    def as_json(self) -> dict[str, Any]:
        """As Flux writes it: only what may be absent is."""
        involved = {
            key: value
            for key, value in (
                ("kind", self.involved_object.kind),
                ("namespace", self.involved_object.namespace),
                ("name", self.involved_object.name),
                ("uid", self.involved_object.uid),
                ("apiVersion", self.involved_object.api_version),
                ("resourceVersion", self.involved_object.resource_version),
                ("fieldPath", self.involved_object.field_path),
            )
            if value
        }
        return {
            "involvedObject": involved,
            "severity": self.severity,
            "timestamp": self.at,
            "message": self.message,
            "reason": self.reason,
            **({"metadata": dict(self.metadata)} if self.metadata else {}),
            "reportingController": self.reporting_controller,
            **({"reportingInstance": self.reporting_instance} if self.reporting_instance else {}),
        }


def read(body: Object) -> Notification:
    """The event that somebody posted, with the metadata that may be told.

    As in Go's reading null is absent and nothing is required.  Raises Undecodable.
    """
    present = dict(body) if isinstance(body, Mapping) else body
    for part in ("involvedObject", "metadata"):
        if isinstance(body, Mapping) and isinstance(body.get(part), Mapping):
            present[part] = {key: value for key, value in body[part].items() if value is not None}
    found = decode(Notification, present)
    return replace(
        found, message=found.message[:_MESSAGE_LIMIT], metadata=_tellable(found, _NOT_FOR_ALERTS)
    )


def without_token(notification: Notification) -> Notification:
    """The same without what only tells repetitions from each other."""
    return replace(notification, metadata=_tellable(notification, ("token",)))


def with_metadata(notification: Notification, metadata: Mapping[str, str]) -> Notification:
    """The same with other metadata."""
    return replace(notification, metadata=metadata)


def _tellable(notification: Notification, left_out: tuple[str, ...]) -> dict[str, str]:
    """The metadata of the two groups that count, but for some keys of the object's own."""
    group = notification.involved_object.group
    prefixes = f"{EVENT_GROUP}/", f"{group}/"
    hidden = {f"{group}/{key}".lower() for key in left_out}
    return {
        key: value
        for key, value in notification.metadata.items()
        if key.startswith(prefixes) and key.lower() not in hidden
    }


def identity(notification: Notification) -> str:
    """What two events have in common that say the same of the same object."""
    involved = notification.involved_object
    parts = [involved.name, involved.namespace, involved.kind, notification.message]
    keys = (ORIGIN_REVISION, REVISION, "token")
    parts += [f"{key}={notification.own(key)}" for key in keys]
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()


def restored(body: Object) -> Notification:
    """What `as_json` wrote.  Raises Undecodable."""
    return decode(Notification, body)
