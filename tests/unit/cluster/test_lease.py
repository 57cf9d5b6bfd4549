from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import Any, Self, cast

import anyio
import anyio.lowlevel
import pytest

from engine.cluster import Client, Conflict, LeaseLost, NotFound, Resource, Unreachable
from engine.cluster.errors import AlreadyExists
from engine.cluster.lease import Lease, Leases, lease_name, micro_time
from engine.cluster.terms import Terms, UnfitTerms, longest_write
from tests.support.clock import ManualClock, settle

TERMS = Terms()  # Flux's: 35 s, 30 s, 5 s; a write takes 17 s at most
NAME = "kustomize-controller-leader-election"


class Api:
    """Leases and nothing else, with optimistic locking."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.is_down = False
        self.silence: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint
        self.doubtful_until = float("-inf")

    def at(self, _: object) -> Self:
        return self

    def fenced(self, _: object) -> Self:
        return self

    async def get(self, _: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        await self._reached()
        return self.objects.get(name)

    async def create(self, _: Resource, obj: dict[str, Any]) -> dict[str, Any]:
        await self._reached()
        name = obj["metadata"]["name"]
        if name in self.objects:
            raise AlreadyExists(409, "AlreadyExists", "there")
        self.objects[name] = {**obj, "metadata": {**obj["metadata"], "resourceVersion": "1"}}
        return self.objects[name]

    async def merge_patch(
        self, _: Resource, namespace: str, name: str, patch: dict[str, Any]
    ) -> dict[str, Any]:
        await self._reached()
        if name not in self.objects:
            raise NotFound(404, "NotFound", "none")
        old = self.objects[name]
        version = old["metadata"]["resourceVersion"]
        if patch["metadata"]["resourceVersion"] != version:
            raise Conflict(409, "Conflict", "changed")
        spec = {k: v for k, v in {**old["spec"], **patch["spec"]}.items() if v is not None}
        metadata = {**old["metadata"], "resourceVersion": str(int(version) + 1)}
        self.objects[name] = {**old, "metadata": metadata, "spec": spec}
        return self.objects[name]

    async def _reached(self) -> None:
        await self.silence()
        if self.is_down:
            raise Unreachable(0, "", "down")

    def foreign(self, name: str, holder: str, clock: ManualClock) -> None:
        """Another engine acquires or renews it."""
        old = self.objects.get(name, {"metadata": {"name": name, "resourceVersion": "0"}})
        version = str(int(old["metadata"]["resourceVersion"]) + 1)
        instant = micro_time(clock.wall() - 5000)  # its clock is wrong: that must not matter
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": 35,
            "acquireTime": instant,
            "renewTime": instant,
            "leaseTransitions": 4,
        }
        metadata = {**old["metadata"], "resourceVersion": version}
        self.objects[name] = {"metadata": metadata, "spec": spec}

    def holder(self, name: str = NAME) -> str | None:
        return self.objects[name]["spec"].get("holderIdentity")


@asynccontextmanager
async def keeping(
    api: Api, clock: ManualClock, *names: str, identity: str = "us", told: list[str] | None = None
) -> AsyncIterator[tuple[Leases, anyio.CancelScope]]:
    leases = Leases(cast("Client", api), "flux-system", names, identity, clock, terms=TERMS)
    scope = anyio.CancelScope()
    said: list[str] = [] if told is None else told

    async def keep() -> None:
        with scope:
            await leases.keep(Random(1), lambda name, holder: said.append(f"{name}: {holder}"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep)
        await settle()
        yield leases, scope
        scope.cancel()


def is_fenced(leases: Leases) -> bool:
    try:
        leases.fence()
    except LeaseLost:
        return True
    return False


def test_names_are_those_of_flux() -> None:
    assert lease_name("source-controller") == "source-controller-leader-election"
    assert lease_name("source-controller", "shard=a") == (
        "source-controller-leader-election-3d8dfb26"
    )


def test_times_have_microseconds() -> None:
    assert micro_time(1_700_000_000.25) == "2023-11-14T22:13:20.250000Z"


async def test_a_lease_that_nobody_held_is_ours_at_once_and_written_as_client_go_does() -> None:
    api, clock = Api(), ManualClock()
    async with keeping(api, clock, NAME) as (leases, _):
        await leases.wait_held()
        leases.fence()
        instant = micro_time(clock.wall())

        assert api.objects[NAME]["spec"] == {
            "holderIdentity": "us",
            "leaseDurationSeconds": 35,
            "acquireTime": instant,
            "renewTime": instant,
            "leaseTransitions": 0,
        }


async def test_it_is_renewed_every_second_retry_period() -> None:
    api, clock = Api(), ManualClock()
    async with keeping(api, clock, NAME) as (leases, _):
        acquired = micro_time(clock.wall())
        await clock.advance(300)
        spec = api.objects[NAME]["spec"]

        assert not is_fenced(leases)
        assert (spec["acquireTime"], spec["leaseTransitions"]) == (acquired, 0)
        assert spec["renewTime"] == micro_time(clock.wall())
        await clock.advance(TERMS.retry_period)
        assert api.objects[NAME]["spec"] == spec


async def test_a_renewal_that_fails_is_tried_again_before_writing_must_stop() -> None:
    api, clock = Api(), ManualClock()
    async with keeping(api, clock, NAME) as (leases, _):
        api.is_down = True
        await clock.advance(TERMS.renewal + TERMS.retry_period - 0.1)
        assert not is_fenced(leases)
        api.is_down = False
        await clock.advance(0.1)

        assert api.objects[NAME]["spec"]["renewTime"] == micro_time(clock.wall())
        assert not is_fenced(leases)


async def test_a_renewal_without_an_answer_is_tried_again_at_once() -> None:
    api, clock = Api(), ManualClock()
    async with keeping(api, clock, NAME) as (leases, _):
        api.is_down, api.silence = True, partial(clock.sleep, TERMS.retry_period)
        await clock.advance(TERMS.renewal + TERMS.retry_period - 0.1)
        api.is_down = False
        await clock.advance(0.1)
        assert not is_fenced(leases)
        api.silence = anyio.lowlevel.checkpoint
        await clock.advance(TERMS.retry_period)

        assert not is_fenced(leases)


async def test_it_is_given_back_in_the_end_as_client_go_does() -> None:
    api, clock = Api(), ManualClock()
    async with keeping(api, clock, NAME) as (leases, scope):
        scope.cancel()
        await settle()
        spec = api.objects[NAME]["spec"]

        assert is_fenced(leases)
    assert "holderIdentity" not in spec
    assert (spec["leaseDurationSeconds"], spec["leaseTransitions"]) == (1, 0)


async def test_while_another_renews_we_wait_and_say_who_it_is() -> None:
    api, clock, told = Api(), ManualClock(), []
    api.foreign(NAME, "flux", clock)
    async with keeping(api, clock, NAME, told=told) as (leases, _):
        for _ in range(20):
            await clock.advance(10)
            api.foreign(NAME, "flux", clock)

        assert is_fenced(leases)
        assert told == [f"{NAME}: flux"]
        with pytest.raises(LeaseLost, match="held by 'flux': nothing written"):
            leases.fence()


async def test_a_released_lease_is_taken_over_and_written_with_at_once() -> None:
    api, clock = Api(), ManualClock()
    api.foreign(NAME, "flux", clock)
    async with keeping(api, clock, NAME) as (leases, _):
        await clock.advance(20)
        api.foreign(NAME, "", clock)
        await clock.advance(12)

        assert not is_fenced(leases)
        assert api.objects[NAME]["spec"]["leaseTransitions"] == 5


async def test_a_lease_is_given_back_even_if_the_answer_to_its_renewal_never_came() -> None:
    api, clock = Api(), ManualClock()
    async with keeping(api, clock, NAME):
        await clock.advance(1)
        api.foreign(NAME, "us", clock)

    assert not api.holder()


async def test_a_lease_is_not_given_back_while_a_write_of_ours_may_still_be_acted_on() -> None:
    api, clock = Api(), ManualClock()
    async with keeping(api, clock, NAME):
        await clock.advance(1)
        api.doubtful_until = clock.monotonic() + 20

    assert api.holder() == "us"


async def test_a_lease_that_ran_out_is_taken_but_written_with_only_after_the_last_write() -> None:
    api, clock = Api(), ManualClock()
    api.foreign(NAME, "flux", clock)
    seen_at = clock.monotonic()
    async with keeping(api, clock, NAME) as (leases, _):
        await clock.advance(34)
        assert api.holder() == "flux"
        await clock.advance(12)
        assert api.holder() == "us"
        assert is_fenced(leases)
        await clock.advance(20)

        assert not is_fenced(leases)
        assert clock.monotonic() - seen_at >= TERMS.duration + TERMS.request_timeout


async def test_writing_ends_long_before_others_may_take_it() -> None:
    api, clock = Api(), ManualClock()
    async with keeping(api, clock, NAME) as (leases, _):
        api.is_down = True
        await clock.advance(TERMS.duration - TERMS.margin - 0.1)
        assert not is_fenced(leases)
        await clock.advance(0.2)
        assert is_fenced(leases)
        api.is_down = False
        await clock.advance(5)

        assert not is_fenced(leases)


async def test_a_lease_not_renewed_by_its_deadline_is_lost() -> None:
    api, clock, lost_at = Api(), ManualClock(), []

    async def watch(leases: Leases) -> None:
        await leases.wait_lost()
        lost_at.append(clock.monotonic())

    async with keeping(api, clock, NAME) as (leases, _), anyio.create_task_group() as tasks:
        start = clock.monotonic()
        tasks.start_soon(watch, leases)
        await clock.advance(100)
        assert lost_at == []
        api.is_down = True
        await clock.advance(40)

    assert lost_at == [start + 130]


async def test_a_lease_that_somebody_deleted_is_made_again_at_its_next_renewal() -> None:
    api, clock = Api(), ManualClock()
    async with keeping(api, clock, NAME) as (leases, _):
        del api.objects[NAME]
        await clock.advance(TERMS.renewal)

        assert (api.holder(), is_fenced(leases)) == ("us", False)


async def test_a_deleted_lease_that_another_made_again_is_not_ours() -> None:
    api, clock = Api(), ManualClock()
    async with keeping(api, clock, NAME) as (leases, _):
        del api.objects[NAME]
        for _ in range(2):
            api.foreign(NAME, "them", clock)
        await clock.advance(TERMS.renewal)

        assert (api.holder(), is_fenced(leases)) == ("them", True)


async def test_a_jump_of_the_wall_clock_changes_nothing() -> None:
    api, clock = Api(), ManualClock()
    async with keeping(api, clock, NAME) as (leases, _):
        clock.jump_wall(-86400)
        await clock.advance(20)

        assert not is_fenced(leases)


async def test_all_of_a_group_are_needed_and_taken_in_order() -> None:
    api, clock, told = Api(), ManualClock(), []
    api.foreign("b", "flux", clock)
    async with keeping(api, clock, "c", "a", "b", told=told) as (leases, _):
        assert (api.holder("a"), api.holder("b"), "c" in api.objects) == ("us", "flux", False)
        assert is_fenced(leases)
        api.foreign("b", "", clock)
        await clock.advance(12)

        assert not is_fenced(leases)
        assert [api.holder(name) for name in "abc"] == ["us"] * 3
    assert told == ["b: flux"]


async def test_two_engines_never_may_write_together() -> None:
    api, clock = Api(), ManualClock()
    async with (
        keeping(api, clock, "a", "b", identity="one") as (one, first),
        keeping(api, clock, "a", "b", identity="two") as (two, _),
    ):
        for _ in range(10):
            await clock.advance(7)
            assert (is_fenced(one), is_fenced(two)) == (False, True)
        first.cancel()
        await clock.advance(12)

        assert (is_fenced(one), is_fenced(two)) == (True, False)


def test_somebody_elses_write_is_noticed() -> None:
    lease = Lease("a", "us")
    lease.taken({"spec": {"holderIdentity": "us"}}, 10, TERMS)
    assert lease.holds(11, TERMS)
    lease.observe({"spec": {"holderIdentity": "them"}}, 12)

    assert not lease.holds(12, TERMS)
    assert lease.is_lost(12, TERMS)


def test_a_lease_must_leave_time_to_write() -> None:
    assert longest_write(35, 5) == 23
    assert longest_write(15, 2) == 9
    assert Terms(request_timeout=23).margin == 25


@pytest.mark.parametrize(
    ("terms", "renewal"),
    [
        (Terms(), 10),
        (Terms(request_timeout=19), 5),
        (Terms(renew_deadline=19), 5),
        (Terms(duration=15, renew_deadline=10, retry_period=2, request_timeout=5), 4),
    ],
)
def test_a_lease_is_renewed_half_as_often_only_where_one_renewal_may_fail(
    terms: Terms, renewal: float
) -> None:
    assert terms.renewal == renewal


@pytest.mark.parametrize(
    ("terms", "rule"),
    [
        (
            {"duration": 60, "request_timeout": 49},
            "leaves 48s; .* to 1m1s",
        ),
        ({"duration": 12, "renew_deadline": 11}, "leaves 0s; lower"),
        ({"duration": 30}, "the renew deadline must be shorter than the lease duration"),
        ({"retry_period": 25}, "the renew deadline must be longer than 1.2 retry periods"),
        ({"duration": 35.5}, "the lease duration must be whole seconds"),
        ({"retry_period": 0}, "each must be above 0s"),
    ],
)
def test_terms_that_do_not_fit_name_the_flags_their_values_and_the_rule(
    terms: dict[str, float], rule: str
) -> None:
    with pytest.raises(UnfitTerms, match=f"=.* and --request-timeout=.*s: .*{rule}"):
        Terms(**terms)  # type: ignore[arg-type] # durations only
