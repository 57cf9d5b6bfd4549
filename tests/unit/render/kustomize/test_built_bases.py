import pytest

from engine.render.kustomize import KustomizeError, Lacking, Options, Reach, build
from engine.render.kustomize.built_bases import BuiltBases
from engine.source.tree import MemoryTree

CONFIG_MAP = b"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {x: y}}, data: {k: v}}"
DEPLOYMENT = b"""
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: web, image: web}]}}}
"""
FILES = {
    "base/kustomization.yaml": b"resources: [a.yaml]\nnamePrefix: b-\n",
    "base/a.yaml": CONFIG_MAP,
    **{f"over{n}/kustomization.yaml": b"resources: [../base]\nnamePrefix: o-" for n in range(4)},
}


def built(kept: BuiltBases | None, files: dict[str, bytes], folder: str) -> list[object]:
    reach = Reach(root_only=False, built=kept)
    return [item.obj for item in build(MemoryTree(files), folder, Options(reach)).resources]


def test_a_base_is_built_twice_for_many_overlays() -> None:
    kept = BuiltBases(10**6)

    found = [built(kept, FILES, f"over{n}") for n in range(4)]

    assert found == [built(None, FILES, "over0")] * 4
    assert (kept.statistics().bases, kept.statistics().used) == (1, 2)


def test_an_overlay_does_not_change_the_base_of_the_others() -> None:
    kept, patch = (
        BuiltBases(10**6),
        b"{apiVersion: v1, kind: ConfigMap, metadata: {name: b-a}, data: {k: w}}",
    )
    files = {**FILES, "over3/p.yaml": patch}
    files["over3/kustomization.yaml"] += b"\npatches: [{path: p.yaml}]"
    for n in (0, 1, 3):
        built(kept, files, f"over{n}")

    assert built(kept, files, "over0") == built(None, files, "over0")


def test_a_base_that_reads_elsewhere_is_built_anew_when_that_changes() -> None:
    kept, files = BuiltBases(10**6), {**FILES, "base/kustomization.yaml": b"resources: [../a.yaml]"}
    for data in (b"1", b"2"):
        files["a.yaml"] = CONFIG_MAP.replace(b"k: v", b"k: v" + data)
        for n in range(4):
            assert built(kept, files, f"over{n}") == built(None, files, f"over{n}")

    assert kept.statistics().used == 2 + 3


def test_labels_of_a_kept_base_still_change_together() -> None:
    kept = BuiltBases(10**6)
    files = {
        "base/kustomization.yaml": b"resources: [d.yaml]\ncommonLabels: {app: one}",
        "base/d.yaml": DEPLOYMENT,
        "over/kustomization.yaml": b"resources: [../base]\npatches: [{patch: '"
        b"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {app: two}}}'}]",
    }

    found = [built(kept, files, "over") for _ in range(4)]

    assert "one" not in str(found[0])
    assert found == [built(None, files, "over")] * 4
    assert kept.statistics().used == 2


def test_a_base_that_leads_back_is_a_cycle_though_it_is_kept() -> None:
    kept = BuiltBases(10**6)
    files = {
        "shared/a.yaml": CONFIG_MAP,
        "shared/kustomization.yaml": b"resources: [a.yaml]",
        "base/kustomization.yaml": b"resources: [../shared]",
        "over/kustomization.yaml": b"resources: [../base]",
        "shared/over/kustomization.yaml": b"resources: [../../base]",
    }
    for _ in range(4):
        built(kept, files, "over")

    with pytest.raises(KustomizeError, match="cycle detected"):
        built(kept, files, "shared/over")
    assert kept.statistics().used > 0


def test_a_base_with_a_remote_part_is_not_kept() -> None:
    kept, files = BuiltBases(10**6), dict(FILES)
    files["base/kustomization.yaml"] = b"resources: [a.yaml, 'https://example.com/a/b?ref=v1']"
    for n in range(4):
        with pytest.raises(Lacking):
            built(kept, files, f"over{n}")

    assert kept.statistics().bases == 0


def test_a_kept_base_counts_for_the_number_of_files_that_may_be_read() -> None:
    kept, files = BuiltBases(10**6), dict(FILES)
    for n in range(3):
        built(kept, files, f"over{n}")
    made = build(MemoryTree(files), "over3", Options(Reach(root_only=False, built=kept)))

    assert sorted(made.inputs.files) == [
        "base/a.yaml",
        "base/kustomization.yaml",
        "over3/kustomization.yaml",
    ]
    assert kept.statistics().used == 2


@pytest.mark.parametrize("max_bytes", [0, 100])
def test_nothing_is_kept_beyond_the_memory_for_it(max_bytes: int) -> None:
    kept = BuiltBases(max_bytes)

    assert [built(kept, FILES, f"over{n}") for n in range(4)] == [built(None, FILES, "over0")] * 4
    assert (kept.statistics().bases, kept.statistics().held_bytes) == (0, 0)
