from pathlib import Path

import pytest

from benchmarks.overlays import BASES, Overlays
from benchmarks.run import NO_SERVER, Wish, measured
from benchmarks.scenarios import SCENARIOS, Scenario, Sizes
from benchmarks.scenarios.outcome import Outcome
from benchmarks.scenarios.render import fleet, render
from benchmarks.scenarios.render_cases import cases
from benchmarks.workload import Workload
from benchmarks.world import Arena
from engine.render import Request
from engine.render import render as rendered
from engine.source.store import Store
from engine.source.tree import MemoryTree


def test_an_overlay_has_its_objects_and_names_the_config_map_that_it_generates() -> None:
    workload = Overlays(2, 10)

    built = rendered(MemoryTree(workload.files()), Request(path=workload.folder("app-0001")))

    assert len(built.objects) == 10
    (generated,) = (each.ref.name for each in built.objects if "-settings-" in each.ref.name)
    (deployment,) = (each.obj for each in built.objects if each.ref.name == "app-0001-app")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["envFrom"] == [{"configMapRef": {"name": generated}}]
    assert container["image"] == "registry.example/app:1.1"


def test_the_same_numbers_give_the_same_fleet() -> None:
    assert Overlays(3, seed=1).files() == Overlays(3, seed=1).files()
    assert Overlays(3, seed=1).files() != Overlays(3, seed=2).files()


@pytest.mark.slow
async def test_after_a_change_only_what_it_reaches_is_built(tmp_path: Path) -> None:
    outcome = await fleet(Store(tmp_path), Overlays(BASES + 1, 2))

    assert outcome.figures["builds after a change of one overlay"] == 1
    assert outcome.figures["builds after a change of one base"] == 2
    assert outcome.figures["builds beyond those that it reaches, overlay"] == 0
    assert outcome.figures["builds beyond those that it reaches, base"] == 0


def test_without_a_corpus_overlays_are_built(tmp_path: Path) -> None:
    found = cases(tmp_path / "none")

    assert len(found) == 100
    assert all(f"{case.path}/kustomization.yaml" in case.files for case in found)


async def test_a_fleet_that_has_no_overlays_is_refused() -> None:
    with pytest.raises(ValueError, match="an overlay has at least a Deployment"):
        await render(None, Workload(), Sizes())  # type: ignore[arg-type] # unused


async def test_a_scenario_without_an_api_server_starts_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def nothing(_: Arena, workload: Workload, sizes: Sizes) -> Outcome:
        return Outcome()

    monkeypatch.setitem(SCENARIOS, "nothing", Scenario(nothing, has_server=False))

    result = await measured(Wish("nothing", Workload(1, 1)))

    assert result["server"] == NO_SERVER
    assert result["machine"]["kubernetes"] == ""
    assert result["figures"] == {}
