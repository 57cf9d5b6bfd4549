from cProfile import Profile
from pathlib import Path

from benchmarks.run import RATE, hottest, paced, rounded
from benchmarks.scenarios import Outcome
from engine.objects.manifests import load


def test_a_profile_names_the_hottest_functions_without_the_folders_above(tmp_path: Path) -> None:
    file, profile = tmp_path / "profile", Profile()
    profile.runcall(load, b"a: [1, 2, {b: c}]\n")
    profile.dump_stats(file)

    rows = hottest(file)

    assert any(row["function"].startswith("engine/objects/") for row in rows)
    assert all(str(Path.home()) not in row["function"] for row in rows)
    assert [row["own"] for row in rows] == sorted((row["own"] for row in rows), reverse=True)
    assert not any(row["function"].startswith("/") for row in rows)


def test_figures_are_written_to_thousandths() -> None:
    assert rounded({"a": 1.23456}) == {"a": 1.235}


def test_what_is_mostly_writing_is_set_beside_a_bare_client() -> None:
    writing = Outcome({"last_ready": 6.0}, figures={"writes": 1500.0})

    assert paced(writing, 500.0) == {
        RATE: 500.0,
        "bare client, seconds for as many writes": 3.0,
        "last ready / bare client": 2.0,
    }
    assert paced(Outcome({"window": 6.0}), 500.0) == {RATE: 500.0}
