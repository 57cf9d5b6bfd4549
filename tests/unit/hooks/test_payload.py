import pytest

from engine.hooks import Refused
from engine.hooks.payload import object_of, request_of


@pytest.mark.parametrize("value", [b"[]", b"{}", b"1", b'""'])
def test_a_body_of_a_million_values_is_refused_before_it_takes_memory(value: bytes) -> None:
    body = b'{"a": [' + b",".join([value] * 500_000) + b"]}"

    for parse in (object_of, request_of):
        with pytest.raises(Refused, match="more than 200000 values"):
            parse(body)


def test_a_long_body_of_few_values_is_read() -> None:
    body = b'{"a": "' + b"x" * 3_000_000 + b'", "n": [1, null]}'

    assert request_of(body)["n"] == [1.0, None]
