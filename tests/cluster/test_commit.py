"""What a commit costs: what it changed."""

from collections import Counter

from engine import app
from tests.support.fleet import Fleet, config_map, is_at, is_ready

FOLDERS = ["a", "b", "c"]


async def three(fleet: Fleet) -> None:
    """A source and three Kustomizations of a folder each."""
    fleet.commit({f"{name}/x.yaml": config_map(f"of-{name}", n="1") for name in FOLDERS})
    await fleet.source()
    for name in FOLDERS:
        await fleet.kustomization(name, path=f"./{name}", interval="1h")


def asked(state: app.State) -> Counter[tuple[str, str]]:
    assert state.client is not None
    return Counter(state.client.statistics().requests)


async def test_only_what_a_commit_concerns_is_built_and_applied(fleet: Fleet) -> None:
    await three(fleet)

    async with fleet.engine() as state:
        for name in FOLDERS:
            await fleet.until("Kustomization", name, is_ready)
        assert state.engine is not None
        builds, before = state.engine.builds, asked(state)
        built = builds.statistics().built
        commit = fleet.commit({"b/x.yaml": config_map("of-b", n="2")})
        await fleet.request("GitRepository", "fleet", commit)
        for name in FOLDERS:
            await fleet.until("Kustomization", name, is_at(commit))
        new = asked(state) - before

    assert builds.statistics().built - built == 1
    assert {key: count for key, count in new.items() if key[1] == "configmaps"} == {
        ("patch", "configmaps"): 2  # a dry-run and the apply
    }
    assert new["patch", "kustomizations.kustomize.toolkit.fluxcd.io"] == len(FOLDERS)  # statuses
    assert await fleet.data("of-b") == {"n": "2"}


async def test_a_file_outside_that_a_build_reads_concerns_it(fleet: Fleet) -> None:
    kustomization = {"resources": ["../base"]}
    fleet.commit(
        {
            "base/x.yaml": config_map("shared", n="1"),
            "base/kustomization.yaml": {"resources": ["x.yaml"]},
            "a/kustomization.yaml": kustomization,
            "b/x.yaml": config_map("of-b", n="1"),
        }
    )
    await fleet.source()
    for name in ("a", "b"):
        await fleet.kustomization(name, path=f"./{name}", interval="1h")

    async with fleet.engine():
        for name in ("a", "b"):
            await fleet.until("Kustomization", name, is_ready)
        commit = fleet.commit({"base/x.yaml": config_map("shared", n="2")})
        await fleet.request("GitRepository", "fleet", commit)
        await fleet.until("Kustomization", "a", is_at(commit))

    assert await fleet.data("shared") == {"n": "2"}
