"""Whole renders against recorded results.

A case is a folder of `cases/`: `in/` is the source's tree, `spec.yaml` (if there is one) the
Kustomization's spec, `want.yaml` or `want-error.txt` the result.
`GOLDEN=rewrite pytest tests/golden` records anew: read the diff.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from engine.api.decode import decode
from engine.api.kustomize import Kustomization
from engine.errors import Failure
from engine.objects.manifests import dump, load
from engine.render import Request, render
from engine.source.tree import MemoryTree

CASES = Path(__file__).parent / "cases"


def request(case: Path) -> Request:
    spec: dict[str, Any] = {"interval": "1m", "prune": True}
    spec["sourceRef"] = {"kind": "GitRepository", "name": "source"}
    if (case / "spec.yaml").exists():
        spec |= load((case / "spec.yaml").read_text())
    obj = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": case.name, "namespace": "flux-system"},
        "spec": spec,
    }
    return Request.of(decode(Kustomization, obj), spec.get("postBuild", {}).get("substitute"))


def result(case: Path) -> tuple[str, str]:
    """(the name of the file that records it, its text)."""
    root = case / "in"
    files = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    try:
        objects = render(MemoryTree(files), request(case)).objects
    except Failure as failure:
        return "want-error.txt", f"{failure.reason}: {failure}\n"
    return "want.yaml", "---\n".join(f"# {made.origin}\n{dump(made.obj)}" for made in objects)


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_a_render_gives_what_is_recorded(case: Path) -> None:
    name, text = result(case)
    if os.environ.get("GOLDEN") == "rewrite":
        (case / name).write_text(text)

    assert text == (case / name).read_text()
    assert len(list(case.glob("want*"))) == 1
