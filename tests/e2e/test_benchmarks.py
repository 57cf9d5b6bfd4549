"""`python -m benchmarks` as a process: a whole scenario, small, on the embedded API server."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_cold_start_is_measured_told_and_written(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    size = ["--kustomizations", "2", "--objects", "2"]
    command = [sys.executable, "-m", "benchmarks", "cold_start", "--server", "embedded", *size]

    ended = subprocess.run(
        [*command, "--json", str(file)], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr
    result = json.loads(file.read_text())
    seconds, requests = result["seconds"], result["requests"]["lockstep"]
    assert result["workload"] == {"kustomizations": 2, "objects": 2, "seed": 0, "interval": "1h"}
    assert 0 < seconds["first_ready"] <= seconds["p50_ready"] <= seconds["last_ready"]
    assert 0 < seconds["source_ready"] <= seconds["last_ready"]
    assert result["figures"]["objects"] == 4
    assert result["figures"]["requests an object"] == sum(requests.values()) / 4
    assert requests["patch configmaps"] == 2  # of each Kustomization the first, and ...
    assert requests["patch deployments.apps"] == 2  # ... the second
    assert result["usage"]["engine"]["cpu"] > 0
    told = [" ".join(line.replace("│", " ").split()) for line in ended.stdout.splitlines()]
    assert f"requests of lockstep {sum(requests.values())}" in told
    assert f"seconds, last ready {seconds['last_ready']:.2f}" in told
    assert told[-1] == f"written: {file}"
