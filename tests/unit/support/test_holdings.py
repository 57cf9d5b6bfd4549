"""What a process holds is named, so that whoever leaks is known."""

from anyio.lowlevel import checkpoint

from engine.objects.ref import Ref
from engine.reconcile.receiver_hooks import Closed, Hooks
from engine.runtime import Priority
from engine.telemetry import Metrics
from plugins.clouds.limited import CHILDREN
from tests.support.holdings import exceeding, holders, holdings

HOOK = Ref("notification.toolkit.fluxcd.io", "Receiver", "ns", "held-by-hooks")


async def test_what_grows_is_named_by_class_and_container() -> None:
    hooks, series = Hooks(), Metrics()
    before = holdings()

    await checkpoint()  # each look walks through the whole heap: the loop is to turn in between
    hooks.close(Closed(HOOK, "not ready"), "/hook/x")
    series.suspend("Receiver", "ns", "held-by-hooks", is_suspended=True)
    found = exceeding(before, holdings(), {"object *": 1_000_000})
    await checkpoint()

    assert set(found) == {
        "Hooks._by_path",
        "Hooks._by_path[]",
        "Hooks._closed",
        "Hooks._paths",
        "series gotk_suspend_status",
    }
    assert holders(HOOK) == ["Hooks._closed", "Hooks._paths"]


async def test_what_a_module_made_when_it_was_imported_is_looked_into_as_well() -> None:
    """The garbage collector does not tell of it: it was told to leave alone what was there then."""
    before = holdings()

    await checkpoint()
    async with CHILDREN.held(Priority.INTERVAL, "held-by-children"):
        found = exceeding(before, holdings(), {"object *": 1_000_000})

    assert any(name.startswith("Lines.") for name in found)
