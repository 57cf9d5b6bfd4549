"""The folder of a store: an empty bare repository, and packs in it."""

import os
from functools import partial
from pathlib import Path

from dulwich.object_format import SHA1, SHA256
from dulwich.object_store import DiskObjectStore
from dulwich.pack import Pack

_CONFIGS = {
    "sha1": "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
    "sha256": "[core]\n\trepositoryformatversion = 1\n\tbare = true\n"
    "[extensions]\n\tobjectformat = sha256\n",
}


class NamedPacks(DiskObjectStore):
    """Objects whose packs are known by the names of their files.

    A pack's name is a hash of the ids of its objects.  dulwich computes it for each pack whenever
    one is added, which takes as long as the repository is large, and opens each pack's index.
    """

    def get_midx(self) -> None:
        """None: nobody writes an index of many packs here, and dulwich looks for each object."""

    @property
    def packs(self) -> list[Pack]:
        """All packs."""
        packs = super().packs
        for stem, pack in list(self._pack_cache.items()):
            name = stem.removeprefix("pack-").encode()
            pack.name = partial(bytes, name)  # type: ignore[method-assign]  # dulwich makes it
        return packs


def opened(objects: Path, object_format: str) -> NamedPacks:
    """The objects in that folder; to be closed."""
    named = SHA256 if object_format == SHA256.name else SHA1
    return NamedPacks(str(objects), fsync_object_files=True, object_format=named)


def initialise(folder: Path, object_format: str) -> None:
    """Make an empty bare repository; the config, written last, says that it is whole."""
    for part in ("objects/info", "objects/pack", "refs/heads"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    new = folder / "config.new"
    new.write_text(_CONFIGS[object_format])
    os.replace(new, folder / "config")
