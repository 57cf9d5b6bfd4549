import pytest

from benchmarks.weight import Fleet, table_of, weights
from benchmarks.workload import Workload
from engine.render import Request, render
from engine.source.tree import MemoryTree

pytestmark = pytest.mark.slow
FLEET = Workload(20, 10)
PARTS = ["live view", "watches", "claims", "builds", "Kustomizations"]


@pytest.fixture(scope="module")
def found() -> dict[str, float]:
    return weights(FLEET)


def test_the_live_view_and_the_claims_of_an_object_take_less_than_a_kibibyte(
    found: dict[str, float],
) -> None:
    assert found["live view"] + found["claims"] < 1024


def test_a_build_takes_a_fraction_of_its_objects_in_memory(found: dict[str, float]) -> None:
    assert found["builds"] < 600  # decoded they take 2.5 KB an object


def test_each_part_is_weighed_and_the_sum_told(found: dict[str, float]) -> None:
    assert list(found) == [*PARTS, "in all"]
    assert found["in all"] == pytest.approx(sum(found[part] for part in PARTS))
    assert min(found.values()) > 0


def test_the_inputs_that_are_weighed_are_those_of_a_build() -> None:
    name = FLEET.names[1]
    read = render(MemoryTree(FLEET.files()), Request(path=f"./{name}")).inputs

    assert Fleet(FLEET).inputs(name).files.keys() == read.files.keys()


def test_the_table_has_a_column_for_each_size() -> None:
    lines = table_of([10, 20]).splitlines()

    assert lines[0].split() == ["bytes", "an", "object", "10", "20"]
    assert [line[:15].strip() for line in lines[1:]] == [*PARTS, "in all"]
