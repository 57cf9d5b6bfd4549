"""The search for objects that wait for each other."""

from collections.abc import Iterable, Mapping

from engine.objects.ref import Ref
from engine.reconcile.cycles import cycle_of


def ref(name: str) -> Ref:
    return Ref("kustomize.toolkit.fluxcd.io", "Kustomization", "team", name)


def found(graph: Mapping[str, Iterable[str]], start: str) -> str:
    seen = 0

    def waits_for(one: Ref) -> Iterable[Ref]:
        nonlocal seen
        names = [ref(name) for name in graph.get(one.name, ())]
        seen += len(names)
        assert seen < 30_000
        return names

    return cycle_of(ref(start), [ref(name) for name in graph[start]], waits_for)


def test_the_shortest_way_back_is_named() -> None:
    graph = {"a": ["b", "c"], "b": ["c"], "c": ["d"], "d": ["a"]}

    assert found(graph, "a") == "team/a -> team/c -> team/d -> team/a"
    assert found({**graph, "d": ["b"]}, "a") == ""


def test_hundreds_that_all_wait_for_each_other_are_not_searched_to_the_end() -> None:
    """That took a second for each of their runs, in which nobody else had a turn."""
    names = [f"k{number}" for number in range(400)]
    graph = {name: [other for other in names if other != name] for name in names}

    assert found({**graph, "outside": names}, "outside") == ""


def test_a_large_fleet_is_searched_whole() -> None:
    graph = {
        f"k{number}": [f"k{(number + step) % 3000}" for step in (1, 2, 3)] for number in range(3000)
    }

    assert found(graph, "k0").startswith("team/k0 -> ")


def test_where_all_wait_for_all_everybody_finds_the_way_back() -> None:
    names = [f"n{number:03}" for number in range(150)]
    graph = {name: [each for each in names if each != name] for name in names}

    assert found(graph, "n149") == "team/n149 -> team/n000 -> team/n149"
    assert found({"a": ["a"]}, "a") == "team/a -> team/a"
