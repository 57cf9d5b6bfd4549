from itertools import count
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import soak


def test_a_law_is_tried_again_with_new_examples_until_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []
    # A second goes by at each look.
    monkeypatch.setattr(soak, "time", SimpleNamespace(monotonic=count().__next__))

    @settings(max_examples=3, database=None, derandomize=False)  # CI's default is True
    @given(st.integers(min_value=2**32))
    def law(number: int) -> None:
        seen.append(number)

    soak.repeated(law, 4)()

    assert len(seen) == 4 * 3
    assert len(set(seen)) > 3


def test_a_law_is_tried_once_even_if_no_time_is_left() -> None:
    tried: list[str] = []

    soak.repeated(tried.append, 0.0)("once")

    assert tried == ["once"]


def test_what_fails_in_a_soak_fails_at_once() -> None:
    def law() -> None:
        raise KeyError("found")

    with pytest.raises(KeyError, match="found"):
        soak.repeated(law, 1000.0)()


def test_only_laws_share_the_time_of_a_soak(request: pytest.FixtureRequest) -> None:
    @given(st.integers())
    def law(number: int) -> None:
        pass

    items = [
        pytest.Function.from_parent(request.node.parent, name="law", callobj=each)
        for each in (law, law, request.function)
    ]

    assert [soak.is_law(each) for each in items] == [True, True, False]
    assert soak.share_of_laws(items) == soak.SECONDS * soak.LAWS / 2
    assert soak.share_of_laws(items[2:]) == 0
