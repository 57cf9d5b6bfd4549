from engine.cluster import Forbidden
from engine.objects.ref import Ref
from tests.support.build import config, made
from tests.support.memory_client import kind
from tests.support.reconciling import APP, Workshop

VOLUMES = kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")


async def test_a_namespace_is_not_deleted_with_volumes_that_no_git_has() -> None:
    shop = Workshop()
    shop.client.kinds["", "PersistentVolumeClaim"] = VOLUMES
    shop.source("main@sha1:1", a=config("a"), n=made("Namespace", "db", ""))
    shop.client.put(made("PersistentVolumeClaim", "data-0", "db"))
    shop.kustomization()
    await shop.run()
    shop.source("main@sha1:2", a=config("a"))

    await shop.run()

    assert Ref("", "Namespace", "", "db") in shop.client.objects
    assert "it holds PersistentVolumeClaim/db/data-0: Namespace/db" in shop.said(ref=APP)


async def test_a_namespace_whose_volumes_may_not_be_listed_is_not_deleted() -> None:
    shop = Workshop()
    shop.client.kinds["", "PersistentVolumeClaim"] = VOLUMES
    shop.source("main@sha1:1", a=config("a"), n=made("Namespace", "db", ""))
    shop.kustomization()
    await shop.run()
    shop.source("main@sha1:2", a=config("a"))
    shop.client.refuse("list PersistentVolumeClaim", Forbidden(403, "Forbidden", "no"))

    await shop.run()

    assert Ref("", "Namespace", "", "db") in shop.client.objects
    assert "whether Namespace/db holds what would go with it is not known" in shop.said(ref=APP)


async def test_what_a_namespace_holds_is_only_counted_for_who_may_not_read_it() -> None:
    shop = Workshop()
    shop.client.kinds["", "PersistentVolumeClaim"] = VOLUMES
    shop.source("main@sha1:1", a=config("a"), n=made("Namespace", "db", ""))
    shop.client.put(made("PersistentVolumeClaim", "data-0", "db"))
    shop.client.forbid("system:serviceaccount:flux:tenant", "PersistentVolumeClaim", "db")
    shop.kustomization(serviceAccountName="tenant")
    await shop.run()
    shop.source("main@sha1:2", a=config("a"))

    await shop.run()

    assert "it holds 1 object that the service account may not read" in shop.said(ref=APP)
    assert "data-0" not in shop.said(ref=APP)
