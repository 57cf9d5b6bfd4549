"""Random files beside a kustomization that say how fields of kinds are treated."""

import json
from collections.abc import MutableMapping
from typing import Any

import yaml

from tests.support.fleet_objects import World

Files = MutableMapping[str, str]  # text by name, in the kustomization's folder


def text(value: Any) -> str:
    """The value as YAML; what occurs twice becomes an anchor and its alias."""
    return yaml.dump(value, sort_keys=False, width=1000)


def configurations(random: World, files: Files) -> Any:
    entries = {
        "nameReference": [
            {
                "kind": random.choice(("ConfigMap", "Secret")),
                "version": "v1",
                "fieldSpecs": [{"kind": "Widget", "path": "spec/configMap"}],
            }
        ],
        "namePrefix": [{"path": "metadata/name", "kind": "Widget"}],
        "images": [{"path": "spec/image", "kind": "Widget"}],
        "commonLabels": [{"path": "spec/selector/labels", "create": True, "kind": "Widget"}],
        "commonAnnotations": [{"path": "spec/annotations", "create": True, "kind": "Widget"}],
        "varReference": [{"path": "spec/configMap", "kind": "Widget"}],
        "replicas": [{"path": "spec/replicas", "create": True, "kind": "Widget"}],
        "namespace": [{"path": "spec/namespace", "create": True, "kind": "Widget"}],
    }
    files["config.yaml"] = text(
        {key: entries[key] for key in random.sample(tuple(entries), random.randint(1, 3))}
    )
    return ["config.yaml"]


def open_api(_random: World, files: Files) -> Any:
    part = {
        "type": "array",
        "items": {"type": "object", "properties": {"name": {"type": "string"}}},
        "x-kubernetes-patch-merge-key": "name",
        "x-kubernetes-patch-strategy": "merge",
    }
    spec = {"type": "object", "properties": {"parts": part}}
    kind = {"group": "example.com", "version": "v1", "kind": "Widget"}
    widget = {"properties": {"spec": spec}, "x-kubernetes-group-version-kind": [kind]}
    files["schema.json"] = json.dumps({"definitions": {"example.v1.Widget": widget}})
    return {"path": "schema.json"}


def definitions(_random: World, files: Files) -> Any:
    reference = {
        "x-kubernetes-object-ref-api-version": "v1",
        "x-kubernetes-object-ref-kind": "Secret",
    }
    schema = {"properties": {"kind": {"type": "string"}, "apiVersion": {}, "metadata": {}}}
    schema["properties"]["spec"] = {"$ref": "example.WidgetSpec"}
    inner = {"properties": {"secretRef": {**reference, "type": "object"}}}
    files["crds.json"] = json.dumps(
        {"example.Widget": {"Schema": schema}, "example.WidgetSpec": {"Schema": inner}}
    )
    return ["crds.json"]


def order(random: World, _files: Files) -> Any:
    if random.random() < 0.5:
        return {"order": "fifo"}
    first = {"orderFirst": ["Service", "Widget"], "orderLast": ["Secret"]}
    return {"order": "legacy"} | ({"legacySortOptions": first} if random.random() < 0.5 else {})
