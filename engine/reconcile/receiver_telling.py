"""Calls of webhooks are seen: a metric for each, a line in the log, now and then an event.

Never: token, path, body, nor what the caller says of itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.objects.ref import Ref
from engine.reconcile.receiver_hits import Effect, Outcome
from engine.reconcile.run import Engine
from engine.status.events import Event
from engine.telemetry import about, logger

_LOG_PERIOD = 10.0  # seconds between two lines about calls that all end the same way
_EVENT_PERIOD = 60.0  # seconds between two events
_SHOWN = 10  # objects
_REMEMBERED = 10_000  # Receivers and outcomes, before those that are gone are forgotten
_REASONS = {
    Outcome.WOKEN: ("Normal", "WebhookReceived"),
    Outcome.NOTHING: ("Normal", "WebhookReceived"),
    Outcome.FAILED: ("Warning", "WebhookFailed"),
}


@dataclass(slots=True)
class _Said:
    logged_at: float = float("-inf")
    told_at: float = float("-inf")
    unsaid: int = 0


class Telling:
    """Who was told of which Receiver's calls, and when."""

    def __init__(self) -> None:
        self._said: dict[tuple[Ref, Outcome], _Said] = {}

    def tell(self, ref: Ref, kind: str, effect: Effect, engine: Engine) -> None:
        """One call has ended; kind: the Receiver's type."""
        engine.metrics.hits.labels(ref.name, ref.namespace, kind, effect.outcome).inc()
        if len(self._said) > _REMEMBERED:
            self._said = {
                key: each for key, each in self._said.items() if engine.mirror.get(key[0])
            }
        said = self._said.setdefault((ref, effect.outcome), _Said())
        now = engine.clock.monotonic()
        if effect.outcome is Outcome.JOINED:
            logger.debug("%s", _text(effect), extra=_keys(ref))
            return
        is_news = effect.outcome is Outcome.WOKEN  # of these there are only so many
        if is_news or now - said.logged_at >= _LOG_PERIOD:
            more = f" ({said.unsaid} more calls like this since)" if said.unsaid else ""
            logger.info("%s%s", _text(effect), more, extra=_keys(ref))
            said.logged_at, said.unsaid = now, 0
        else:
            said.unsaid += 1
        if now - said.told_at >= _EVENT_PERIOD:
            said.told_at = now
            _emit(ref, effect, engine)


def _emit(ref: Ref, effect: Effect, engine: Engine) -> None:
    obj = engine.mirror.get(ref)
    if obj is None:
        return
    type_, reason = _REASONS.get(effect.outcome, ("Warning", "WebhookRefused"))
    # Trace: of interest beside the object, and to no Alert.
    kind = "Trace" if type_ == "Normal" else type_
    text = _text(effect, ref.namespace)
    engine.recorder.emit(Event(obj, kind, reason, text, "notification-controller"))


def _keys(ref: Ref) -> dict[str, object]:
    return about(ref.kind, ref.group, ref.namespace, ref.name)


def _text(effect: Effect, home: str = "") -> str:
    """What a call did.

    home: who reads it may know of objects of that namespace only; "": of all.
    """
    if effect.why:
        return f"a call of the webhook did nothing: {effect.why}"
    parts = []
    if effect.woken:
        parts.append(f"asked for a reconcile of {_listed(effect.woken, home)}")
    if effect.joined:
        parts.append(f"{_listed(effect.joined, home)} was to be reconciled anyway")
    if effect.left:
        parts.append(f"{effect.left} left out by a filter")
    parts += [
        f"not {each.what}: {each.why}" for each in effect.problems if each.is_home or not home
    ]
    hidden = sum(bool(home) and not each.is_home for each in effect.problems)
    if hidden:
        parts.append(f"not {hidden} of other namespaces: the engine's log says why")
    return f"a call of the webhook: {'; '.join(parts) or 'nothing has the labels'}"


def _listed(refs: Sequence[Ref], home: str) -> str:
    own = [str(ref) for ref in refs if not home or ref.namespace == home]
    shown = own[:_SHOWN]
    if more := len(refs) - len(shown):
        shown.append(f"{more} more" if shown else f"{more} of other namespaces")
    return ", ".join(shown)
