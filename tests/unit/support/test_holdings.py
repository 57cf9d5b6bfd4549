"""What a process holds is named, so that whoever leaks is known."""

from engine.objects.ref import Ref
from engine.reconcile.receiver_hooks import Closed, Hooks
from engine.telemetry import Metrics
from tests.support.holdings import exceeding, holders, holdings

HOOK = Ref("notification.toolkit.fluxcd.io", "Receiver", "ns", "held-by-hooks")


async def test_what_grows_is_named_by_class_and_container() -> None:
    hooks, series = Hooks(), Metrics()
    before = holdings()

    hooks.close(Closed(HOOK, "not ready"), "/hook/x")
    series.suspend("Receiver", "ns", "held-by-hooks", is_suspended=True)
    found = exceeding(before, holdings(), {"object *": 1_000_000})

    assert set(found) == {
        "Hooks._by_path",
        "Hooks._by_path[]",
        "Hooks._closed",
        "Hooks._paths",
        "series gotk_suspend_status",
    }
    assert holders(HOOK) == ["Hooks._closed", "Hooks._paths"]
