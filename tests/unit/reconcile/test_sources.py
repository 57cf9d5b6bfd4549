from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import anyio
import anyio.abc
import pytest

from engine.api.paths import clean_path
from engine.objects.ref import Object
from engine.reconcile.artifacts import Artifacts
from engine.runtime import Requeue
from engine.settings import Settings
from engine.source.artifact import Artifact
from tests.support.build import config
from tests.support.clock import ManualClock, settle
from tests.support.reconciling import APP, SOURCE, Workshop


async def test_a_source_that_does_not_exist_is_waited_for_without_an_event() -> None:
    shop = Workshop()
    shop.kustomization()

    requeue = await shop.run()

    assert shop.said() == (
        'False ArtifactFailed: GitRepository.source.toolkit.fluxcd.io "fleet" not found '
        'in namespace "flux"'
    )
    assert requeue.after == 60
    assert shop.told() == []


async def test_a_source_without_artifact_is_waited_for_without_an_event() -> None:
    shop = Workshop()
    metadata = {"name": "fleet", "namespace": "flux"}
    shop.tell({"apiVersion": f"{SOURCE.group}/v1", "kind": SOURCE.kind, "metadata": metadata})
    shop.kustomization()

    requeue = await shop.run()

    assert shop.said() == "False ArtifactFailed: Source artifact not found, retrying in 30s"
    assert requeue.after == 30
    assert shop.told() == []


def unfetched(**spec: object) -> dict[str, object]:
    """A source that holds nothing yet."""
    metadata = {"name": "fleet", "namespace": "flux"}
    kind = {"apiVersion": f"{SOURCE.group}/v1", "kind": SOURCE.kind}
    return {**kind, "metadata": metadata, "spec": spec}


async def held(shop: Workshop, tasks: anyio.abc.TaskGroup) -> list[Requeue]:
    """A run that has begun, and waits; what it asks for comes into the list."""
    asked: list[Requeue] = []

    async def work() -> None:
        asked.append(await shop.run())

    tasks.start_soon(work)
    await settle()
    return asked


async def test_while_a_source_is_fetched_for_the_first_time_nothing_is_said_about_it() -> None:
    shop = Workshop(clock=ManualClock())
    shop.tell(unfetched())
    shop.kustomization()
    async with anyio.create_task_group() as tasks:
        asked = await held(shop, tasks)
        assert shop.turn is not None
        assert shop.turn.is_yielded
        shop.source("main@sha1:1", a=config("a"))
        shop.turn.supersede()
        await settle()

    assert asked[0].reason == "outdated"
    assert "status" not in shop.client.objects[APP]


async def test_a_run_that_is_superseded_before_it_has_done_anything_begins_anew() -> None:
    """It would apply, and then its health checks would be cancelled."""
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization()
    shop.client.before("patch Kustomization/flux/app", lambda: shop.turn and shop.turn.supersede())

    requeue = await shop.run()

    assert requeue.reason == "outdated"
    assert "status" not in shop.client.objects[APP]


async def test_once_the_first_fetch_has_failed_it_is_said() -> None:
    shop = Workshop(clock=ManualClock())
    shop.tell(unfetched())
    shop.kustomization()
    async with anyio.create_task_group() as tasks:
        asked = await held(shop, tasks)
        shop.engine.artifacts.failure(SOURCE).set()
        await settle()

    assert asked[0].after == 30
    assert shop.said() == "False ArtifactFailed: Source artifact not found, retrying in 30s"


async def test_a_first_fetch_that_takes_long_is_said() -> None:
    clock = ManualClock()
    shop = Workshop(clock=clock)
    shop.tell(unfetched())
    shop.kustomization()
    async with anyio.create_task_group() as tasks:
        await held(shop, tasks)
        await clock.advance(11)

    assert shop.said() == "False ArtifactFailed: Source artifact not found, retrying in 30s"


@pytest.mark.parametrize("is_ours", [True, False])
async def test_a_source_that_nobody_fetches_here_is_not_waited_for(is_ours: bool) -> None:
    settings = Settings() if is_ours else Settings(sources="none")
    shop = Workshop(clock=ManualClock(), settings=settings)
    shop.tell(unfetched(suspend=is_ours))
    shop.kustomization()

    await shop.run()

    assert shop.said() == "False ArtifactFailed: Source artifact not found, retrying in 30s"


def restarted() -> tuple[Workshop, Artifact]:
    """A Kustomization whose source was fetched by a former engine, and the artifact of then."""
    shop = Workshop(clock=ManualClock())
    shop.source("main@sha1:1", a=config("a"))
    artifact = shop.engine.artifacts.get(SOURCE)
    assert artifact is not None
    shop.engine.artifacts.forget(SOURCE)
    shop.kustomization()
    return shop, artifact


async def test_after_a_start_no_artifact_is_unpacked_while_the_engine_looks_at_the_source() -> None:
    """It holds the files in Git, and a thousand Kustomizations would wait for the unpacking."""
    shop, artifact = restarted()
    async with anyio.create_task_group() as tasks:
        await held(shop, tasks)
        assert shop.turn is not None
        assert shop.turn.is_yielded
        shop.engine.artifacts.put(SOURCE, artifact)

    assert shop.said() == "True ReconciliationSucceeded: Applied revision: main@sha1:1"


@pytest.mark.parametrize("is_refused", [True, False])
async def test_where_the_source_cannot_be_looked_at_the_stored_artifact_is_used(
    is_refused: bool,
) -> None:
    shop, artifact = restarted()
    unpacked: list[Object] = []

    async def kept(described: Object) -> Object:
        return described

    async def unpack(described: Object) -> Artifact:
        unpacked.append(described)
        return artifact

    depot = cast("Any", SimpleNamespace(bases=shop.bases, kept=kept))
    artifacts = Artifacts(unpack)
    shop.engine = replace(shop.engine, depot=depot, artifacts=artifacts)
    async with anyio.create_task_group() as tasks:
        await held(shop, tasks)
        assert unpacked == []
        if is_refused:
            artifacts.failed(SOURCE)
        else:  # it hangs
            await cast("ManualClock", shop.clock).advance(11)

    assert len(unpacked) == 1
    assert shop.said() == "True ReconciliationSucceeded: Applied revision: main@sha1:1"


async def test_what_was_just_fetched_is_awaited_and_not_the_old_artifact_downloaded() -> None:
    """The engine that served the old one is perhaps gone."""
    shop, artifact = restarted()
    async with anyio.create_task_group() as tasks:
        asked = await held(shop, tasks)
        shop.engine.artifacts.put(SOURCE, artifact)
        shop.engine.artifacts.put(SOURCE, replace(artifact, digest="sha256:2"))
        await settle()
        again = await held(shop, tasks)
        assert [each.reason for each in asked] == ["outdated"]
        assert again == []
        assert shop.turn is not None
        shop.turn.supersede()
        await settle()

    assert [each.reason for each in again] == ["outdated"]


async def test_the_event_of_its_artifact_wakes_the_kustomization() -> None:
    shop = Workshop()
    shop.kustomization()
    await shop.run()
    shop.pushed.clear()

    shop.source("main@sha1:1", a=config("a"))

    assert [ref.name for ref in shop.pushed] == ["app"]


async def test_a_source_that_is_deleted_takes_nothing_away() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization()
    await shop.run()
    known = shop.engine.mirror.get(SOURCE)
    assert known is not None
    shop.engine.triggers.deleted(known)

    await shop.run()

    assert shop.said().startswith("False ArtifactFailed")
    assert any(ref.kind == "ConfigMap" for ref in shop.client.objects)
    assert shop.status()["lastAppliedRevision"] == "main@sha1:1"


async def test_sources_of_other_namespaces_can_be_blocked() -> None:
    shop = Workshop(settings=Settings(no_cross_namespace_refs=True))
    source = {"kind": "GitRepository", "name": "fleet", "namespace": "other"}
    shop.kustomization(sourceRef=source)

    assert await shop.run() == Requeue()
    message = (
        "AccessDenied: can't access 'GitRepository/other/fleet', "
        "cross-namespace references have been blocked"
    )
    assert shop.said() == f"False {message}"
    assert shop.said("Stalled") == f"True {message}"
    assert shop.told() == [f"Warning {message}"]


async def test_a_path_that_does_not_exist_names_what_there_is() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization(path="./apps")

    await shop.run()

    assert shop.said().endswith("at revision main@sha1:1; folders in the root: app")
    assert "lastAttemptedRevision" not in shop.status()


@pytest.mark.parametrize(
    ("path", "clean"),
    [("", ""), ("./", ""), ("./a//b/", "a/b"), ("/a", "a"), ("../../a", "a"), ("a/../b", "b")],
)
def test_no_path_leads_out_of_the_source(path: str, clean: str) -> None:
    assert clean_path(path) == clean
