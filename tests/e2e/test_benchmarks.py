"""`python -m benchmarks` as a process: whole scenarios, small, on the embedded API server."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peer import Peer
from benchmarks.run import RATE, Wish, beside
from benchmarks.workload import Workload

ROOT = Path(__file__).parents[2]
TINY = ("--kustomizations", "2", "--objects", "2")


def run(file: Path, scenario: str, *options: str) -> tuple[dict[str, Any], list[str]]:
    """The result, and the lines of what was told."""
    command = [sys.executable, "-m", "benchmarks", scenario, "--server", "embedded", *options]
    ended = subprocess.run(
        [*command, "--json", str(file)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    told = [" ".join(line.replace("│", " ").split()) for line in ended.stdout.splitlines()]
    return json.loads(file.read_text()), told


def test_a_cold_start_is_measured_told_and_written(tmp_path: Path) -> None:
    file = tmp_path / "result.json"

    result, told = run(file, "cold_start", *TINY)

    seconds, requests = result["seconds"], result["requests"]["lockstep"]
    assert result["workload"] == {"kustomizations": 2, "objects": 2, "seed": 0, "interval": "1h"}
    assert 0 < seconds["first_ready"] <= seconds["p50_ready"] <= seconds["last_ready"]
    assert 0 < seconds["source_ready"] <= seconds["last_ready"]
    assert result["figures"]["objects"] == 4
    assert result["figures"]["requests an object"] == sum(requests.values()) / 4
    assert requests["patch configmaps"] == 2  # of each Kustomization the first, and ...
    assert requests["patch deployments.apps"] == 2  # ... the second
    assert result["usage"]["engine"]["cpu"] > 0
    assert f"requests of lockstep {sum(requests.values())}" in told
    assert f"seconds, last ready {seconds['last_ready']:.3f}" in told
    assert told[-1] == f"written: {file}"


def test_a_peer_is_measured_in_the_same_run_and_set_beside_ours(tmp_path: Path) -> None:
    addresses = " ".join(f"--{name}-addr=127.0.0.1:0" for name in ("storage", "metrics", "health"))
    command = (
        f"{sys.executable} -m engine run --runtime-namespace=$RUNTIME_NAMESPACE "
        f"--storage-path=$STORAGE {addresses} & wait"
    )

    result, told = run(tmp_path / "r.json", "cold_start", *TINY, "--peer", f"twin={command}")

    ours, twin = result["requests"]["lockstep"], result["peers"]["twin"]
    assert twin["requests"]["lockstep"]["patch configmaps"] == ours["patch configmaps"]
    assert twin["usage"]["engine"]["cpu"] > 0.1  # what the shell started, not the shell
    ratio = twin["seconds"]["last_ready"] / result["seconds"]["last_ready"]
    row = next(line for line in told if line.startswith("seconds, last ready"))
    assert row.endswith(f" {ratio:.2f}")
    assert command not in json.dumps(result)  # it holds paths of this machine
    assert result["figures"][RATE] > 0
    assert result["peers"]["twin"]["figures"][RATE] > 0


@pytest.mark.parametrize(
    ("command", "limit", "told"),
    [("sleep 600", 0.1, "not within 0.1 s"), ("exit 3", 600.0, "the engine ended with status 3")],
)
async def test_a_peer_that_does_not_get_there_is_reported_and_no_error(
    command: str, limit: float, told: str
) -> None:
    wish = Wish("cold_start", Workload(1, 1), server="embedded", limit=limit)

    result = await beside(wish, Peer("peer", command))

    assert result["not_done"] == told
    assert result["seconds"] == result["requests"] == {}


SCENARIOS: dict[str, tuple[tuple[str, ...], set[str], dict[str, float]]] = {
    # {scenario: (options, what is timed, what is counted)}
    "one_change": (
        ("--rounds=1",),
        {"live", "last_ready"},
        {"builds a commit": 1, "applies a commit": 1, "revision-only status patches a commit": 1},
    ),
    "webhook_to_ready": (("--rounds=1", "--flood=1"), {"live_p50", "ready_last"}, {}),
    "drift_storm": (
        ("--singles=2", "--edits=2"),
        {"single_p99", "storm_corrected", "manual_started", "bare_client"},
        {"edits at once": 2},
    ),
    "chain": ((), {"cold_hand_over_last", "commit_hand_over_last"}, {}),
    "failing_neighbours": (("--failing=1",), {"commit_with_failing"}, {"failing": 1}),
    "tenants": (
        ("--noisy=4",),
        {"manual_alone_p50", "manual_beside_huge_last", "manual_beside_hanging_last"},
        {"noisy Kustomizations": 4},
    ),
    "restart": (
        (),
        {"quiet", "edit_while_down_corrected"},
        {"dry-runs an object": 0, "GETs an object": 0},
    ),
    "steady_state": (("--window=1", "--interval=1s"), {"window"}, {"other requests": 0}),
    "memory": (("--steps=1",), set(), {}),
    "flux_benchmark": ((), {"last_ready"}, {"objects": 4}),
}


def test_every_other_scenario_ends_with_its_figures(tmp_path: Path) -> None:
    """Several at a time: their figures then mean nothing, but most of each is waiting."""

    def ended(name: str) -> dict[str, Any]:
        return run(tmp_path / f"{name}.json", name, *TINY, *SCENARIOS[name][0])[0]

    with ThreadPoolExecutor(4) as threads:
        results = dict(zip(SCENARIOS, threads.map(ended, SCENARIOS), strict=True))

    for name, (_, seconds, figures) in SCENARIOS.items():
        assert seconds <= set(results[name]["seconds"]), name
        assert {each: results[name]["figures"][each] for each in figures} == figures, name
        assert "engine" in results[name]["usage"], name
