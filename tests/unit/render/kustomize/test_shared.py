"""Labels that were set at several places at once, and change together."""

from typing import Any

import pytest

from engine.render.kustomize import Options, build
from engine.source.tree import MemoryTree

DEPLOYMENT = b"""\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: web}]}}}
"""


def team_labels(change: str) -> list[Any]:
    """`team` of metadata, selector and template after a base set it to `a`."""
    files = {
        "base/deployment.yaml": DEPLOYMENT,
        "base/kustomization.yaml": b"resources: [deployment.yaml]\ncommonLabels: {team: a}\n",
        "overlay/kustomization.yaml": f"resources: [../base]\n{change}".encode(),
    }
    (resource,) = build(MemoryTree(files), "overlay", Options()).resources
    obj = resource.obj
    spec = obj["spec"]
    places = (obj["metadata"], spec["template"]["metadata"])
    return [spec["selector"]["matchLabels"]["team"], *(place["labels"]["team"] for place in places)]


MERGED = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {team: b}}}"
COPIED = "{select: {kind: Deployment}, fieldPaths: [metadata.labels.team]}"


@pytest.mark.parametrize(
    "change",
    [
        "labels: [{pairs: {team: b}}]\n",
        f"patches: [{{patch: '{MERGED}'}}]\n",
        f"replacements: [{{sourceValue: b, targets: [{COPIED}]}}]\n",
    ],
)
def test_what_replaces_a_label_at_one_place_replaces_it_at_all(change: str) -> None:
    assert team_labels(change) == ["b", "b", "b"]


def test_a_json_patch_replaces_a_label_at_one_place() -> None:
    operation = '{"op": "add", "path": "/metadata/labels/team", "value": "b"}'

    changed = team_labels(f"patches: [{{target: {{kind: Deployment}}, patch: '[{operation}]'}}]\n")

    assert changed == ["a", "b", "a"]


def test_a_label_that_a_patch_adds_stands_for_itself() -> None:
    assert team_labels("labels: [{pairs: {other: b}}]\n") == ["a", "a", "a"]
