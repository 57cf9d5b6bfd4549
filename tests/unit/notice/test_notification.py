from typing import Any

import pytest

from engine.api.decode import Undecodable
from engine.notice import read
from engine.notice.notification import identity, restored, without_token

GROUP = "kustomize.toolkit.fluxcd.io"


def body(**more: Any) -> dict[str, Any]:
    return {
        "involvedObject": {
            "kind": "Kustomization",
            "namespace": "ns",
            "name": "app",
            "uid": "u",
            "apiVersion": f"{GROUP}/v1",
        },
        "severity": "info",
        "timestamp": "2026-11-23T10:00:00Z",
        "message": "m",
        "reason": "Progressing",
        "metadata": {f"{GROUP}/revision": "main@sha1:" + "a" * 40},
        "reportingController": "kustomize-controller",
        "reportingInstance": "host",
        **more,
    }


def test_an_event_is_written_as_it_was_read() -> None:
    assert read(body()).as_json() == body()


def test_what_is_stored_is_restored_whatever_its_metadata() -> None:
    notification = read(body())

    assert restored(notification.as_json()) == notification


def test_nothing_is_required_and_null_is_absent() -> None:
    notification = read({"metadata": None, "involvedObject": {"name": None}, "timestamp": None})

    assert notification.as_json() == {
        "involvedObject": {},
        "severity": "",
        "timestamp": "0001-01-01T00:00:00Z",
        "message": "",
        "reason": "",
        "reportingController": "",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        "event",
        None,
        body(message=5),
        body(metadata={"a": 1}),
        body(metadata=[]),
        body(timestamp="yesterday"),
        body(involvedObject="app"),
    ],
)
def test_what_is_no_event_is_refused(wrong: Any) -> None:
    with pytest.raises(Undecodable):
        read(wrong)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_an_instant_out_of_all_bounds_is_none(at: str) -> None:
    assert read(body(timestamp=at)).at == "0001-01-01T00:00:00Z"


def test_a_long_message_is_cut() -> None:
    assert len(read(body(message="x" * 50_000)).message) == 39_000


def test_only_metadata_of_two_groups_is_told_and_no_checksum() -> None:
    metadata = {
        f"{GROUP}/revision": "r",
        f"{GROUP}/checksum": "c",
        f"{GROUP}/Digest": "d",
        "event.toolkit.fluxcd.io/team": "a",
        "other.io/key": "o",
        "plain": "p",
    }

    assert read(body(metadata=metadata)).metadata == {
        f"{GROUP}/revision": "r",
        "event.toolkit.fluxcd.io/team": "a",
    }


def test_the_token_tells_repetitions_apart_and_is_not_told() -> None:
    one, other = (read(body(metadata={f"{GROUP}/token": token})) for token in "ab")

    assert identity(one) != identity(other)
    assert without_token(one).metadata == {}


@pytest.mark.parametrize(
    ("more", "is_same"),
    [
        ({"timestamp": "2026-11-23T11:00:00Z", "reason": "Other", "severity": "error"}, True),
        ({"message": "other"}, False),
        ({"metadata": {f"{GROUP}/revision": "r2"}}, False),
        ({"metadata": {f"{GROUP}/originRevision": "r2"}}, False),
    ],
)
def test_events_are_the_same_by_object_message_and_revision(
    more: dict[str, Any], *, is_same: bool
) -> None:
    assert (identity(read(body())) == identity(read(body(**more)))) is is_same
