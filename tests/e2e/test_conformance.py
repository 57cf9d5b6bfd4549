"""The recorded behaviour of kustomize, envsubst, kstatus, structured merge and Kubernetes' YAML."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.conformance_known import YAML
from tests.support.known_differences import KNOWN

ROOT = Path(__file__).parents[2]
TOOL = ROOT.parent / "shared" / "tools" / "conformance.py"


def rates(tmp_path: Path, *arguments: str) -> dict[str, dict[str, float]]:
    """What the tool reports, by part."""
    report = tmp_path / "report.json"
    command = [sys.executable, str(TOOL), *arguments, "--json", str(report), "--show", "0"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    found: dict[str, dict[str, float]] = json.loads(report.read_text())
    return found


@pytest.mark.parametrize("part", ["kustomize", "envsubst", "kstatus", "smd"])
def test_every_recorded_case_holds(part: str, tmp_path: Path) -> None:
    found = rates(tmp_path, part)[part]

    assert found["pass"] == found["of"]


def test_every_recorded_case_of_flux_builds_holds(tmp_path: Path) -> None:
    found = rates(tmp_path, "kustomize", "--target", "flux")["kustomize"]

    assert found["pass"] == found["of"]


def test_yaml_is_read_as_kubernetes_reads_it_but_for_the_listed_cases(tmp_path: Path) -> None:
    found = rates(tmp_path, "yaml")["yaml"]

    assert found["of"] - found["pass"] == len(YAML)
    assert found["percent"] >= 99.8


def test_kustomize_versions_differ_in_recorded_cases_only_as_the_documentation_says() -> None:
    parts = [part for difference in KNOWN.values() for part in difference.recorded]
    unknown = []
    for file in (TOOL.parents[1] / "corpus" / "open" / "kustomize").glob("*.json"):
        case = json.loads(file.read_text())
        other = case["other_versions"].get("kustomize-5.8.1", {"result": "same"})
        if other["result"] != "same" and not any(part in case["id"] for part in parts):
            unknown.append(case["id"])

    assert unknown == []
