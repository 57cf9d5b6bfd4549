from engine.objects.ref import Ref
from engine.reconcile.causes import Causes
from engine.telemetry import called, current_cause, on_behalf_of, reconciling
from tests.support.observing import traced

SOURCE, APP, WEB = (Ref("g", "K", "ns", name) for name in ("source", "app", "web"))
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_what_follows_from_a_call_is_its_callers_trace() -> None:
    causes = Causes()
    with traced() as traces:
        with called("webhook", {"traceparent": CALLER}):
            cause = current_cause()
        for ref, user in ((SOURCE, APP), (APP, WEB)):
            with (
                on_behalf_of(cause),
                reconciling(ref.kind, ref.group, ref.namespace, ref.name, "x", str),
                causes.lasting(ref, cause),
            ):
                causes.pass_on(ref, user)
            cause = causes.take(user)
        with reconciling("K", "g", "ns", "alone", "x", str), causes.lasting(WEB, causes.take(WEB)):
            causes.pass_on(WEB, APP)

    assert causes.take(APP) is None
    *followed, alone = traces.spans
    assert {f"{each.context.trace_id:032x}" for each in followed} == {CALLER[3:35]}
    assert [each.name for each in followed] == ["webhook", "reconcile K", "reconcile K"]
    assert [f"{each.parent.span_id:016x}" for each in followed if each.parent] == [
        CALLER[36:52],
        *(f"{each.context.span_id:016x}" for each in followed[:-1]),
    ]
    assert alone.parent is None


def test_a_malformed_caller_begins_a_trace_of_its_own() -> None:
    with traced() as traces, called("webhook", {"traceparent": "00-x", "tracestate": "=" * 9}):
        assert current_cause() is not None

    (span,) = traces.spans
    assert span.parent is None


def test_a_caller_that_is_not_traced_is_obeyed() -> None:
    with traced() as traces, called("webhook", {"traceparent": f"{CALLER[:-2]}00"}):
        pass

    assert traces.spans == ()


def test_without_tracing_there_is_no_cause() -> None:
    with called("webhook", {}):
        assert current_cause() is None


def test_who_is_gone_has_no_cause() -> None:
    causes = Causes()
    with traced(), called("webhook", {}), causes.lasting(SOURCE, current_cause()):
        causes.pass_on(SOURCE, APP)
        causes.forget(APP)

    assert causes.take(APP) is None
