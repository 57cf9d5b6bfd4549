"""The metadata that a service is told: of the object, of its annotations and of the Alert.

Source: Flux RFC 0008; notification-controller internal/server event_handlers.go.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.api.notification import AlertSpec
from engine.notice.notification import EVENT_GROUP, SUMMARY, Notification

ANNOTATIONS = "involved object annotations"
EVENT_METADATA = "Alert object .spec.eventMetadata"
ALERT_SUMMARY = "Alert object .spec.summary"
CONTROLLER = "involved object controller metadata"


@dataclass(frozen=True, slots=True)
class Merged:
    """Metadata without groups; conflicts: {key: who gave it, the last of whom counts}."""

    metadata: Mapping[str, str]
    conflicts: Mapping[str, str] = field(default_factory=dict)


def merged(notification: Notification, spec: AlertSpec) -> Merged:
    """What goes to the service of an Alert; the controller's own words count most."""
    group = notification.involved_object.group
    given = (
        (ANNOTATIONS, _of_group(notification.metadata, EVENT_GROUP)),
        (EVENT_METADATA, spec.event_metadata),
        (ALERT_SUMMARY, {SUMMARY: spec.summary} if spec.summary else {}),
        (CONTROLLER, _of_group(notification.metadata, group)),
    )
    found: dict[str, str] = {}
    givers: dict[str, list[str]] = {}
    for giver, metadata in given:
        for key, value in metadata.items():
            found[key] = value
            givers.setdefault(key, []).append(giver)
    conflicts = {key: ", ".join(names) for key, names in sorted(givers.items()) if len(names) > 1}
    return Merged(found, conflicts)


def _of_group(metadata: Mapping[str, str], group: str) -> dict[str, str]:
    prefix = f"{group}/"
    return {
        key.removeprefix(prefix): value for key, value in metadata.items() if key.startswith(prefix)
    }
