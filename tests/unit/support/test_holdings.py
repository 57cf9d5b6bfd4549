"""What a process holds is named, so that whoever leaks is known."""

import anyio

from engine.objects.ref import Ref
from engine.reconcile.receiver_hooks import Closed, Hooks
from engine.runtime import Priority
from engine.telemetry import Metrics
from plugins.clouds.limited import CHILDREN
from tests.support.holdings import exceeding, holders, holdings

HOOK = Ref("notification.toolkit.fluxcd.io", "Receiver", "ns", "held-by-hooks")


def test_what_grows_is_named_by_class_and_container() -> None:
    hooks, series = Hooks(), Metrics()

    async def grow() -> dict[str, str]:
        before = holdings()
        hooks.close(Closed(HOOK, "not ready"), "/hook/x")
        series.suspend("Receiver", "ns", "held-by-hooks", is_suspended=True)
        return exceeding(before, holdings(), {"object *": 1_000_000})

    # In a loop of its own: walking through all that a thousand tests have left takes seconds.
    assert set(anyio.run(grow)) == {
        "Hooks._by_path",
        "Hooks._by_path[]",
        "Hooks._closed",
        "Hooks._paths",
        "series gotk_suspend_status",
    }
    assert holders(HOOK) == ["Hooks._closed", "Hooks._paths"]


def test_what_a_module_made_when_it_was_imported_is_looked_into_as_well() -> None:
    """The garbage collector does not tell of it: it was told to leave alone what was there then."""

    async def hold() -> dict[str, str]:
        before = holdings()
        async with CHILDREN.held(Priority.INTERVAL, "held-by-children"):
            return exceeding(before, holdings(), {"object *": 1_000_000})

    assert any(name.startswith("Lines.") for name in anyio.run(hold))
