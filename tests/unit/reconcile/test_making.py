"""Who has its say before a watch has told of it."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.objects.ref import Ref
from engine.reconcile.making import teller
from engine.settings import Settings
from tests.support.reconciling import Workshop

GROUP = "kustomize.toolkit.fluxcd.io"


def child(name: str = "child", **metadata: Any) -> dict[str, Any]:
    whole = {"name": name, "namespace": "flux", "generation": 1, "resourceVersion": "9", **metadata}
    return {"apiVersion": f"{GROUP}/v1", "kind": "Kustomization", "metadata": whole, "spec": {}}


@pytest.mark.parametrize(
    ("obj", "settings", "is_told"),
    [
        (child(), {}, True),
        ({**child(), "apiVersion": f"{GROUP}/v1beta2"}, {}, False),
        (child(), {"watch_all_namespaces": False, "runtime_namespace": "flux"}, True),
        (child(), {"watch_all_namespaces": False}, False),
        (child(labels={"shard": "1"}), {"watch_label_selector": "shard=1"}, True),
        (child(labels={"shard": "2"}), {"watch_label_selector": "shard=1"}, False),
    ],
)
async def test_a_kustomization_is_known_once_it_is_written_if_its_watch_would_tell_of_it(
    obj: dict[str, Any], settings: dict[str, Any], is_told: bool
) -> None:
    shop = Workshop(settings=Settings(**settings))
    ref = Ref.of(obj)
    run = cast("Any", SimpleNamespace(engine=shop.engine, cluster=shop.engine.clusters.own))

    teller(run)(ref, obj)

    assert (shop.engine.mirror.get(ref) is not None) is is_told
    assert (ref in shop.pushed) is is_told
