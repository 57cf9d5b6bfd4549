import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.limits import LIMITS, Limit, Share
from benchmarks.plot import log_plot
from benchmarks.report import newest, write_report
from benchmarks.scenarios import SCENARIOS


def result(at: str = "2026-01-02T00:00:00Z", kustomizations: int = 10, **more: Any) -> Any:
    return {
        "scenario": "cold_start",
        "at": at,
        "server": "real",
        "profiled": False,
        "workload": {"kustomizations": kustomizations, "objects": 10, "seed": 0, "interval": "1h"},
        "machine": {
            "cpu": "a processor",
            "cores": 2,
            "load": 0.5,
            "memory_bytes": 2**30,
            "system": "Linux",
            "python": "3.11",
            "kubernetes": "v1",
        },
        "seconds": {"last_ready": 4.0},
        "usage": {"engine": {"cpu": 2.0, "peak_bytes": 3 * 10**6}},
        "figures": {"GETs an object": 0.0},
        "requests": {"lockstep": {"patch a": 20}},
        **more,
    }


def report_of(folder: Path, *results: Any) -> str:
    kept = folder / "results"
    kept.mkdir()
    for number, each in enumerate(results):
        (kept / f"{number}.json").write_text(json.dumps(each))
    (kept / "cold_start.md").write_text("Limited by the weather.\n")
    return write_report(kept).read_text()


def test_the_report_names_machine_size_figures_and_what_they_are_limited_by(tmp_path: Path) -> None:
    text = report_of(tmp_path, result())

    assert "## cold_start" in text
    assert "| seconds, last ready | 4 |" in text
    assert "| requests, patch | 20 |" in text
    assert "Limited by the weather." in text
    assert "a processor, 2 cores, 1 GiB" in text
    assert "measured elsewhere" in text
    assert "## memory" not in text


def test_a_peer_has_a_column_of_its_own_and_one_for_the_ratio(tmp_path: Path) -> None:
    peer = {key: result()[key] for key in ("figures", "requests")}
    peer |= {"seconds": {"last_ready": 20.0}, "usage": {"engine": {"cpu": 8.0, "peak_bytes": 1}}}

    text = report_of(tmp_path, result(peers={"flux": peer}))

    assert "|  | 10 x 10 lockstep | 10 x 10 flux | flux / lockstep |" in text
    assert "| seconds, last ready | 4 | 20 | 5 |" in text


def peer_of(last_ready: float, **more: Any) -> Any:
    usage = {"engine": {"cpu": 8.0, "peak_bytes": 1}}
    seconds = {"last_ready": last_ready}
    return {"figures": {}, "requests": {}, "seconds": seconds, "usage": usage, **more}


def test_a_peer_that_did_not_get_there_has_a_sentence_instead_of_figures(tmp_path: Path) -> None:
    peer = peer_of(0.0, seconds={}, usage={}, not_done="not within 9 s")

    text = report_of(tmp_path, result(peers={"flux": peer}), result(kustomizations=100))

    assert "\nflux at 10 x 10: not done, not within 9 s.\n" in text


def test_a_peer_is_drawn_beside_ours(tmp_path: Path) -> None:
    peers = {"flux": peer_of(20.0)}

    report_of(tmp_path, result(peers=peers), result(kustomizations=100, peers=peers))

    drawing = (tmp_path / "results/cold_start-real.svg").read_text()
    assert ">last_ready<" in drawing
    assert ">last_ready, flux<" in drawing


def test_a_share_is_judged_by_the_best_peer_of_the_newest_run_that_has_one() -> None:
    limit = Share("cold_start", "last_ready", 0.25, "")
    beside = {"slow": peer_of(99.0), "fast": peer_of(20.0), "lost": peer_of(0.0, seconds={})}
    results = [
        result("2026-01-01", peers={"slow": peer_of(5.0)}),
        result("2026-01-02", peers=beside),
        result("2026-01-03"),
    ]

    found = limit.measured(results)

    assert found == (results[1], 4.0 / 20.0)
    assert limit.measured(results[2:]) is None


def test_a_time_is_also_judged_as_on_the_machine_of_its_bound(tmp_path: Path) -> None:
    slow = result(kustomizations=100, figures={"bare client, writes a second": 525.0})

    text = report_of(tmp_path, slow)

    row = next(row for row in text.splitlines() if row.startswith("| cold_start | last_ready |"))
    assert row.endswith("| 4.000 | 100 x 10, 2026-01-02 | **no** | 2.000: yes |")


def test_two_sizes_are_drawn(tmp_path: Path) -> None:
    text = report_of(tmp_path, result(), result(kustomizations=100))

    drawing = (tmp_path / "results/cold_start-real.svg").read_text()
    assert "![cold_start-real](results/cold_start-real.svg)" in text
    assert ElementTree.fromstring(drawing).tag.endswith("svg")


def test_a_drawing_without_results_is_removed(tmp_path: Path) -> None:
    kept = tmp_path / "results"
    kept.mkdir()
    (kept / "restart-real.svg").write_text("")

    write_report(kept)

    assert list(kept.glob("*.svg")) == []


def test_the_hottest_functions_of_a_profiled_run_are_shown_but_not_its_figures(
    tmp_path: Path,
) -> None:
    row = {"function": "engine/app.py:1 f", "calls": 2, "own": 0.5, "all": 0.75}

    text = report_of(tmp_path, result(profiled=True, profile=[row]))

    assert "| `engine/app.py:1 f` | 2 | 0.500 | 0.750 |" in text
    assert "seconds, last ready" not in text


def test_only_the_newest_of_each_size_is_shown() -> None:
    old, new, other = result("2026-01-01"), result("2026-01-03"), result(kustomizations=100)

    assert newest([new, other, old]) == [new, other]


def test_a_limit_is_judged_by_the_newest_unprofiled_result_of_its_size_on_a_real_server() -> None:
    limit = Limit("cold_start", "last_ready", 3.5, "", 100)
    results = [
        result("2026-01-01", seconds={"last_ready": 1.0}),
        result("2026-01-02", seconds={"last_ready": 2.0}),
        result("2026-01-03", seconds={"last_ready": 3.0}, server="embedded"),
        result("2026-01-04", seconds={"last_ready": 4.0}, profiled=True),
        result("2026-01-05", seconds={"last_ready": 5.0}, kustomizations=100),
    ]

    found = limit.measured(results)

    assert found is not None
    assert found[1] == 2.0
    assert limit.measured(results[2:]) is None


def test_a_limit_that_is_missed_or_not_measured_is_said_to_be(tmp_path: Path) -> None:
    text = report_of(tmp_path, result(kustomizations=100))

    rows = [row for row in text.splitlines() if row.startswith("| cold_start | last_ready |")]
    assert rows == [
        "| cold_start | last_ready | 3.5 | a sixth of Flux's 21 s | 4.000 "
        "| 100 x 10, 2026-01-02 | **no** |  |"
    ]
    assert "| not measured |" in text


def test_every_limit_is_about_a_scenario() -> None:
    assert {each.scenario for each in LIMITS} <= set(SCENARIOS)


def test_a_drawing_leaves_out_what_has_no_logarithm() -> None:
    drawing = log_plot("a < b", "size", {"cost": [(1, 0), (10, 5), (100, 50)], "none": [(1, 0)]})

    root = ElementTree.fromstring(drawing)
    names = [each.tag.partition("}")[2] for each in root]
    assert names.count("circle") == 2
    assert names.count("polyline") == 1
    assert "a &lt; b" in drawing
    with pytest.raises(ValueError, match="nothing above 0"):
        log_plot("a", "size", {"none": [(1, 0)]})


def test_points_that_grow_alike_lie_on_lines_that_are_parallel() -> None:
    drawing = log_plot("t", "x", {"a": [(10, 1), (1000, 100)], "b": [(10, 10), (1000, 1000)]})

    lines = [e.attrib["points"] for e in ElementTree.fromstring(drawing) if "points" in e.attrib]
    (a, b) = ([[float(n) for n in p.split(",")] for p in line.split()] for line in lines)
    assert [a[1][i] - a[0][i] for i in (0, 1)] == pytest.approx([b[1][i] - b[0][i] for i in (0, 1)])


def test_a_result_without_an_api_server_is_judged_and_names_none(tmp_path: Path) -> None:
    alone = result(
        scenario="render", server="no", figures={"ours / Go, corpus cases": 2.5}, kustomizations=3
    )

    text = report_of(tmp_path, {**alone, "machine": {**alone["machine"], "kubernetes": ""}})

    assert "Without an API server:" in text
    assert (
        "| render | ours / Go, corpus cases | 3 | the Go library in the same run | 2.500 |" in text
    )
    assert "| Python 3.11 |" in text
