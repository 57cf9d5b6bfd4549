"""Which manifests of a repository are for the same cluster, judged by where they lie.

Nothing in a manifest says so.  What one Kustomization makes is for the cluster that it is for; of
the others the folder decides.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

_FOLDERS: Final = ("clusters", "environments", "envs")
"""Folders with one folder for each cluster, as Flux's documentation has them."""


def clusters_of(found: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """{file: cluster} of (file, `namespace/name`) of each Kustomization.

    A cluster is a folder, "" if all is for one.  Two of one name are not for the same cluster: then
    the first folders in which they differ tell clusters apart.
    """
    named = {file: _by_convention(file) for file, _ in found}
    together: dict[str, list[tuple[str, str]]] = {}
    for file, name in dict.fromkeys(found):
        together.setdefault(named[file], []).append((file, name))
    return {
        file: cluster
        for folder, members in together.items()
        for file, cluster in _split(folder, members).items()
    }


def _by_convention(file: str) -> str:
    """`clusters/prod` of `clusters/prod/apps.yaml`, "" where nothing tells."""
    parts = file.split("/")[:-1]
    for place, part in enumerate(parts[:-1]):
        if part in _FOLDERS:
            return "/".join(parts[: place + 2])
    return ""


def _split(folder: str, members: Sequence[tuple[str, str]]) -> dict[str, str]:
    deepest = max(file.count("/") for file, _ in members)
    for depth in range(deepest + 1):
        split = {
            file: "/".join(file.split("/")[:-1][:depth]) if depth else folder for file, _ in members
        }
        counts = Counter((split[file], name) for file, name in members)
        if max(counts.values()) == 1:
            return split
    return dict.fromkeys((file for file, _ in members), folder)  # they are defined twice
