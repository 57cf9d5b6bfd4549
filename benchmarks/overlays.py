"""A fleet of overlays: a few common bases, and for each Kustomization what it wants otherwise."""

from random import Random

from benchmarks.manifests import Manifest
from benchmarks.workload import Workload
from engine.objects.manifests import dump

BASES = 20
"""Bases of a fleet; overlay n stands on base n modulo that."""


class Overlays(Workload):
    """Overlays of ten objects each: nine of a base, and a ConfigMap that is generated.

    Each sets namespace, prefix, labels, image and replicas, and patches the Deployment, which names
    the ConfigMap: that name gets a hash, so that references are repaired.
    """

    __slots__ = ()

    def files(self) -> dict[str, bytes]:
        """The repository: `bases/NAME/` and, for each Kustomization, `overlays/NAME/`."""
        found: dict[str, bytes] = {}
        for number in range(min(BASES, self.kustomizations)):
            found |= self._base(number)
        for number, name in enumerate(self.names):
            found |= self._overlay(number, name)
        return found

    @staticmethod
    def folder(name: str) -> str:
        """Where the overlay of a Kustomization is."""
        return f"overlays/{name}"

    @staticmethod
    def base(number: int) -> str:
        """Where the base of an overlay is."""
        return f"bases/base-{number % BASES:02d}"

    def _base(self, number: int) -> dict[str, bytes]:
        random = Random(f"{self.seed}/base/{number}")
        folder, files = self.base(number), {}
        for index in range(self.objects - 1):
            # The Deployment first, as small fleets need it too.
            kind, _, make = self.kinds[(index + 1) % len(self.kinds)]
            name = "app" if kind == "Deployment" and not index else f"{kind.lower()}-{index}"
            obj = {**make(random), "kind": kind, "metadata": {"name": name}}
            if name == "app":
                _name_settings(obj)
            files[f"{folder}/{name}.yaml"] = dump(obj).encode()
        resources = [path.rpartition("/")[2] for path in files]
        return {**files, f"{folder}/kustomization.yaml": _kustomization(resources=resources)}

    def _overlay(self, number: int, name: str) -> dict[str, bytes]:
        random = Random(f"{self.seed}/overlay/{number}")
        memory = f"{random.randint(64, 512)}Mi"
        container = {"name": "app", "resources": {"limits": {"memory": memory}}}
        patch = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "app"},
            "spec": {"template": {"spec": {"containers": [container]}}},
        }
        release = f"release={random.randbytes(8).hex()}"
        kustomization = _kustomization(
            namespace=f"team-{number % 50:02d}",
            namePrefix=f"{name}-",
            resources=[f"../../{self.base(number)}"],
            labels=[{"pairs": {"team": f"t{number % 50}"}, "includeSelectors": True}],
            images=[{"name": "registry.example/app", "newTag": f"1.{number}"}],
            replicas=[{"name": "app", "count": number % 5}],
            patches=[{"path": "patch.yaml"}],
            configMapGenerator=[{"name": "settings", "literals": [f"SHARD={number}", release]}],
        )
        folder = self.folder(name)
        return {
            f"{folder}/kustomization.yaml": kustomization,
            f"{folder}/patch.yaml": dump(patch).encode(),
        }


def _name_settings(deployment: Manifest) -> None:
    """Have the Deployment take its environment from the ConfigMap that overlays generate."""
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["envFrom"] = [{"configMapRef": {"name": "settings"}}]


def _kustomization(**fields: object) -> bytes:
    header = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return dump({**header, **fields}).encode()
