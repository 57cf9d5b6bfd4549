"""A fleet of encrypted Secrets: each file sealed with a data key of its own, as sops does it."""

from random import Random

from benchmarks.workload import TARGET_NAMESPACE, Workload
from tests.support.sealing import Person, Seal

REGEX = "^(data|stringData)$"
"""What Flux's guide has users encrypt."""


PERSON = Person()
"""Who can decrypt them: nobody after this run."""


class Sealed(Workload):
    """Every object is an encrypted Secret in a file of its own, all for one age key."""

    __slots__ = ()

    def files(self) -> dict[str, bytes]:
        """The repository: `apps/NAME/secret-N.yaml`."""
        return {
            self.path(name, number): self.file(name, number)
            for name in self.names
            for number in range(self.objects)
        }

    def path(self, name: str, number: int) -> str:
        """Where one of them is."""
        return f"apps/{name}/secret-{number:04d}.yaml"

    def file(self, name: str, number: int) -> bytes:
        """One of them, sealed anew."""
        random = Random(f"{self.seed}/{name}/{number}")
        values = {"username": f"user-{number}", "password": random.randbytes(16).hex()}
        obj = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"{name}-{number}", "namespace": TARGET_NAMESPACE},
            "stringData": values,
        }
        return Seal([PERSON], REGEX).yaml(obj)
