"""The engine's builds beside those of kustomize 5.8.1, the version in Flux."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.objects.manifests import load
from tests.support.differential import agree, agrees_with_kubectl, differences
from tests.support.known_differences import KNOWN
from tests.support.oracle import Case, Oracle, ours, same

ROOT = Path(__file__).parents[2]
FIRST = int(os.environ.get("LOCKSTEP_SEED") or 20261123)
FLEETS = 150
MARK = "# Oracle: kustomize 5.8.1."
GOLDEN = [
    spec.parent
    for spec in sorted((ROOT / "tests" / "golden" / "cases").glob("*/spec.yaml"))
    if MARK in spec.read_text()
]


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    with Oracle() as running:
        yield running


def test_random_fleets_are_built_as_by_kustomize(oracle: Oracle) -> None:
    found = list(differences(oracle, range(FIRST, FIRST + FLEETS)))

    seeds = f"{FLEETS} fleets from LOCKSTEP_SEED={FIRST} on"
    assert not found, "\n\n".join([seeds, *found])


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda folder: folder.name)
def test_what_a_golden_case_records_is_what_kustomize_says(folder: Path, oracle: Oracle) -> None:
    root = folder / "in"
    files = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    path = load((folder / "spec.yaml").read_text())["path"].removeprefix("./")
    case = Case(files, path, restricted=False, reorder="none")

    assert agree(oracle, case)
    assert agrees_with_kubectl(oracle, case)


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_difference_is_one(name: str, oracle: Oracle) -> None:
    case = KNOWN[name].case

    assert ours(case).objects is not None or name == "dots inside of a folder's name"
    assert not same(ours(case).objects, oracle.build(case).objects)


def test_the_documentation_lists_the_known_differences() -> None:
    text = (ROOT / "docs" / "kustomize.md").read_text()

    assert [name for name in KNOWN if f"| {name} |" not in text] == []
