import pytest

from engine.cluster.concurrency import LONGEST_PAUSE, Bounds, Concurrency


def rounds(concurrency: Concurrency, count: int, duration: float, now: float = 0.0) -> None:
    """Fill every slot and have all answered after `duration`, `count` times."""
    for _ in range(count):
        limit = max(concurrency.limit, 8)
        crowds = [concurrency.start() for _ in range(limit)]
        for crowd in crowds:
            concurrency.answered("get pods", duration, max(crowd, limit), now)
            concurrency.end()


def one_by_one(concurrency: Concurrency, count: int, duration: float) -> None:
    for _ in range(count):
        concurrency.answered("get pods", duration, concurrency.start(), 0)
        concurrency.end()


def test_quick_answers_raise_the_limit_by_one_a_round_to_its_bound_while_it_is_used() -> None:
    concurrency = Concurrency(Bounds(start=8, most=10))
    rounds(concurrency, 1, 0.01)
    assert concurrency.limit == 9
    rounds(concurrency, 50, 0.01)

    assert concurrency.limit == 10


def test_a_limit_that_is_not_used_does_not_grow() -> None:
    concurrency = Concurrency(Bounds(start=8))
    one_by_one(concurrency, 1000, 0.01)

    assert concurrency.limit == 8


def test_slow_answers_lower_the_limit_in_their_measure_but_by_half_a_round_at_most() -> None:
    little, much = (Concurrency(Bounds(start=20, slack=0)) for _ in range(2))
    for concurrency, duration in ((little, 0.05), (much, 2.0)):
        one_by_one(concurrency, 8, 0.01)
        rounds(concurrency, 1, duration)

    assert (little.limit, much.limit) == (16, 10)  # 0.05 s is 1.25 times what is tolerated


def test_the_limit_does_not_fall_below_its_bound_where_it_learns_what_is_usual_now() -> None:
    concurrency = Concurrency(Bounds(start=20, least=3))
    one_by_one(concurrency, 8, 0.01)
    rounds(concurrency, 4, 2.0)
    assert concurrency.limit == 3
    one_by_one(concurrency, 8, 2.0)
    rounds(concurrency, 4, 2.0)

    assert concurrency.limit > 3


def test_a_few_slow_answers_in_a_round_say_nothing() -> None:
    concurrency = Concurrency(Bounds(start=16))
    one_by_one(concurrency, 8, 0.01)
    for number in range(160):
        concurrency.answered("get pods", 5.0 if number % 3 == 0 else 0.01, concurrency.start(), 0)
        concurrency.end()

    assert concurrency.limit == 16


def test_each_operation_is_compared_with_itself() -> None:
    concurrency = Concurrency(Bounds(start=16))
    for _ in range(20):
        for operation, duration in (("get pods", 0.01), ("list pods", 2.0), ("list pods", 2.1)):
            concurrency.answered(operation, duration, concurrency.start(), 0)
            concurrency.end()

    assert concurrency.limit == 16


def test_congestion_does_not_pass_for_the_usual_within_minutes() -> None:
    concurrency = Concurrency(Bounds(start=32))
    one_by_one(concurrency, 8, 0.01)
    for second in range(60):
        concurrency._limit = 32.0
        rounds(concurrency, 1, 1.0, now=float(second))
        assert concurrency.limit < 32


def test_a_refusal_pauses_everybody_as_long_as_it_says_but_30_seconds_at_most() -> None:
    concurrency = Concurrency(Bounds(start=20))
    concurrency.reject(5, now=100)
    assert (concurrency.is_paused(104.9), concurrency.is_paused(105)) == (True, False)
    concurrency.reject(1, now=100)
    assert concurrency.is_paused(104.9)
    concurrency.reject(3600, now=200)

    assert (concurrency.is_paused(229), concurrency.is_paused(200 + LONGEST_PAUSE)) == (True, False)
    assert concurrency.rejected == 3


def test_refusals_that_come_together_lower_the_limit_once() -> None:
    concurrency = Concurrency(Bounds(start=20))
    for _ in range(20):
        concurrency.reject(1, now=100)
    assert concurrency.limit == 14
    concurrency.reject(1, now=101.5)

    assert concurrency.limit == 9


def test_missing_answers_lower_the_limit_once_for_all_that_waited_together() -> None:
    concurrency = Concurrency(Bounds(start=20))
    for _ in range(20):
        concurrency.unanswered(20.0, now=120)

    assert concurrency.limit == 14


@pytest.mark.parametrize(("least", "start", "most", "limit"), [(2, 16, 4, 4), (2, 16, 64, 16)])
def test_it_begins_within_its_bounds(least: int, start: int, most: int, limit: int) -> None:
    assert Concurrency(Bounds(least=least, start=start, most=most)).limit == limit


def test_percentiles_are_of_the_last_answers() -> None:
    concurrency = Concurrency(Bounds())
    assert concurrency.percentile(0.5) == 0
    one_by_one(concurrency, 1000, 9.0)
    for number in range(512):
        concurrency.answered("get", float(number), 1, 0)

    assert (concurrency.percentile(0.5), concurrency.percentile(0.99)) == (256, 506)
    assert concurrency.percentile(1.0) == 511
