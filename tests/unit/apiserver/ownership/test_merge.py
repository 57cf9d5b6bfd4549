import pytest

from engine.apiserver.ownership.merge import Contested, Merger, State
from engine.apiserver.typed.type import DEDUCED
from engine.objects.field_path import path_text
from engine.objects.fields import FieldSet

MERGER = Merger(DEDUCED)
NOTHING: State[str] = State(None)


def owners(state: State[str]) -> dict[str, str]:
    """The paths of each owner, in one line."""
    return {
        name: " ".join(map(path_text, owned.fields.paths())) for name, owned in state.owners.items()
    }


def test_what_an_applier_no_longer_says_is_removed():
    state = MERGER.apply(NOTHING, {"a": 1, "b": 2}, "v1", "me")

    state = MERGER.apply(state, {"b": 2}, "v1", "me")

    assert (state.value, owners(state)) == ({"b": 2}, {"me": ".b"})


@pytest.mark.parametrize(("emptied", "left"), [(True, {}), (False, None)])
def test_what_an_apply_empties_stays_or_becomes_null(emptied, left):
    merger = Merger(DEDUCED, emptied=emptied)
    state = merger.apply(NOTHING, {"a": {"b": 1}}, "v1", "me")
    state = merger.update(state, {"a": {"b": 1}, "c": 1}, "v1", "you")
    state = merger.apply(state, {"a": {"b": 1}, "d": {}}, "v1", "me")

    state = merger.apply(state, {"a": {}}, "v1", "me")

    assert state.value == {"a": left, "c": 1}


def test_what_somebody_else_also_owns_stays():
    state = MERGER.apply(NOTHING, {"a": 1, "b": 2}, "v1", "me")
    state = MERGER.apply(state, {"a": 1}, "v2", "you")

    state = MERGER.apply(state, {"b": 2}, "v1", "me")

    assert (state.value, owners(state)) == ({"a": 1, "b": 2}, {"me": ".b", "you": ".a"})


def test_what_an_updater_changed_is_contested_and_force_takes_it():
    state = MERGER.apply(NOTHING, {"a": 1, "b": 2}, "v1", "me")
    state = MERGER.update(state, {"a": 3, "b": 2}, "v1", "you")

    with pytest.raises(Contested) as caught:
        MERGER.apply(state, {"a": 1, "b": 2}, "v1", "me")
    forced = MERGER.apply(state, {"a": 1, "b": 2}, "v1", "me", force=True)

    assert caught.value.by == [("you", ("f:a",))]
    assert (forced.value, owners(forced)) == ({"a": 1, "b": 2}, {"me": ".a .b"})


def test_the_same_value_is_shared_without_a_conflict():
    state = MERGER.apply(NOTHING, {"a": 1}, "v1", "me")

    state = MERGER.apply(state, {"a": 1}, "v1", "you")

    assert owners(state) == {"me": ".a", "you": ".a"}


def test_an_update_takes_what_it_changes_and_drops_what_it_removes():
    state = MERGER.apply(NOTHING, {"a": 1, "b": {"c": 1, "d": 1}}, "v1", "me")

    state = MERGER.update(state, {"b": {"c": 2}}, "v1", "you")

    assert owners(state) == {"me": ".b", "you": ".b.c"}


def test_an_apply_that_changes_nothing_gives_back_the_very_value():
    state = MERGER.apply(NOTHING, {"a": 1}, "v1", "me")

    assert MERGER.apply(state, {"a": 1}, "v1", "you").value is state.value


def test_ignored_fields_are_written_and_owned_by_nobody():
    merger = Merger(DEDUCED, {"v1": FieldSet.of([("f:status",)])})

    state = merger.apply(NOTHING, {"a": 1, "status": {"b": 1}}, "v1", "me")
    updated = merger.update(state, {"a": 2, "status": {"b": 2}}, "v1", "you")

    assert owners(state) == {"me": ".a"}
    assert owners(updated) == {"you": ".a"}


def test_several_conflicts_are_sorted_by_owner_and_path():
    state = MERGER.apply(NOTHING, {"b": 1, "c": 1}, "v1", "z")
    state = MERGER.apply(state, {"a": 1}, "v1", "y")

    with pytest.raises(Contested) as caught:
        MERGER.apply(state, {"a": 2, "b": 2, "c": 2}, "v1", "me")

    assert caught.value.by == [("y", ("f:a",)), ("z", ("f:b",)), ("z", ("f:c",))]
