"""Trees whose builds are plain, slow or large by construction."""

from engine.objects.manifests import dump
from engine.source.tree import MemoryTree

_MAP = "apiVersion: v1\nkind: ConfigMap\n"
_COMPONENT = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"


def plain() -> MemoryTree:
    """One ConfigMap in the folder `app`."""
    return MemoryTree(
        {
            "app/kustomization.yaml": b"resources: [map.yaml]\n",
            "app/map.yaml": dump(
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map"}}
            ).encode(),
        }
    )


class Endless(MemoryTree):
    """Keeps whoever reads a file of it busy for ever."""

    def read(self, path: str) -> bytes:
        while True:
            pass


def endless() -> MemoryTree:
    """The folder `app` takes for ever to build."""
    return Endless({"app/kustomization.yaml": b"resources: [map.yaml]\n"})


def fan_out_files(depth: int, objects: int = 0) -> dict[str, bytes]:
    """The folder `app` leads to each component by two ways, `depth` levels deep.

    2 ** depth builds of the last, at most as many as may be entered, which take time and no memory:
    no object comes of them; each transforms the `objects` of `app`.
    """
    names = "".join(f"{_MAP}metadata: {{name: map-{number}}}\n---\n" for number in range(objects))
    files = {
        "app/kustomization.yaml": b"resources: [maps.yaml]\ncomponents: [../0/a, ../0/b]\n",
        "app/maps.yaml": names.encode(),
    }
    for level in range(depth):
        next_ = (
            f"components: [../../{level + 1}/a, ../../{level + 1}/b]" if level < depth - 1 else ""
        )
        content = f"{_COMPONENT}namespace: x\n{next_}\n".encode()
        files |= {f"{level}/{name}/kustomization.yaml": content for name in "ab"}
    return files


def bulk(objects: int, text: str) -> MemoryTree:
    """The folder `app` holds so many ConfigMaps with that text."""
    return MemoryTree(
        {
            f"app/{number}.yaml": dump(
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": f"map-{number}"},
                    "data": {"text": text},
                }
            ).encode()
            for number in range(objects)
        }
    )


class Unreadable(MemoryTree):
    """Breaks whoever reads a file of it, with an error that cannot be pickled."""

    def read(self, path: str) -> bytes:
        raise UnsendableError(path, why="")


class UnsendableError(Exception):
    def __init__(self, path: str, *, why: str) -> None:
        super().__init__(f"cannot read {path}{why}")
