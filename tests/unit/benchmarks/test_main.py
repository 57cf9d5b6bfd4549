import json
from io import StringIO
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from rich.console import Console

from benchmarks.__main__ import RESULTS, default_path, main, table_of
from benchmarks.scenarios import SCENARIOS

RESULT: dict[str, Any] = {
    "scenario": "cold_start",
    "at": "2026-01-02T03:04:05Z",
    "server": "real",
    "workload": {"kustomizations": 2, "objects": 3, "seed": 0, "interval": "1h"},
    "machine": {"cpu": "a processor", "cores": 2, "load": 0.5, "kubernetes": "v1"},
    "seconds": {"last_ready": 1.234},
    "usage": {"engine": {"cpu": 0.5, "peak_bytes": 3 * 2**20}},
    "figures": {"objects": 6},
    "requests": {"lockstep": {"get pods": 7, "patch pods": 2}, "kube-apiserver": {"get x": 4}},
}


def test_the_table_shows_time_cpu_memory_and_requests_by_verb() -> None:
    out = StringIO()

    Console(file=out, width=100).print(table_of(RESULT))

    text = out.getvalue().replace("│", " ")
    rows = [" ".join(line.split()) for line in text.splitlines()]
    wanted = [
        "seconds, last ready 1.23",
        "CPU seconds, engine 0.50",
        "peak MiB, engine 3",
        "objects 6",
        "requests of lockstep 9",
        "get 7",
        "patch pods 2",
        "requests of kube-apiserver 4",
    ]
    assert [row for row in rows if row in wanted] == wanted


def test_a_result_is_filed_under_its_date_and_its_size() -> None:
    assert default_path(RESULT) == RESULTS / "2026-01-02-cold_start-real-2x3.json"


def test_every_kept_result_names_its_machine_and_no_path_of_it() -> None:
    kept = {path: json.loads(path.read_text()) for path in RESULTS.glob("*.json")}

    assert {path.name for path, result in kept.items() if default_path(result) != path} == set()
    assert all(result["machine"]["cpu"] for result in kept.values())
    assert [p.name for p in kept if str(Path.home()) in p.read_text()] == []


def test_an_unknown_scenario_is_refused_with_those_that_there_are() -> None:
    result = CliRunner().invoke(main, ["warm_start"])

    assert result.exit_code == 2
    assert all(name in result.output for name in SCENARIOS)
