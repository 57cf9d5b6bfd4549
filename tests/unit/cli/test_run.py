import pytest

from engine.app import State


def test_an_address_is_logged_when_it_is_known(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="lockstep"):
        state = State()
        state.serves("health", "127.0.0.1:1")

    assert caplog.messages == ["serving health on 127.0.0.1:1"]
    assert state.addresses == {"health": "127.0.0.1:1"}
