from engine.apply import prune
from engine.apply.changes import lines_of
from engine.apply.pruning import messages_of, told
from engine.cluster import Conflict, Forbidden
from engine.objects.ref import Object, Ref
from engine.plan.reservation import Reservation
from tests.support.build import config, made, marked, owned
from tests.support.executing import executor, plan_for, pruned
from tests.support.memory_client import MemoryClient

A = owned(config("a"))


async def told_of(client: MemoryClient, *owns: Object, **policy: bool) -> str:
    return lines_of(told((await pruned(client, *owns, **policy)).done))


async def test_what_left_git_is_deleted_in_the_reverse_order() -> None:
    objects = [A, owned(made("Secret", "s")), owned(made("Namespace", "n", ""))]
    client = MemoryClient(*objects)

    assert await told_of(client, *objects) == (
        "Secret/ns/s deleted\nConfigMap/ns/a deleted\nNamespace/n deleted"
    )
    assert client.objects == {}


async def test_what_is_protected_is_told_as_skipped_and_what_is_gone_is_not_told() -> None:
    protected = marked(A, prune="disabled")
    client = MemoryClient(protected)

    assert await told_of(client, protected, config("gone")) == "ConfigMap/ns/a skipped"
    assert client.writes() == []


async def test_without_prune_nothing_is_done_or_told() -> None:
    client = MemoryClient(A)

    assert await told_of(client, A, prune=False) == ""
    assert client.writes() == []


async def test_what_resists_survives_with_its_reason() -> None:
    client = MemoryClient(A, owned(config("b")))
    client.refuse("delete ConfigMap/ns/a", Forbidden(403, "Forbidden", "a webhook says no"))

    found = await pruned(client, A, config("b"))

    assert list(found.survivors) == [Ref.of(A)]
    assert messages_of(found.survivors).startswith(
        "ConfigMap/ns/a delete failed (Forbidden): a webhook says no"
    )
    assert list(client.objects) == [Ref.of(A)]


async def test_an_object_that_changed_since_it_was_judged_is_judged_again() -> None:
    client = MemoryClient(A)
    client.before("delete ConfigMap/ns/a", lambda: client.put(A))

    assert await told_of(client, A) == "ConfigMap/ns/a deleted"
    assert client.calls.count("delete ConfigMap/ns/a") == 2


async def test_an_object_that_found_another_owner_meanwhile_stays() -> None:
    client = MemoryClient(A)
    client.before("delete ConfigMap/ns/a", lambda: client.put(config("a")))

    assert await told_of(client, A) == "ConfigMap/ns/a skipped"
    assert Ref.of(A) in client.objects


async def test_an_object_that_never_holds_still_survives() -> None:
    client = MemoryClient(A)
    client.refuse("delete ConfigMap/ns/a", *[Conflict(409, "Conflict", "changed")] * 9)

    assert list((await pruned(client, A)).survivors) == [Ref.of(A)]


async def test_objects_whose_definition_is_gone_are_gone() -> None:
    widget = owned(made("Widget", "w", api_version="example.com/v1"))
    client = MemoryClient(widget)

    assert (await pruned(client, widget)).survivors == {}


async def test_what_somebody_claims_while_others_are_deleted_stays_and_so_does_its_namespace() -> (
    None
):
    objects = [A, owned(made("Secret", "s")), owned(made("Namespace", "ns", ""))]
    client = MemoryClient(*objects)
    plan = plan_for(client, owns=tuple(objects))
    wanted: set[Ref] = set()
    client.before("delete Secret/ns/s", lambda: wanted.add(Ref.of(A)))

    def reserve(ref: Ref) -> Reservation | None:
        return Reservation("wanted by another") if ref in wanted else None

    found = await prune(plan, executor(client), reserve)

    assert client.writes() == ["delete Secret/ns/s"]
    assert found.deferred == {
        Ref.of(A): ("v1", "wanted by another"),
        Ref("", "Namespace", "", "ns"): ("v1", "it holds ConfigMap/ns/a, wanted by another"),
    }
    assert list(found.left()) == list(found.deferred)


async def test_what_is_left_to_somebody_for_good_is_told_as_skipped() -> None:
    client = MemoryClient(A)
    plan = plan_for(client, owns=(A,))

    found = await prune(plan, executor(client), lambda _: Reservation("wanted", is_final=True))

    assert lines_of(told(found.done)) == "ConfigMap/ns/a skipped"
    assert client.writes() == []
