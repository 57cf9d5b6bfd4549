from pathlib import Path

import pytest

from engine.apiserver.errors import Refused
from engine.apiserver.storage.sqlite import SqliteJournal
from engine.apiserver.storage.store import Change, Key, Store

A = Key("configmaps", "default", "a")
B = Key("configmaps", "other", "b")


def obj(value: str) -> dict[str, object]:
    return {"metadata": {"name": "a"}, "data": {"k": value}}


def texts(changes: list[Change]) -> list[str]:
    return [f"{change.type} {change.record.key.name} {change.revision}" for change in changes]


def test_every_change_has_its_own_revision() -> None:
    store = Store()
    first, second = store.put(A, obj("1")), store.put(A, obj("2"))

    assert (first.revision, second.revision) == (1, 2)
    assert second.obj["metadata"]["resourceVersion"] == "2"
    assert first.obj["data"] == {"k": "1"}


def test_history_tells_what_happened_since_a_revision() -> None:
    store = Store()
    store.put(A, obj("1"))
    store.put(A, obj("2"))
    store.put(B, obj("1"))
    store.delete(A)

    assert texts(store.history("configmaps", 1)) == ["MODIFIED a 2", "ADDED b 3", "DELETED a 4"]


def test_history_older_than_the_window_is_gone() -> None:
    store = Store(window=2)
    for value in "1234":
        store.put(A, obj(value))

    with pytest.raises(Refused, match=r"too old resource version: 1 \(2\)"):
        store.history("configmaps", 1)
    assert texts(store.history("configmaps", 2)) == ["MODIFIED a 3", "MODIFIED a 4"]


def test_a_list_of_the_past_takes_changes_back() -> None:
    store = Store()
    store.put(A, obj("1"))
    store.put(B, obj("1"))
    store.put(A, obj("2"))
    store.delete(B)

    then = store.records_at("configmaps", None, 2)

    assert [(record.key.name, record.obj["data"]) for record in then] == [
        ("a", {"k": "1"}),
        ("b", {"k": "1"}),
    ]


def test_records_are_sorted_by_namespace_and_name() -> None:
    store = Store()
    for key in (B, Key("configmaps", "default", "z"), A):
        store.put(key, obj("1"))

    assert [record.key.name for record in store.records("configmaps")] == ["a", "z", "b"]
    assert [record.key.name for record in store.records("configmaps", "other")] == ["b"]


def test_it_holds_what_was_put_until_it_is_deleted() -> None:
    store = Store()
    store.put(Key("things", "a", "x"), obj("1"))

    before = (store.holds("things"), store.holds("things", "a"), store.holds("things", "b"))
    store.delete(Key("things", "a", "x"))

    assert before == (True, True, False)
    assert (store.holds("things"), store.holds("things", "a"), store.holds("others")) == (
        False,
    ) * 3


def test_an_encoded_form_is_made_once() -> None:
    made: list[int] = []
    record = Store().put(A, obj("1"))

    def encode(value: object) -> object:
        made.append(1)
        return value

    assert record.encoded("x", encode) == record.encoded("x", encode)
    assert len(made) == 1


def test_objects_and_the_revision_survive_in_sqlite(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "objects.db")
    store = Store(journal=journal)
    store.put(A, obj("1"))
    store.put(B, obj("1"))
    store.delete(B)
    journal.close()

    again = SqliteJournal(tmp_path / "objects.db")
    loaded = Store(journal=again)

    assert loaded.revision == 3
    assert [record.key for record in loaded.records("configmaps")] == [A]
    with pytest.raises(Refused, match="too old"):
        loaded.history("configmaps", 1)
    again.close()
