import pytest

from engine.reconcile.sources import clean_path
from engine.runtime import Requeue
from engine.settings import Settings
from tests.support.build import config
from tests.support.reconciling import SOURCE, Workshop


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
