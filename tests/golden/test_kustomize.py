"""Small builds that kustomize has answered, a file a topic.

A document says what it shows, holds the files of one folder, and either the objects that kustomize
puts out in their order, as JSON, or that it is an error; the file's head names the versions.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.render.kustomize import KustomizeError, Options, build
from engine.source.tree import MemoryTree

TOPICS = sorted((Path(__file__).parent / "kustomize").glob("*.yaml"))
CASES = [
    pytest.param(case, id=f"{topic.stem}: {case['says']}")
    for topic in TOPICS
    for case in yaml.safe_load_all(topic.read_text())
]


@pytest.mark.parametrize("case", CASES)
def test_a_build_is_as_kustomize_has_it(case: dict[str, Any]) -> None:
    tree = MemoryTree({path: text.encode() for path, text in case["files"].items()})
    try:
        built = build(tree, "", Options(reorder="unspecified"))
    except KustomizeError:
        assert case["wanted"] == "an error"
        return

    objects = [resource.obj for resource in built.resources]
    assert json.dumps(objects, sort_keys=True) == case["wanted"]
