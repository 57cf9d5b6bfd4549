from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.api.decode import decode
from engine.api.source import GitRepository
from engine.reconcile.git_repository import kept


class Shelf:
    """A depot that counts what it must read."""

    read = 0

    async def kept(self, described: dict[str, Any]) -> dict[str, Any]:
        self.read += 1
        return described


@pytest.mark.parametrize(
    ("revision", "ignore", "read"), [("r1", None, 1), ("r2", None, 0), ("r1", "/docs", 0)]
)
async def test_only_a_file_that_may_still_be_right_is_read(
    revision: str, ignore: str | None, read: int
) -> None:
    shelf = Shelf()
    run = SimpleNamespace(
        status={"artifact": {"revision": "r1"}}, engine=SimpleNamespace(depot=shelf)
    )
    spec = {"url": "https://git.example/a", "interval": "1m", "ignore": ignore}
    obj = {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "a", "namespace": "flux"},
        "spec": {key: value for key, value in spec.items() if value is not None},
    }
    repository = decode(GitRepository, obj)

    found = await kept(
        cast("Any", SimpleNamespace(revision=revision)), repository, cast("Any", run)
    )

    assert shelf.read == read
    assert (found is not None) is bool(read)
