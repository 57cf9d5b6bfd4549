"""The chart's files among themselves, and with the engine; what Helm makes of them is golden."""

import tomllib
from dataclasses import fields
from typing import Any

import yaml

from engine.api.decode import decode
from engine.api.kustomize import Kustomization
from engine.objects.manifests import dump, parse
from engine.render import Request, render
from engine.settings import Settings
from engine.source.tree import MemoryTree
from tests.support.build import made
from tests.support.chart import (
    CHART,
    FIXED,
    OWN_VALUES,
    guide_blocks,
    leaves,
    read_schema,
    settings_schema,
)

SOURCE = {"kind": "GitRepository", "name": "flux-system"}
STOPPED = ("kustomize", "source", "notification")
PARENTS_ONLY = {"global"}  # what a chart above shares


def test_every_setting_can_be_given_or_is_the_charts_own() -> None:
    known = {each.name for each in fields(Settings)}
    taken = {name.replace("-", "_") for name in settings_schema()}

    assert taken | set(OWN_VALUES) | FIXED == known
    assert set(OWN_VALUES.values()) <= read_schema()["properties"].keys()


def test_every_value_has_a_default_and_a_comment_right_above() -> None:
    text = (CHART / "values.yaml").read_bytes()
    lines = text.decode().splitlines()
    (document,) = parse(text, "values.yaml")

    for leaf in leaves(read_schema()):
        if leaf in PARENTS_ONLY:
            continue
        line = document.positions[tuple(leaf.split("."))]
        assert lines[line - 2].strip().startswith("# "), f"values.yaml:{line}: {leaf}"


def test_what_the_guide_takes_out_of_git_is_what_stops_and_nothing_else() -> None:
    (patches,) = (block for block in guide_blocks() if block.startswith("patches:"))
    stop = [
        *(made("Deployment", f"{name}-controller", api_version="apps/v1") for name in STOPPED),
        *(made("Service", name) for name in ("source-controller", "webhook-receiver")),
    ]
    stay = [
        made("Deployment", "helm-controller", api_version="apps/v1"),
        made("ServiceAccount", "kustomize-controller"),
    ]
    components = "---\n".join(dump(obj) for obj in [*stop, *stay]).encode()
    kustomization = f"resources: [gotk-components.yaml]\n{patches}".encode()
    spec: dict[str, Any] = {"interval": "1m", "prune": True, "sourceRef": SOURCE}
    ks = decode(Kustomization, {**made("Kustomization", "flux-system"), "spec": spec})
    tree = {"gotk-components.yaml": components, "kustomization.yaml": kustomization}

    objects = render(MemoryTree(tree), Request.of(ks)).objects
    assert [each.obj["metadata"]["name"] for each in objects] == [
        obj["metadata"]["name"] for obj in stay
    ]


def test_the_guide_takes_the_same_out_of_a_flux_instance() -> None:
    (patches,) = (block for block in guide_blocks() if block.startswith("patches:"))
    (instance,) = (block for block in guide_blocks() if block.startswith("spec:\n  kustomize:"))

    assert yaml.safe_load(instance)["spec"]["kustomize"] == yaml.safe_load(patches)


def test_the_chart_is_of_the_version_that_it_installs() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((CHART.parent / "pyproject.toml").read_text())["project"]

    assert chart["name"] == project["name"]
    assert chart["version"] == chart["appVersion"] == project["version"]


def test_the_pod_runs_as_the_user_that_the_image_is_made_for() -> None:
    pod = yaml.safe_load((CHART / "values.yaml").read_text())["podSecurityContext"]
    image = (CHART.parent / "Dockerfile").read_text()

    assert f"USER {pod['runAsUser']}:{pod['runAsGroup']}\n" in image
