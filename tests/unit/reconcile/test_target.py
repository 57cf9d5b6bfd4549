from tests.support.build import config, made
from tests.support.memory_client import kind
from tests.support.reconciling import Workshop


async def test_everything_is_done_under_the_service_account_that_is_asked_for() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization(serviceAccountName="tenant")

    await shop.run()

    assert "as system:serviceaccount:flux:tenant" in shop.client.calls


async def test_a_kind_that_came_just_now_is_found() -> None:
    shop = Workshop()
    shop.source("main@sha1:1", w=made("Widget", "w", api_version="example.com/v1"))
    shop.kustomization()
    widgets = kind("example.com/v1", "Widget", "widgets")
    refresh = shop.client.invalidate

    def invalidate() -> None:
        refresh()
        shop.client.kinds["example.com", "Widget"] = widgets

    shop.client.invalidate = invalidate  # type: ignore[method-assign]

    await shop.run()

    assert shop.said().startswith("True ")
