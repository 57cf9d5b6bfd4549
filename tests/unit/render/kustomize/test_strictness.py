"""What a kustomization file may say and leave out, as Go's JSON decoder sees it."""

import pytest

from engine.render.kustomize.config.kustomization import decode_kustomization
from engine.render.kustomize.errors import KustomizeError

RESOURCES = {"resources": ["a.yaml"]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": [{"pairs": {"a": "b"}, "unknown": "x"}]},
        {"labels": [{"fields": [{"path": "a", "unknown": "x"}]}]},
        {"patches": [{"patch": "[]", "target": {"unknown": "x"}}]},
        {"configMapGenerator": [{"name": "a", "options": {"unknown": "x"}}]},
        {"generatorOptions": {"unknown": "x"}},
        {"images": [{"name": "a", "unknown": "x"}]},
        {"sortOptions": {"order": "legacy", "legacySortOptions": {"unknown": []}}},
        {"metadata": {"unknown": "x"}},
        {"metadata": {"labels": {"a": 1}}},
        {"helmGlobals": {"unknown": "x"}},
    ],
)
def test_an_unknown_field_is_refused_at_every_depth(wrong: dict[str, object]) -> None:
    with pytest.raises(KustomizeError):
        decode_kustomization(RESOURCES | wrong)


@pytest.mark.parametrize(
    "empty",
    [
        {},
        {"kind": "Kustomization", "resources": None},
        {"namePrefix": ""},
        {"sortOptions": None},
        {"bases": []},
        {"imageTags": []},
        {"helmChartInflationGenerator": []},
    ],
)
def test_a_file_that_says_nothing_is_refused(empty: dict[str, object]) -> None:
    with pytest.raises(KustomizeError, match="the kustomization is empty"):
        decode_kustomization(empty)


@pytest.mark.parametrize("said", [{"resources": []}, {"images": []}, {"metadata": {}}])
def test_an_empty_list_or_map_says_something(said: dict[str, object]) -> None:
    decode_kustomization(said)


def test_a_null_in_a_list_or_map_is_there_but_empty() -> None:
    kustomization = decode_kustomization({"labels": [None], "commonLabels": {"a": None}})

    assert len(kustomization.labels) == 1
    assert kustomization.common_labels == {"a": ""}
