"""Local repositories with encrypted files, for tests of `lockstep secrets`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from engine.custody.consumers import Consumer, consumers_of
from engine.custody.survey import Survey, survey
from engine.source.folder import FolderTree

CANARY = "c4n4ry-Hunter2"
DECRYPTION = {"decryption": {"provider": "sops", "secretRef": {"name": "sops-age"}}}
LOGIN: Mapping[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "login"},
    "stringData": {"password": CANARY},
}


def flux(name: str, path: str, /, **spec: Any) -> str:
    """A Flux Kustomization of that path."""
    source = {"kind": "GitRepository", "name": "fleet"}
    return yaml.safe_dump(
        {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": name, "namespace": "flux-system"},
            "spec": {"interval": "1m", "prune": True, "path": path, "sourceRef": source, **spec},
        }
    )


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder that Git manages."""

    root: Path

    def put(self, files: Mapping[str, bytes | str]) -> None:
        """Writes files by path."""
        (self.root / ".git").mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def survey(self) -> Survey:
        return survey(self.root)

    def consumers(self) -> tuple[Consumer, ...]:
        return consumers_of(FolderTree(self.root), self.survey().documents)
