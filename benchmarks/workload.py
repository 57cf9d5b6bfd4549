"""A synthetic fleet: one Git repository of N Kustomizations with M objects each, from a seed.

The same numbers give the same commit, byte for byte, so that two runs do the same work.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from engine.objects.manifests import dump
from engine.source.author import commit_files, create_repository

SOURCE = "fleet"  # name of the GitRepository, and of the repository that it names
NAMESPACE = "flux-system"  # of the source and the Kustomizations
TARGET_NAMESPACE = "apps"  # of what they apply
_COMMITTED_AT = 1_700_000_000.0  # any fixed instant: a commit's id covers it

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A commit that gives one ConfigMap of one Kustomization another value."""

    commit: str
    kustomization: str
    config_map: str
    data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Workload:
    """How much there is to do; interval: of the source and of every Kustomization, as Go writes."""

    kustomizations: int = 100
    objects: int = 10
    seed: int = 0
    interval: str = "1h"

    @property
    def names(self) -> list[str]:
        """The names of the Kustomizations."""
        return [f"app-{number:04d}" for number in range(self.kustomizations)]

    def files(self) -> dict[str, bytes]:
        """The repository: a folder for each Kustomization, a file for each object."""
        found: dict[str, bytes] = {}
        for name in self.names:
            manifests = {f"{kind}-{n}.yaml": obj for n, kind, obj in self._objects(name)}
            kustomization = {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": list(manifests),
            }
            found[f"{name}/kustomization.yaml"] = dump(kustomization).encode()
            for file, manifest in manifests.items():
                found[f"{name}/{file}"] = dump(manifest).encode()
        return found

    def commit(self, repositories: Path) -> str:
        """The id of the one commit of a new repository in the folder `repositories`."""
        folder = repositories / SOURCE
        create_repository(folder)
        return commit_files(folder, self.files(), "the fleet", committed_at=_COMMITTED_AT)

    def change(self, repositories: Path, number: int) -> Change:
        """Commits the change of that number (from 1): another file each time, by the seed."""
        random = Random(f"{self.seed}/change/{number}")
        name = random.choice(self.names)
        _, kind, manifest = next(self._objects(name))  # the first is a ConfigMap
        data = {"release": f"{number}-{random.randbytes(8).hex()}"}
        content = dump({**manifest, "data": data}).encode()
        folder = repositories / SOURCE
        commit = commit_files(
            folder,
            {f"{name}/{kind}-0.yaml": content},
            f"release {number}",
            committed_at=_COMMITTED_AT + number,
        )
        return Change(commit, name, manifest["metadata"]["name"], data)

    def custom_objects(self, git_url: str) -> Iterator[Manifest]:
        """The GitRepository and the Kustomizations, as a user creates them."""
        yield {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": SOURCE, "namespace": NAMESPACE},
            "spec": {
                "url": f"{git_url}/{SOURCE}",
                "interval": self.interval,
                "ref": {"branch": "main"},
            },
        }
        for name in self.names:
            yield {
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
                "kind": "Kustomization",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": {
                    "interval": self.interval,
                    "path": f"./{name}",
                    "prune": True,
                    "sourceRef": {"kind": "GitRepository", "name": SOURCE},
                    "targetNamespace": TARGET_NAMESPACE,
                },
            }

    def _objects(self, name: str) -> Iterator[tuple[int, str, Manifest]]:
        """(number, kind in lower case, manifest) of each object of one Kustomization."""
        random = Random(f"{self.seed}/{name}")
        for number in range(self.objects):
            kind, make = _KINDS[number % len(_KINDS)]
            manifest = {
                **make(random),
                "kind": kind,
                "metadata": {"name": f"{name}-{number}", "labels": {"app": name}},
            }
            yield number, kind.lower(), manifest


def _config_map(random: Random) -> Manifest:
    data = {f"key-{key}": random.randbytes(16).hex() for key in range(random.randint(2, 8))}
    return {"apiVersion": "v1", "data": data}


def _secret(random: Random) -> Manifest:
    value = base64.b64encode(random.randbytes(24)).decode()
    return {"apiVersion": "v1", "type": "Opaque", "data": {"token": value}}


def _deployment(random: Random) -> Manifest:
    """A Deployment scaled to nothing: it is healthy where no pods run."""
    container = {
        "name": "app",
        "image": f"registry.example/app:{random.randint(1, 99)}",
        "ports": [{"containerPort": 8080, "name": "http"}],
        "env": [{"name": "SHARD", "value": str(random.randint(0, 9))}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
    }
    labels = {"component": f"c{random.randint(0, 999)}"}
    return {
        "apiVersion": "apps/v1",
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def _service(random: Random) -> Manifest:
    selector = {"component": f"c{random.randint(0, 999)}"}
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return {"apiVersion": "v1", "spec": {"selector": selector, "ports": ports}}


def _service_account(_: Random) -> Manifest:
    return {"apiVersion": "v1", "automountServiceAccountToken": False}


def _role(random: Random) -> Manifest:
    verbs = random.sample(["get", "list", "watch", "update"], 2)
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": sorted(verbs)}]
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "rules": rules}


def _network_policy(random: Random) -> Manifest:
    selector = {"matchLabels": {"component": f"c{random.randint(0, 999)}"}}
    spec = {"podSelector": selector, "policyTypes": ["Ingress"]}
    return {"apiVersion": "networking.k8s.io/v1", "spec": spec}


_KINDS: tuple[tuple[str, Callable[[Random], Manifest]], ...] = (
    ("ConfigMap", _config_map),
    ("Deployment", _deployment),
    ("Service", _service),
    ("ServiceAccount", _service_account),
    ("ConfigMap", _config_map),
    ("Role", _role),
    ("NetworkPolicy", _network_policy),
    ("Secret", _secret),
    ("ConfigMap", _config_map),
    ("ConfigMap", _config_map),
)
