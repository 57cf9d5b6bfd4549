"""Problems with their entries: none is lost, and no message grows without end."""

import pytest

from engine.render.kustomize.declared import Declared
from engine.render.kustomize.errors import (
    MAX_LINE,
    EntryError,
    KustomizeError,
    LocatedError,
    at,
    bounded,
    collected,
    listed,
    nearest,
)


def failing(text: str) -> str:
    raise KustomizeError(text)


def test_all_entries_are_tried_and_each_problem_names_its_own() -> None:
    with pytest.raises(EntryError) as caught, at("patches"):
        collected([((n,), lambda n=n: failing(f"no {n}")) for n in range(2)])  # type: ignore[misc]  # bound now

    assert str(caught.value) == "patches[0]: no 0\npatches[1]: no 1"


def test_what_already_says_where_it_is_stays_as_it_is() -> None:
    with pytest.raises(LocatedError) as caught, at("patches", 0):
        raise LocatedError(["a.yaml:1: wrong"])

    assert caught.value.problems == ("a.yaml:1: wrong",)


def test_a_very_long_problem_loses_its_middle() -> None:
    text = listed(["begin " + "x" * 100_000 + " end"])

    assert text.startswith("begin ")
    assert text.endswith(" end")
    assert len(text) < MAX_LINE + 10


def test_a_text_may_not_grow_longer_than_any_cluster_takes() -> None:
    assert bounded("x") == "x"
    with pytest.raises(KustomizeError, match="longer than 8,388,608 characters"):
        bounded("x" * (8 * 1024 * 1024 + 1))


def test_only_short_names_are_compared() -> None:
    assert nearest("deploy.yml", ["deploy.yaml", "x"]) == "; there is 'deploy.yaml'"
    assert nearest("a" * 300, ["a" * 299]) == ""


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        (("patches", 0, "target"), ("patches[0].target", False)),
        (("patches", 1, "target"), ("spec.patches[0].target", True)),
        (("namespace",), ("spec.targetNamespace", True)),
        (("images", 0), ("images[0]", False)),
    ],
)
def test_an_entry_of_the_spec_is_called_as_there(
    entry: tuple[str | int, ...], name: tuple[str, bool]
) -> None:
    declared = Declared(
        {"patches": [{}, {}]},
        "k.yaml",
        added={"patches": 1},
        given={"namespace": "targetNamespace"},
    )

    assert declared.named(entry) == name


def test_entries_of_a_deprecated_field_follow_those_of_the_new_one() -> None:
    declared = Declared({"resources": ["a"], "bases": ["b"]}, "k.yaml")

    assert declared.written(("resources", 0)) == ("resources", 0)
    assert declared.written(("resources", 1)) == ("bases", 0)
