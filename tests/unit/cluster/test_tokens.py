"""Credentials that are kept: how long, for whom, and what is counted."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
import pytest

from engine.cluster.tokens import Asker, Tokens
from engine.objects.ref import Ref
from engine.telemetry import Metrics
from tests.support.clock import ManualClock

APP = Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "flux", "app")


@dataclass(frozen=True)
class Credential:
    number: int
    expires_at: float


class Bank:
    """Gives credentials that are numbered, and good for `seconds`."""

    def __init__(self, clock: ManualClock, seconds: float = 100.0) -> None:
        self.clock, self.seconds, self.given = clock, seconds, 0

    async def __call__(self) -> Credential:
        self.given += 1
        return Credential(self.given, self.clock.wall() + self.seconds)


def tokens_of(clock: ManualClock, size: int = 10, longest: float = 3600.0) -> Tokens:
    return Tokens(clock, Metrics(), size, longest)


async def test_a_credential_is_used_for_four_fifths_of_its_life() -> None:
    clock = ManualClock()
    bank, tokens = Bank(clock), tokens_of(clock)
    await tokens.get("k", bank)
    await clock.advance(79)
    assert (await tokens.get("k", bank)).number == 1
    await clock.advance(1)

    assert (await tokens.get("k", bank)).number == 2


async def test_no_credential_is_used_longer_than_the_setting_says() -> None:
    clock = ManualClock()
    bank, tokens = Bank(clock, 1e6), tokens_of(clock, longest=10.0)
    await tokens.get("k", bank)
    await clock.advance(10)

    assert (await tokens.get("k", bank)).number == 2


async def test_a_machine_that_slept_does_not_use_what_has_ended_meanwhile() -> None:
    clock = ManualClock()
    bank, tokens = Bank(clock), tokens_of(clock)
    await tokens.get("k", bank)
    clock.jump_wall(90)

    assert (await tokens.get("k", bank)).number == 2


async def test_a_credential_that_has_ended_already_is_not_kept() -> None:
    clock = ManualClock()
    bank, tokens = Bank(clock, 0.0), tokens_of(clock)
    await tokens.get("k", bank)

    assert (await tokens.get("k", bank)).number == 2


async def test_another_key_gets_another_credential() -> None:
    clock = ManualClock()
    bank, tokens = Bank(clock), tokens_of(clock)

    assert (await tokens.get("a", bank)) != (await tokens.get("b", bank))


async def test_what_was_used_longest_ago_goes_first() -> None:
    clock = ManualClock()
    bank, tokens = Bank(clock), tokens_of(clock, size=2)
    for key in ("a", "b", "a", "c"):  # `b` goes
        await tokens.get(key, bank)

    assert (await tokens.get("a", bank)).number == 1
    assert (await tokens.get("b", bank)).number == 4


async def test_a_cache_of_no_size_keeps_nothing() -> None:
    clock = ManualClock()
    bank, tokens = Bank(clock), tokens_of(clock, size=0)
    await tokens.get("k", bank)

    assert (await tokens.get("k", bank)).number == 2


def gated(
    bank: Bank, gate: anyio.Event, error: Exception | None = None
) -> Callable[[], Awaitable[Credential]]:
    async def fetch() -> Credential:
        await gate.wait()
        given = await bank()
        if error is not None:
            raise error
        return given

    return fetch


async def test_what_many_ask_for_at_once_is_fetched_once() -> None:
    clock = ManualClock()
    bank, tokens, gate = Bank(clock), tokens_of(clock), anyio.Event()
    found: list[Credential] = []

    async def ask() -> None:
        found.append(await tokens.get("k", gated(bank, gate)))

    async with anyio.create_task_group() as many:
        for _ in range(20):
            many.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        gate.set()

    assert {each.number for each in found} == {1}
    assert bank.given == 1


async def test_a_refusal_is_told_to_all_who_waited_and_is_not_kept() -> None:
    clock = ManualClock()
    bank, tokens, gate = Bank(clock), tokens_of(clock), anyio.Event()
    told: list[str] = []

    async def ask() -> None:
        with pytest.raises(ValueError, match="denied") as refused:
            await tokens.get("k", gated(bank, gate, ValueError("denied")))
        told.append(str(refused.value))

    async with anyio.create_task_group() as many:
        for _ in range(5):
            many.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        gate.set()

    assert (len(told), bank.given) == (5, 1)
    assert (await tokens.get("k", bank)).number == 2


async def test_when_who_fetches_gives_up_another_one_fetches() -> None:
    clock = ManualClock()
    bank, tokens, gate = Bank(clock), tokens_of(clock), anyio.Event()
    first = anyio.CancelScope()
    found: list[Credential] = []

    async def impatient() -> None:
        with first:
            await tokens.get("k", gated(bank, anyio.Event()))

    async def patient() -> None:
        found.append(await tokens.get("k", gated(bank, gate)))

    async with anyio.create_task_group() as both:
        both.start_soon(impatient)
        await anyio.wait_all_tasks_blocked()
        both.start_soon(patient)
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        gate.set()

    assert [each.number for each in found] == [1]


async def test_the_counts_are_fluxs() -> None:
    clock, series = ManualClock(), Metrics()
    bank, tokens = Bank(clock), Tokens(clock, series, 1, 3600.0)
    asker = Asker(APP, "decrypt_with_aws")
    await tokens.get("a", bank, asker)
    await tokens.get("a", bank, asker)
    await tokens.get("b", bank)
    with pytest.raises(ZeroDivisionError):
        await tokens.get("c", gated(bank, _set(), ZeroDivisionError()))

    text = series.text().decode()
    labels = 'kind="Kustomization",name="app",namespace="flux",operation="decrypt_with_aws"} 1.0'
    assert f'gotk_token_cache_events_total{{event_type="cache_miss",{labels}' in text
    assert f'gotk_token_cache_events_total{{event_type="cache_hit",{labels}' in text
    assert 'gotk_token_cache_requests_total{status="success"} 3.0' in text
    assert 'gotk_token_cache_requests_total{status="failure"} 1.0' in text
    assert "gotk_token_cache_evictions_total 1.0" in text
    assert "gotk_token_cached_items 1.0" in text


async def test_a_deleted_objects_counts_go_with_it() -> None:
    clock, series = ManualClock(), Metrics()
    tokens = Tokens(clock, series, 1, 3600.0)
    await tokens.get("a", Bank(clock), Asker(APP, "reconcile"))

    series.forget("Kustomization", "flux", "app")

    assert "decrypt" not in series.text().decode()
    assert 'name="app"' not in series.text().decode()


def test_what_is_kept_is_never_shown() -> None:
    assert repr(tokens_of(ManualClock())) == "<Tokens: 0 of 10>"


def _set() -> anyio.Event:
    event = anyio.Event()
    event.set()
    return event


async def test_what_only_one_who_is_gone_was_given_is_not_kept() -> None:
    clock = ManualClock()
    bank, tokens = Bank(clock), tokens_of(clock)
    one, other = (Ref("", "ConfigMap", "ns", name) for name in "ab")
    await tokens.get("shared", bank, Asker(one, "git"))
    await tokens.get("shared", bank, Asker(other, "git"))
    await tokens.get("own", bank, Asker(one, "git"))
    tokens.forget(one)
    kept = repr(tokens)
    tokens.forget(other)

    assert kept == "<Tokens: 1 of 10>"
    assert repr(tokens) == "<Tokens: 0 of 10>"
