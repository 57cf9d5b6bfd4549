"""An Alert, ready to say of each event whether it is told.

Source: flux-behaviour 6.2.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from engine.api.notification import Alert, WatchedObject
from engine.notice.notification import Notification
from engine.objects.ref import Object
from engine.objects.regex import Expression, InvalidExpression, compiled

_MOST = 100  # expressions of a list that count: each may cost 20 ms for a long message


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one Alert wants to hear; problems: of its expressions, which then count as absent."""

    obj: Object
    alert: Alert
    included: tuple[Expression, ...]
    excluded: tuple[Expression, ...]
    problems: tuple[str, ...]

    @classmethod
    def of(cls, obj: Object, alert: Alert) -> Self:
        """The subscription of an Alert; obj: the same as the API server has it."""
        problems: list[str] = []
        included = _expressions("inclusion", alert.spec.inclusion_list, problems)
        excluded = _expressions("exclusion", alert.spec.exclusion_list, problems)
        return cls(obj, alert, included, excluded, tuple(problems))

    @property
    def places(self) -> frozenset[tuple[str, str]]:
        """Kind and namespace of all that it watches."""
        return frozenset(
            (each.kind, self._namespace(each)) for each in self.alert.spec.event_sources
        )

    def sources(self, notification: Notification) -> tuple[WatchedObject, ...]:
        """Its sources that are about the event's object, whose labels are still to be looked at."""
        spec, involved = self.alert.spec, notification.involved_object
        if spec.suspend or spec.event_severity not in ("info", notification.severity):
            return ()
        return tuple(
            each
            for each in spec.event_sources
            if (each.kind, self._namespace(each)) == (involved.kind, involved.namespace)
            and each.name in ("*", involved.name)
        )

    @property
    def has_expressions(self) -> bool:
        """Whether `wants` costs more than a look."""
        return bool(self.alert.spec.inclusion_list or self.alert.spec.exclusion_list)

    def wants(self, message: str) -> bool:
        """Whether its lists let a message pass.

        An inclusion list without any valid expression lets nothing pass, as in Flux.
        """
        if self.alert.spec.inclusion_list and not _any(self.included, message):
            return False
        return not _any(self.excluded, message)

    def _namespace(self, source: WatchedObject) -> str:
        return source.namespace or self.alert.metadata.namespace


def has_labels(labels: Mapping[str, str], sources: Iterable[WatchedObject]) -> bool:
    """Whether an object with these labels is meant by one of the sources."""
    return any(each.match_labels.items() <= labels.items() for each in sources)


def _any(expressions: Iterable[Expression], message: str) -> bool:
    return any(each.search(message) is not None for each in expressions)


def _expressions(name: str, texts: Collection[str], problems: list[str]) -> tuple[Expression, ...]:
    found: list[Expression] = []
    for text in tuple(texts)[:_MOST]:
        try:
            found.append(compiled(text))
        except InvalidExpression as error:
            problems.append(f"failed to compile {name} regex: {error}")
    if len(texts) > _MOST:
        problems.append(f"{name} list: only its first {_MOST} expressions count: join some by '|'")
    return tuple(found)
