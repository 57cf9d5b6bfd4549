"""The custom resource definitions of our kinds, generated from the models.

`python -m engine.api.crd [FOLDER]` writes them, by default to `helm/crds`; a test fails when they
are stale.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from engine.api.decode import encode
from engine.api.kinds import KINDS, Kind
from engine.api.meta import DISABLED, SUBSTITUTE
from engine.api.schema import Schema, descriptions, schema_of
from engine.objects.manifests import dump
from engine.objects.ref import Object

FOLDER = Path("helm/crds")

_HEADER = "# Generated from the models in engine/api by `make crds`; do not edit.\n"


def definition(kind: Kind) -> Object:
    """The CustomResourceDefinition of a kind."""
    singular = kind.name.lower()
    names: dict[str, Any] = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": singular,
        "categories": ["all", "fluxcd", kind.category],
    }
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{kind.group}",
            # Definitions are applied from Git too, and hold `${...}` only in descriptions.
            "annotations": {SUBSTITUTE: DISABLED},
            "labels": _labels(kind),
        },
        "spec": {
            "group": kind.group,
            "names": names,
            "scope": "Namespaced",
            "versions": [_version(kind)],
        },
    }


def _labels(kind: Kind) -> dict[str, str]:
    """By which `flux check`, `flux version` and uninstalling find it.

    Source: flux-behaviour section 10.
    """
    controller = kind.controller or "source-controller"  # of ExternalArtifact, as in Flux
    return {
        "app.kubernetes.io/component": controller,
        "app.kubernetes.io/part-of": "flux",
        "app.kubernetes.io/version": f"v{version('lockstep')}",
    }


def _version(kind: Kind) -> dict[str, Any]:
    return {
        "name": kind.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}} if kind.has_status else {},
        "additionalPrinterColumns": [
            {"name": column.name, "type": column.type, "jsonPath": column.path}
            for column in kind.columns
        ],
        "schema": {"openAPIV3Schema": _root(kind)},
    }


def _root(kind: Kind) -> Schema:
    """The schema of the whole object; the API server knows `metadata` itself."""
    described = descriptions(kind.model)
    properties: Schema = {
        "apiVersion": {"type": "string", "description": "Group and version of this form."},
        "kind": {"type": "string", "description": "What this object is."},
        "metadata": {"type": "object"},
    }
    for info in msgspec.structs.fields(kind.model):
        if info.name in ("spec", "status"):
            properties[info.name] = schema_of(info.type) | {"description": described[info.name]}
        if info.name == "status" and (default := encode(info.default)):
            properties["status"]["default"] = default
    return {"type": "object", "description": described[""], "properties": properties}


def texts() -> dict[str, str]:
    """File names of all definitions and what the files hold."""
    return {
        f"{kind.plural}.{kind.group}.yaml": _HEADER + dump(definition(kind))
        for kind in KINDS.values()
    }


def write(folder: Path) -> None:
    """Write every definition into `folder`, and remove files of kinds that are no more."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = texts()
    for stale in {path.name for path in folder.glob("*.yaml")} - wanted.keys():
        (folder / stale).unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
