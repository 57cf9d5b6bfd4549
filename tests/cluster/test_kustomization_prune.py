"""What left Git is deleted, and nothing else."""

from typing import Any

import pytest

from tests.support.fleet import (
    Files,
    Fleet,
    condition_of,
    config_map,
    has_reason,
    is_at,
    is_ready,
)


async def moved_on(fleet: Fleet, files: Files) -> None:
    """A new commit, applied."""
    commit = fleet.commit(files)
    await fleet.request("GitRepository", "fleet", commit)
    await fleet.until("Kustomization", "app", is_at(commit))


async def ready(fleet: Fleet, files: Files, **spec: Any) -> None:
    """A first commit, applied."""
    await fleet.app(files, **spec)
    await fleet.until("Kustomization", "app", is_ready)


@pytest.mark.covers("Kustomization.spec.prune")
async def test_without_prune_what_left_git_stays_and_is_forgotten(fleet: Fleet) -> None:
    async with fleet.engine():
        both = {"app/a.yaml": config_map("a"), "app/b.yaml": config_map("b")}
        await ready(fleet, both, prune=False)
        await moved_on(fleet, {"app/b.yaml": None})
        ks = await fleet.get("Kustomization", "app")

    assert await fleet.get("ConfigMap", "b") is not None
    assert ks is not None
    assert len(ks["status"]["inventory"]["entries"]) == 1


async def test_what_is_marked_in_the_cluster_is_not_pruned(fleet: Fleet) -> None:
    mark = {"metadata": {"annotations": {"kustomize.toolkit.fluxcd.io/prune": "disabled"}}}
    async with fleet.engine():
        await ready(fleet, {"app/a.yaml": config_map("a"), "app/b.yaml": config_map("b")})
        await fleet.patch("ConfigMap", "b", mark)
        await moved_on(fleet, {"app/b.yaml": None})

    assert await fleet.get("ConfigMap", "b") is not None


async def test_what_another_owner_took_over_is_not_pruned(fleet: Fleet) -> None:
    labels = {"kustomize.toolkit.fluxcd.io/name": "other"}
    async with fleet.engine():
        await ready(fleet, {"app/a.yaml": config_map("a"), "app/b.yaml": config_map("b")})
        await fleet.patch("ConfigMap", "b", {"metadata": {"labels": labels}})
        await moved_on(fleet, {"app/b.yaml": None})

    assert await fleet.get("ConfigMap", "b") is not None


async def test_what_somebody_deleted_before_is_no_trouble(fleet: Fleet) -> None:
    async with fleet.engine():
        await ready(fleet, {"app/a.yaml": config_map("a"), "app/b.yaml": config_map("b")})
        await fleet.delete("ConfigMap", "b")
        await moved_on(fleet, {"app/b.yaml": None})
        ks = await fleet.get("Kustomization", "app")

    assert ks is not None
    assert len(ks["status"]["inventory"]["entries"]) == 1


async def test_a_folder_that_becomes_empty_is_pruned(fleet: Fleet) -> None:
    async with fleet.engine():
        await ready(fleet, {"app/a.yaml": config_map("a"), "README.md": "hello"})
        await moved_on(fleet, {"app/a.yaml": None, "app/README.md": "nothing here"})

    assert await fleet.get("ConfigMap", "a") is None


async def test_a_broken_build_prunes_nothing(fleet: Fleet) -> None:
    async with fleet.engine():
        await ready(fleet, {"app/a.yaml": config_map("a"), "app/b.yaml": config_map("b")})
        fleet.commit({"app/b.yaml": "a: [\n"})
        await fleet.request("GitRepository", "fleet", "1")
        await fleet.until("Kustomization", "app", has_reason("BuildFailed"))

    assert await fleet.get("ConfigMap", "b") is not None


@pytest.mark.covers("Kustomization:PruneFailed")
async def test_a_mass_deletion_waits_for_an_approval(fleet: Fleet) -> None:
    many = [config_map(f"c{number}") for number in range(21)]
    async with fleet.engine():
        await ready(fleet, {"app/a.yaml": config_map("a"), "app/many.yaml": many})
        commit = fleet.commit({"app/many.yaml": None})
        await fleet.request("GitRepository", "fleet", "1")
        held = await fleet.until("Kustomization", "app", has_reason("PruneFailed"))
        assert await fleet.get("ConfigMap", "c20") is not None
        key, _, value = condition_of(held)["message"].rpartition(" ")[2].partition("=")
        await fleet.patch("Kustomization", "app", {"metadata": {"annotations": {key: value}}})
        await fleet.until("Kustomization", "app", is_at(commit))

    assert await fleet.get("ConfigMap", "c20") is None


async def test_a_source_that_became_empty_prunes_nothing(fleet: Fleet) -> None:
    async with fleet.engine():
        await ready(fleet, {"app/a.yaml": config_map("a")})
        fleet.commit({"app/a.yaml": None})
        await fleet.request("GitRepository", "fleet", "1")
        await fleet.until("Kustomization", "app", has_reason("ArtifactFailed"))

    assert await fleet.get("ConfigMap", "a") is not None
