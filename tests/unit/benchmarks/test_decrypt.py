"""Encrypted files: what the benchmark counts is nothing where nothing changed."""

from pathlib import Path

import pytest

from benchmarks.scenarios import Sizes
from benchmarks.scenarios.decrypt import decrypt, fleet
from benchmarks.sealed import Sealed
from benchmarks.workload import Workload
from engine.source.store import Store


@pytest.mark.slow
async def test_unchanged_files_cost_neither_a_key_nor_a_build(tmp_path: Path) -> None:
    outcome = await fleet(Store(tmp_path), Sealed(3, 2))

    found = outcome.figures
    assert (found["encrypted files"], found["data keys opened, cold"]) == (6, 6)
    assert found["builds, commit elsewhere"] == 0
    assert found["files in those builds, commit elsewhere"] == 0
    assert found["data keys opened, commit elsewhere"] == 0
    assert found["builds, commit of one file"] == 1
    assert found["files in those builds, commit of one file"] == 2
    assert found["data keys opened, commit of one file"] == 1


async def test_a_fleet_of_plain_files_is_refused() -> None:
    with pytest.raises(TypeError, match="encrypted"):
        await decrypt(None, Workload(), Sizes())  # type: ignore[arg-type] # unused
