"""As whom a Kustomization applies."""

import pytest

from tests.support.build import config
from tests.support.reconciling import Workshop


@pytest.mark.parametrize(
    "name", ["a\r\nImpersonate-Group: system:masters", "a\x00", "flux:admin", " ", "../admin", "A"]
)
async def test_what_can_be_no_service_account_is_impersonated_by_nobody(name: str) -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization(serviceAccountName=name)

    await shop.run()

    assert shop.said().startswith("False ReconciliationFailed: spec.serviceAccountName: ")
    assert "can be no name of a service account" in shop.said()
    assert not [ref for ref in shop.client.objects if ref.kind == "ConfigMap"]
