from random import Random

import pytest

from engine.runtime.backoff import Failures, delay_after, jittered


@pytest.mark.parametrize(
    ("failures", "wanted"), [(1, 0.75), (2, 1.5), (3, 3.0), (11, 768.0), (12, 900.0), (5000, 900.0)]
)
def test_the_delay_doubles_from_750_ms_to_15_minutes(failures: int, wanted: float) -> None:
    assert delay_after(failures) == wanted


def test_failures_are_counted_for_each_key_until_it_succeeds() -> None:
    failures: Failures[str] = Failures()

    assert [failures.add("a"), failures.add("a"), failures.add("b")] == [0.75, 1.5, 0.75]
    failures.forget("a")
    assert (failures.count("a"), failures.count("b"), failures.add("a")) == (0, 1, 0.75)


def test_jitter_stays_within_its_fraction_and_reaches_both_sides() -> None:
    random = Random(1)
    drawn = [jittered(600, 0.05, random) for _ in range(500)]

    assert min(drawn) >= 570
    assert max(drawn) <= 630
    assert min(drawn) < 575 < 625 < max(drawn)


def test_no_jitter_is_exact() -> None:
    assert jittered(600, 0, Random(1)) == 600
