from engine.api.notification import ReceiverSpec
from engine.hooks import Filters
from engine.objects.ref import Object, Ref
from engine.reconcile.receiver_hooks import Closed, Hook, Hooks

PUSH, OTHER = (Ref("g", "Receiver", "ns", name) for name in ("push", "other"))


def hook(ref: Ref = PUSH, path: str = "/hook/a") -> Hook:
    spec = ReceiverSpec(type="generic", resources=())
    return Hook(ref, path, spec, Filters(None, ()), b"t", 0.0)


def heard(path: str, ref: Ref = PUSH) -> Object:
    metadata = {"name": ref.name, "namespace": ref.namespace}
    status = {"webhookPath": path}
    return {"apiVersion": "g/v1", "kind": "Receiver", "metadata": metadata, "status": status}


def test_until_its_first_run_a_receiver_is_known_by_the_path_in_its_status() -> None:
    hooks = Hooks()
    hooks.heard(heard("/hook/a"))

    assert hooks.find("/hook/a") == Closed(PUSH, "it is not ready yet")
    assert hooks.find("/hook/b") is None
    hooks.open(hook(path="/hook/b"))
    assert hooks.find("/hook/a") is None
    assert hooks.find("/hook/b") == hook(path="/hook/b")
    hooks.heard(heard("/hook/a"))  # a watch may be late
    assert hooks.find("/hook/a") is None


def test_a_receiver_that_closes_keeps_its_path_and_one_that_is_gone_does_not() -> None:
    hooks = Hooks()
    hooks.open(hook())
    hooks.close(Closed(PUSH, "why"), "/hook/a")

    assert hooks.find("/hook/a") == Closed(PUSH, "why")
    hooks.forget(PUSH)
    assert hooks.find("/hook/a") is None
    assert (hooks.statistics().open, hooks.statistics().closed) == (0, 0)


def test_of_two_with_one_path_the_first_counts_and_then_the_other() -> None:
    hooks = Hooks()
    for ref in (PUSH, OTHER):
        hooks.open(hook(ref))

    assert hooks.find("/hook/a") == hook(OTHER)
    hooks.forget(OTHER)
    assert hooks.find("/hook/a") == hook(PUSH)


def test_who_writes_anothers_path_into_a_status_does_not_close_it() -> None:
    hooks = Hooks()
    hooks.open(hook(PUSH))
    hooks.heard(heard("/hook/a", OTHER))

    assert hooks.find("/hook/a") == hook(PUSH)
    hooks.close(Closed(OTHER, "why"), "/hook/a")
    assert hooks.find("/hook/a") == hook(PUSH)
    hooks.forget(PUSH)
    assert hooks.find("/hook/a") == Closed(OTHER, "why")


def test_a_token_that_was_read_again_does_not_undo_a_run() -> None:
    hooks, old, new = Hooks(), hook(), hook(path="/hook/b")
    hooks.open(old)
    hooks.open(new)
    hooks.renewed(old, hook())

    assert hooks.find("/hook/a") is None
    assert hooks.find("/hook/b") is new


def test_neither_token_nor_path_shows() -> None:
    assert "/hook/a" not in repr(hook())
    assert "b't'" not in repr(hook())
