"""Warning events on Alerts: what is wrong with one, or with where it leads; not again and again."""

from collections.abc import Callable, Mapping

from engine.objects.ref import Object, Ref
from engine.runtime import Clock
from engine.status.events import Event
from engine.telemetry import about, logger

CONTROLLER = "notification-controller"
DISPATCH_FAILED = "NotificationDispatchFailed"
INVALID_CONFIG = "InvalidConfig"
METADATA_CONFLICT = "MetadataAppendFailed"
SOURCE_UNKNOWN = "SourceFetchFailed"

_EVERY = 60.0  # seconds between two events about one problem of one object
_REMEMBERED = 4096  # problems; who has more is told of some twice


class Complaints:
    """Emits each problem of an object once a minute at most, and says how often it was met."""

    def __init__(self, emit: Callable[[Event], None], clock: Clock) -> None:
        self._emit, self._clock = emit, clock
        self._told: dict[tuple[str, str, str], tuple[float, int]] = {}  # {what: when, untold since}

    def add(
        self,
        obj: Object,
        reason: str,
        problem: str,
        where: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Tell of a problem of an Alert or Provider.

        problem: what is always the same of it; where: the rest, shown in front of it.
        """
        ref, now = Ref.of(obj), self._clock.monotonic()
        key = obj["metadata"].get("uid") or str(ref), reason, problem
        at, untold = self._told.pop(key, (-_EVERY, 0))
        if now - at < _EVERY:
            self._told[key] = at, untold + 1
            return
        self._told[key] = now, 0
        if len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        more = f" (and {untold} times more since the last event of it)" if untold else ""
        text = f"{where}{problem}{more}"
        marks = about(ref.kind, ref.group, ref.namespace, ref.name)
        logger.error("%s: %s", reason, text, extra=marks)
        self._emit(Event(obj, "Warning", reason, text, CONTROLLER, metadata or {}))
