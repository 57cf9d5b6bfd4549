"""A synthetic fleet: one Git repository of N Kustomizations with M objects each, from a seed.

The same numbers give the same commit, byte for byte, so that two runs do the same work.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from benchmarks import manifests
from benchmarks.manifests import Manifest
from engine.api.meta import REQUESTED_AT
from engine.objects.manifests import dump
from engine.source.author import commit_files, create_repository
from tests.support.builds import fan_out_files

SOURCE = "fleet"  # name of the GitRepository, and of the repository that it names
NAMESPACE = "flux-system"  # of the source and the Kustomizations
TARGET_NAMESPACE = "apps"  # of what they apply
_COMMITTED_AT = 1_700_000_000.0  # any fixed instant: a commit's id covers it

Kinds = Sequence[tuple[str, str, Callable[[Random], Manifest]]]
"""(kind, title of its resource, maker) in turn."""

_CONFIG_MAP = ("ConfigMap", "configmaps", manifests.config_map)
_DEPLOYMENT = ("Deployment", "deployments.apps", manifests.deployment)
_SERVICE = ("Service", "services", manifests.service)
_SERVICE_ACCOUNT = ("ServiceAccount", "serviceaccounts", manifests.service_account)
_MIXED: Kinds = (
    _CONFIG_MAP,
    _DEPLOYMENT,
    _SERVICE,
    _SERVICE_ACCOUNT,
    _CONFIG_MAP,
    ("Role", "roles.rbac.authorization.k8s.io", manifests.role),
    ("NetworkPolicy", "networkpolicies.networking.k8s.io", manifests.network_policy),
    ("Secret", "secrets", manifests.secret),
    _CONFIG_MAP,
    _CONFIG_MAP,
)
_OF_FLUX: Kinds = (
    _SERVICE_ACCOUNT,
    _SERVICE,
    _DEPLOYMENT,
    ("Ingress", "ingresses.networking.k8s.io", manifests.ingress),
)


@dataclass(frozen=True, slots=True)
class Change:
    """A commit that gives the first ConfigMap of some Kustomizations another value."""

    commit: str
    kustomizations: tuple[str, ...]
    config_map: str  #: of the first of them
    data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Workload:
    """How much there is to do; interval: of the source and of every Kustomization, as Go writes."""

    kustomizations: int = 100
    objects: int = 10
    seed: int = 0
    interval: str = "1h"

    kinds: ClassVar[Kinds] = _MIXED

    @property
    def names(self) -> list[str]:
        """The names of the Kustomizations."""
        return [f"app-{number:04d}" for number in range(self.kustomizations)]

    @property
    def healthy_names(self) -> list[str]:
        """Of those that can become Ready."""
        return self.names

    @property
    def managed(self) -> frozenset[str]:
        """Titles of the resources that the fleet applies."""
        return frozenset(title for _, title, _ in self.kinds)

    def files(self) -> dict[str, bytes]:
        """The repository: a folder for each Kustomization, a file for each object."""
        found: dict[str, bytes] = {}
        for name in self.names:
            made = {
                f"{obj['kind'].lower()}-{n}.yaml": obj for n, obj in enumerate(self.manifests(name))
            }
            kustomization = {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": list(made),
            }
            found[f"{name}/kustomization.yaml"] = dump(kustomization).encode()
            for file, manifest in made.items():
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
        return self.change_of([random.choice(self.healthy_names)], repositories, number)

    def change_of(self, names: Sequence[str], repositories: Path, number: int) -> Change:
        """Commits the change of that number: one file in each of the Kustomizations `names`."""
        random = Random(f"{self.seed}/data/{number}")
        data = {"release": f"{number}-{random.randbytes(8).hex()}"}
        first = {name: next(self.manifests(name)) for name in names}
        commit = commit_files(
            repositories / SOURCE,
            {
                f"{name}/configmap-0.yaml": dump({**manifest, "data": data}).encode()
                for name, manifest in first.items()
            },
            f"release {number}",
            committed_at=_COMMITTED_AT + number,
        )
        return Change(commit, tuple(names), first[names[0]]["metadata"]["name"], data)

    def source(self, git_url: str) -> Manifest:
        """The GitRepository, as a user creates it."""
        spec = {
            "url": f"{git_url}/{SOURCE}",
            "interval": self.interval,
            "ref": {"branch": "main"},
        }
        return _named("source.toolkit.fluxcd.io/v1", "GitRepository", SOURCE, spec)

    def kustomization(self, name: str) -> Manifest:
        """A Kustomization, as a user creates it."""
        spec = {
            "interval": self.interval,
            "path": f"./{name}",
            "prune": True,
            "sourceRef": {"kind": "GitRepository", "name": SOURCE},
            "targetNamespace": TARGET_NAMESPACE,
            **self.wishes(name),
        }
        return _named("kustomize.toolkit.fluxcd.io/v1", "Kustomization", name, spec)

    def wishes(self, name: str) -> Manifest:
        """What the spec of a Kustomization has beside the usual."""
        return {}

    def surroundings(self) -> Iterator[Manifest]:
        """What has to be in the cluster before."""
        yield from ()

    def manifests(self, name: str) -> Iterator[Manifest]:
        """Each object of one Kustomization, a ConfigMap first where the fleet has any."""
        random = Random(f"{self.seed}/{name}")
        for number in range(self.objects):
            kind, _, make = self.kinds[number % len(self.kinds)]
            yield {
                **make(random),
                "kind": kind,
                "metadata": {"name": f"{name}-{number}", "labels": {"app": name}},
            }


class Chain(Workload):
    """Each Kustomization depends on the one before it."""

    __slots__ = ()

    def wishes(self, name: str) -> Manifest:
        """As Workload."""
        number = self.names.index(name)
        return {"dependsOn": [{"name": self.names[number - 1]}]} if number else {}


@dataclass(frozen=True, slots=True)
class Failing(Workload):
    """The last of the Kustomizations wait for an object that never comes, until they time out."""

    failing: int = 11
    timeout: str = "30s"

    @property
    def healthy_names(self) -> list[str]:
        """As Workload."""
        return self.names[: self.kustomizations - self.failing]

    def wishes(self, name: str) -> Manifest:
        """As Workload."""
        if name in self.healthy_names:
            return {"timeout": self.timeout}
        missing = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": f"{name}-missing",
            "namespace": TARGET_NAMESPACE,
        }
        return {"timeout": self.timeout, "retryInterval": "10s", "healthChecks": [missing]}


@dataclass(frozen=True, slots=True)
class Noisy(Workload):
    """A few calm Kustomizations, and tenants that ask for more than their share.

    One has Kustomizations that fail every second, one huge ones, and the builds of one hang; each
    asks for all of its own at once.
    """

    noisy: int = 1000

    neighbours: ClassVar[Sequence[str]] = ("failing", "huge", "hanging")  # their namespaces
    _huge: ClassVar[int] = 10  # Kustomizations, of so many objects:
    _objects: ClassVar[int] = 1000
    _depth: ClassVar[int] = 12  # of components; 8,190 are entered, nearly as many as a build may

    def files(self) -> dict[str, bytes]:
        """As Workload, with what the noisy tenants build."""
        found = Workload.files(self)
        hanging = fan_out_files(self._depth, self._objects)
        found |= {f"hanging/{path}": content for path, content in hanging.items()}
        random = Random(f"{self.seed}/huge")
        huge = [
            {**manifests.config_map(random), "kind": "ConfigMap", "metadata": {"name": f"c{n}"}}
            for n in range(self._objects)
        ]
        return {**found, "huge/all.yaml": "---\n".join(map(dump, huge)).encode()}

    def of_neighbour(self, tenant: str, git_url: str) -> Iterator[Manifest]:
        """What a noisy tenant creates in its namespace: its share of them all, or a few huge."""
        yield _in_namespace(tenant, self.source(git_url))
        share = self._huge if tenant == "huge" else self.noisy // 2
        for number in range(min(share, self.noisy)):
            yield _in_namespace(tenant, self._neighbour(tenant, f"{tenant}-{number:04d}"))

    def _neighbour(self, tenant: str, name: str) -> Manifest:
        paths = {"failing": "./absent", "huge": "./huge", "hanging": "./hanging/app"}
        whole = self.kustomization(name)
        wishes = {"path": paths[tenant], "retryInterval": "1s", "interval": "1s"}
        prefix = {"namePrefix": f"{name}-"} if tenant == "huge" else {}
        spec = {**whole["spec"], "targetNamespace": tenant, **wishes, **prefix}
        annotations = {REQUESTED_AT: "now"}
        return {
            **whole,
            "metadata": {**whole["metadata"], "annotations": annotations},
            "spec": spec,
        }


def _in_namespace(namespace: str, obj: Manifest) -> Manifest:
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}


class OfFlux(Workload):
    """The shape of Flux's own benchmark: awaited, and applied by an impersonated service account.

    Source: github.com/fluxcd/flux-benchmark.
    """

    __slots__ = ()

    kinds: ClassVar[Kinds] = _OF_FLUX

    def wishes(self, name: str) -> Manifest:
        """As Workload."""
        return {"wait": True, "timeout": "5m", "serviceAccountName": "applier"}

    def surroundings(self) -> Iterator[Manifest]:
        """As Workload: the service account, and its right to everything."""
        yield {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "applier", "namespace": NAMESPACE},
        }
        group = "rbac.authorization.k8s.io"
        yield {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "applier"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "applier", "namespace": NAMESPACE}],
        }


def _named(api_version: str, kind: str, name: str, spec: dict[str, Any]) -> Manifest:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
