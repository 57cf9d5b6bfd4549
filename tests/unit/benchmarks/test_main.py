import json
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from benchmarks.__main__ import default_path, main, wish_of
from benchmarks.report import RESULTS
from benchmarks.scenarios import SCENARIOS, Sizes
from benchmarks.table import table_of
from benchmarks.workload import Workload

RESULT: dict[str, Any] = {
    "scenario": "cold_start",
    "at": "2026-01-02T03:04:05Z",
    "server": "real",
    "profiled": False,
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
        "seconds, last ready 1.234",
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


def test_a_result_beside_a_peer_does_not_replace_one_without() -> None:
    path = default_path({**RESULT, "peers": {"flux": {}}})

    assert path.name == "2026-01-02-cold_start-real-2x3-flux.json"


def test_every_kept_result_names_its_machine_and_no_path_of_it() -> None:
    kept = {path: json.loads(path.read_text()) for path in RESULTS.glob("*.json")}

    assert {path.name for path, result in kept.items() if default_path(result) != path} == set()
    assert all(result["machine"]["cpu"] for result in kept.values())
    assert [p.name for p in kept if str(Path.home()) in p.read_text()] == []


def test_an_unknown_scenario_is_refused_with_those_that_there_are() -> None:
    result = CliRunner().invoke(main, ["warm_start"])

    assert result.exit_code == 2
    assert all(name in result.output for name in SCENARIOS)


def test_numbers_that_are_not_given_are_those_that_the_scenario_is_meant_for() -> None:
    options = dict.fromkeys(("objects", "interval"))
    options |= {"seed": 0, "server": "real", "arguments": (), "profile": "", "peers": ()}
    options |= {"limit": 1.0, "log": "", **asdict(Sizes(failing=3))}

    failing = wish_of("failing_neighbours", None, options)
    steady = wish_of("steady_state", 7, {**options, "objects": 2})

    assert asdict(failing.workload)["failing"] == failing.sizes.failing == 3
    assert failing.workload.kustomizations == 128
    assert steady.workload == Workload(7, 2, interval="1m")


def test_a_peer_without_a_command_is_refused() -> None:
    result = CliRunner().invoke(main, ["cold_start", "--peer", "flux"])

    assert result.exit_code == 2
    assert "'flux' is not NAME=COMMAND" in result.output


def test_a_peer_is_shown_beside_ours_with_the_ratio() -> None:
    peer = {key: RESULT[key] for key in ("usage", "figures", "requests")}
    out = StringIO()

    table = table_of({**RESULT, "peers": {"flux": {**peer, "seconds": {"last_ready": 2.468}}}})
    Console(file=out, width=120).print(table)

    rows = [" ".join(line.replace("│", " ").split()) for line in out.getvalue().splitlines()]
    assert "seconds, last ready 1.234 2.468 2.00" in rows


def test_a_peer_that_did_not_get_there_is_said_to_have_not() -> None:
    nothing: dict[str, Any] = {"seconds": {}, "usage": {}, "figures": {}, "requests": {}}
    out = StringIO()

    table = table_of({**RESULT, "peers": {"flux": {**nothing, "not_done": "not within 9 s"}}})
    Console(file=out, width=120).print(table)

    assert "flux: not done, not within 9 s" in out.getvalue()


def test_a_profiled_run_is_not_filed_where_its_figures_would_be_taken_for_true() -> None:
    path = default_path({**RESULT, "profiled": True})

    assert path.name == "2026-01-02-cold_start-real-2x3-profiled.json"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--kustomizations", "ten"], "'ten' is not a number"),
        (["--kustomizations", "10,0"], "at least 1"),
        (["--kustomizations", "1,2", "--json", "file"], "each size has its own result"),
    ],
)
def test_sizes_that_cannot_be_measured_are_refused(options: list[str], told: str) -> None:
    result = CliRunner().invoke(main, ["cold_start", *options])

    assert result.exit_code == 2
    assert told in result.output
