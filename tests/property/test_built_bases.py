"""A base that is kept gives what building it gives: the objects, the inputs and what is wrong."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.render.inputs import Inputs
from engine.render.kustomize import KustomizeError, Lacking, Options, Reach, build
from engine.render.kustomize.built_bases import BuiltBases
from engine.source.tree import MemoryTree
from tests.support.fleets import fleet
from tests.support.soak import examples

Outcome = tuple[list[str], Inputs | None]


def outcome(tree: MemoryTree, folder: str, reach: Reach) -> Outcome:
    try:
        built = build(tree, folder, Options(reach))
    except (KustomizeError, Lacking) as error:
        return [f"{type(error).__name__}: {error}"], None
    return [f"{item.position} {item.obj}" for item in built.resources], built.inputs


def folders(files: Mapping[str, bytes]) -> list[str]:
    return sorted({path.rpartition("/")[0] for path in files if "/" in path})


@pytest.mark.slow
@settings(max_examples=examples(15))  # each is some forty builds
@given(st.integers(0, 2**32), st.booleans())
def test_a_fleet_is_built_alike_with_and_without_kept_bases(seed: int, root_only: bool) -> None:
    files = dict(fleet(seed).files)
    kept = BuiltBases(10**9)
    for path in ("", "objects.yaml", "kustomization.yaml"):
        changed = {
            p: c + b"\n# another\n" if path and p.endswith(path) else c for p, c in files.items()
        }
        tree = MemoryTree(changed)
        for _ in range(3):
            for folder in folders(files):
                wanted = outcome(tree, folder, Reach(root_only))
                assert outcome(tree, folder, Reach(root_only, built=kept)) == wanted
