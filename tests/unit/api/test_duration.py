import pytest

from engine.api.duration import Interval, Timeout, format_duration, parse_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (60, "1m0s"),
        (600, "10m0s"),
        (3600, "1h0m0s"),
        (90061.25, "25h1m1.25s"),
        (0.5, "500ms"),
        (0.0015, "1.5ms"),
        (85.5e-6, "85.5µs"),
        (1e-9, "1ns"),
        (1e-10, "0s"),
        (59.9999999999, "1m0s"),
        (1.000000001, "1.000000001s"),
        (-90, "-1m30s"),
    ],
)
def test_a_duration_is_printed_as_go_prints_it(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("-0", 0),
        ("1h30m", 5400),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("1.s", 1),
        ("+5s", 5),
        ("-1m30s", -90),
        ("1s1s", 2),
        ("85.5µs", 85.5e-6),
        ("85.5μs", 85.5e-6),
        ("1.9ns", 1e-9),
    ],
)
def test_what_go_reads_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "1", "s", ".s", "1 s", "--1s", "+-0", "1d", "1S", "1s\n", "1m 5s", "\u0661s", "1e3s"],
)
def test_what_go_does_not_read_is_quoted_in_the_error(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration") as caught:
        parse_duration(text)

    assert repr(text) in str(caught.value)


def test_a_duration_of_more_than_292_years_is_refused() -> None:
    assert parse_duration("2562047h") == 2562047 * 3600
    with pytest.raises(ValueError, match="292 years"):
        parse_duration("2562048h")


@pytest.mark.parametrize("text", ["-1s", "5us", "1", ".5s", ""])
def test_the_spec_of_an_object_takes_fewer_forms(text: str) -> None:
    with pytest.raises(ValueError, match="does not match"):
        Interval.parse(text)


def test_a_timeout_has_no_hours() -> None:
    assert Interval.parse("1h") == 3600
    assert Timeout.parse("60m") == 3600
    with pytest.raises(ValueError, match="does not match"):
        Timeout.parse("1h")


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (Interval(5400), "1h30m0s"),
        (Interval(0.0001), "0.1ms"),
        (Timeout(5400), "90m0s"),
        (Timeout(0.5), "500ms"),
    ],
)
def test_the_text_of_a_duration_is_one_that_its_object_may_hold(
    duration: Interval | Timeout, text: str
) -> None:
    assert duration.text == text
    assert type(duration).parse(text) == duration


@pytest.mark.parametrize("text", ["9" * 500_000 + "h", "1h" * 500_000])
def test_a_duration_of_a_megabyte_is_refused_and_not_quoted(text: str) -> None:
    """It took seconds to minutes to read, in which no other object had a turn."""
    for parse in (parse_duration, Interval.parse):
        with pytest.raises(
            ValueError, match=r"^a duration has at most 200 characters, not [0-9]+$"
        ):
            parse(text)
