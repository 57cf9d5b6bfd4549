"""What only applying needs cannot keep a Kustomization from being deleted."""

from typing import Any

import pytest

from tests.support.build import config
from tests.support.reconciling import APP, Workshop

TOO_MANY = [{"apiVersion": "a/v1", "kind": f"K{i}", "current": "true"} for i in range(201)]


@pytest.mark.parametrize(
    "spec",
    [
        {"healthCheckExprs": TOO_MANY},
        {"healthCheckExprs": [{"apiVersion": "a/v1", "kind": "K", "current": "1 +"}]},
        {"ignore": [{"paths": ["/data/x"], "target": {"kind": "x" * 70_000}}]},
    ],
    ids=["too many expressions", "no expression", "an endless rule"],
)
async def test_a_field_that_cannot_be_understood_does_not_stop_the_end(spec: Any) -> None:
    shop = Workshop()
    shop.source("main@sha1:1", a=config("a"))
    shop.kustomization()
    await shop.run()
    shop.kustomization(**spec)
    await shop.run()
    assert shop.said().startswith("False")

    old = shop.client.objects[APP]
    shop.tell({**old, "metadata": {**old["metadata"], "deletionTimestamp": "now"}})
    await shop.run()

    assert shop.client.objects[APP]["metadata"]["finalizers"] == []
    assert [ref for ref in shop.client.objects if ref.kind == "ConfigMap"] == []
