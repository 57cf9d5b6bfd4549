from engine.cluster import Forbidden
from engine.cluster.census import FEW, PERIOD, Census
from engine.objects.ref import Ref
from tests.support.build import config
from tests.support.clock import ManualClock
from tests.support.memory_client import MemoryClient, kind

CONFIGS = kind("v1", "ConfigMap", "configmaps")


def refs(*names: str) -> list[Ref]:
    return [Ref("", "ConfigMap", "ns", name) for name in names]


MANY = refs(*"abcdef")


async def test_a_few_are_asked_for_one_by_one_and_many_are_listed_once() -> None:
    client = MemoryClient(config("b"))
    census = Census(client.as_client(), ManualClock())

    few = await census.perhaps(CONFIGS, MANY[:FEW])
    many = await census.perhaps(CONFIGS, MANY)
    again = await census.perhaps(CONFIGS, MANY)

    assert few == MANY[:FEW]
    assert many == again == refs("b")
    assert client.calls == ["list ConfigMap"]


async def test_a_list_is_not_older_than_the_period() -> None:
    client, clock = MemoryClient(), ManualClock()
    census = Census(client.as_client(), clock)

    before = await census.perhaps(CONFIGS, MANY)
    client.put(config("b"))
    await clock.advance(PERIOD + 1)

    assert before == []
    assert await census.perhaps(CONFIGS, MANY) == refs("b")


async def test_of_what_was_there_no_older_list_says_that_it_is_gone() -> None:
    """Somebody may have made it anew, or taken only its label away."""
    client = MemoryClient()
    census = Census(client.as_client(), ManualClock())

    await census.perhaps(CONFIGS, MANY)
    client.put(config("b"))

    assert await census.perhaps(CONFIGS, refs("b"), is_lost=True) == refs("b")
    assert await census.perhaps(CONFIGS, MANY, is_lost=True) == refs("b")


async def test_who_may_not_list_asks_for_each() -> None:
    client = MemoryClient()
    client.refuse("list ConfigMap", Forbidden(403, "Forbidden", "no"))

    assert await Census(client.as_client(), ManualClock()).perhaps(CONFIGS, MANY) == MANY


async def test_the_first_of_a_crowd_is_not_asked_for_by_name() -> None:
    client = MemoryClient(config("b"))
    census = Census(client.as_client(), ManualClock())

    found = await census.perhaps(CONFIGS, refs("a", "b"), is_crowded=True)

    assert found == refs("b")
    assert client.calls == ["list ConfigMap"]


async def test_what_a_list_says_counts_for_the_next_few_too() -> None:
    client = MemoryClient()
    census = Census(client.as_client(), ManualClock())

    await census.perhaps(CONFIGS, refs("a"), is_crowded=True)

    assert await census.perhaps(CONFIGS, refs("b")) == []
    assert client.calls == ["list ConfigMap"]


async def test_a_crowd_that_goes_on_is_listed_anew_and_one_that_has_gone_is_not() -> None:
    client, clock = MemoryClient(), ManualClock()
    census = Census(client.as_client(), clock)

    await census.perhaps(CONFIGS, MANY)
    await clock.advance(PERIOD + 1)
    busy = await census.perhaps(CONFIGS, refs("a"))
    await clock.advance(PERIOD + 1)
    quiet = await census.perhaps(CONFIGS, refs("a"))

    assert busy == []
    assert quiet == refs("a")
    assert client.calls == ["list ConfigMap"] * 2


async def test_who_asks_for_nothing_costs_nothing() -> None:
    client = MemoryClient()

    assert await Census(client.as_client(), ManualClock()).perhaps(CONFIGS, []) == []
    assert await Census(client.as_client(), ManualClock()).perhaps(CONFIGS, [], is_lost=True) == []
    assert client.calls == []


async def test_what_can_be_no_name_is_read_so_that_it_is_refused_before_an_inventory_holds_it() -> (
    None
):
    census = Census(MemoryClient().as_client(), ManualClock())

    found = await census.perhaps(CONFIGS, refs("a", "b/c", ".."), is_crowded=True)

    assert found == refs("b/c", "..")
