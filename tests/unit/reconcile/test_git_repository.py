from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.api.decode import decode
from engine.api.source import GitRepository
from engine.reconcile.git_outcome import tell_new, tell_recovery, tell_unchanged
from engine.reconcile.git_repository import is_reconfigured, kept, news
from engine.settings import Settings


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
        cast("Any", SimpleNamespace(revision=revision)), repository, [], cast("Any", run)
    )

    assert shelf.read == read
    assert (found is not None) is bool(read)


def repository(**status: Any) -> GitRepository:
    return decode(
        GitRepository,
        {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": "a", "namespace": "flux"},
            "spec": {
                "url": "https://git.example/a",
                "interval": "1m",
                "ignore": "/docs",
                "recurseSubmodules": True,
                "sparseCheckout": ["apps"],
                "include": [{"repository": {"name": "lib"}, "toPath": "lib"}],
            },
            "status": OBSERVED | status,
        },
    )


OBSERVED = {
    "observedIgnore": "/docs",
    "observedRecurseSubmodules": True,
    "observedSparseCheckout": ["apps"],
    "observedInclude": [{"repository": {"name": "lib"}, "toPath": "lib"}],
}


@pytest.mark.parametrize(
    ("observed", "changed"),
    [
        ({}, False),
        ({"observedIgnore": ""}, True),
        ({"observedRecurseSubmodules": False}, True),
        ({"observedSparseCheckout": ["apps", "infra"]}, True),
        ({"observedSparseCheckout": []}, True),
        ({"observedInclude": []}, True),
        ({"observedInclude": [{"repository": {"name": "lib"}}]}, True),
    ],
)
def test_whatever_was_set_otherwise_makes_another_artifact(
    observed: dict[str, Any], changed: bool
) -> None:
    assert is_reconfigured(repository(**observed)) is changed


class Told:
    """A run that notes its events."""

    def __init__(self, heartbeat: bool = False, **status: Any) -> None:
        self.given: dict[str, Any] = {"status": status}
        self.engine = SimpleNamespace(settings=Settings(status_heartbeat=heartbeat))
        self.changed = False
        self.events: list[tuple[str, str]] = []

    def emit(self, _type: str, reason: str, text: str, _metadata: object = None) -> None:
        self.events.append((reason, text))


def told(subject: str, digest: str, **status: Any) -> list[tuple[str, str]]:
    fetched = cast("Any", SimpleNamespace(revision="r", commit=SimpleNamespace(subject=subject)))
    run = cast("Any", Told(**status))
    tell_new(fetched, {"digest": digest}, run)
    tell_recovery(fetched, {"digest": digest}, run)
    return cast("Told", run).events


FAILED = {"conditions": [{"type": "FetchFailed", "status": "True"}]}
STORED = {"artifact": {"digest": "d1"}}


@pytest.mark.parametrize(
    ("subject", "digest", "status", "wanted"),
    [
        ("Short", "d1", {}, [("NewArtifact", "stored artifact for commit 'Short'")]),
        ("é" * 50, "d1", {}, [("NewArtifact", f"stored artifact for commit '{'é' * 50}'")]),
        ("é" * 51, "d1", {}, [("NewArtifact", f"stored artifact for commit '{'é' * 50}...'")]),
        ("Same", "d1", STORED, []),
        ("Same", "d1", STORED | FAILED, [("Succeeded", "stored artifact for commit 'Same'")]),
        ("New", "d2", STORED | FAILED, [("NewArtifact", "stored artifact for commit 'New'")]),
    ],
)
def test_a_new_artifact_is_told_and_so_is_the_end_of_a_failure(
    subject: str, digest: str, status: dict[str, Any], wanted: list[tuple[str, str]]
) -> None:
    assert told(subject, digest, **status) == wanted


@pytest.mark.parametrize(
    ("asked", "answered", "heartbeat", "is_told"),
    [
        ("", "", False, False),
        ("", "", True, True),
        ("1", "", False, True),
        ("1", "1", False, False),
    ],
)
def test_that_nothing_is_new_is_told_to_who_asked_or_with_the_heartbeat(
    asked: str, answered: str, heartbeat: bool, is_told: bool
) -> None:
    run = Told(lastHandledReconcileAt=answered, heartbeat=heartbeat)
    run.given["metadata"] = {"annotations": {"reconcile.fluxcd.io/requestedAt": asked}}

    tell_unchanged(cast("Any", SimpleNamespace(revision="r")), cast("Any", run))

    text = "artifact up-to-date with remote revision: 'r'"
    assert run.events == [("ArtifactUpToDate", text)] * is_told


@pytest.mark.parametrize(
    ("revision", "included", "reason"),
    [("r2", "i1", "NewRevision"), ("r1", "i2", "IncludeChange"), ("r1", "i1", "")],
)
def test_an_artifact_is_outdated_by_a_revision_or_by_what_it_includes(
    revision: str, included: str, reason: str
) -> None:
    status = {
        "artifact": {"revision": "r1"},
        "includedArtifacts": [{"revision": "i1", "digest": "d"}],
    }
    run = cast("Any", SimpleNamespace(status=status))
    include = cast("Any", SimpleNamespace(described={"revision": included, "digest": "d"}))

    found, _ = news(cast("Any", SimpleNamespace(revision=revision)), [include], run)

    assert found == reason
