"""Whatever happens to the connections of watches, what was done meanwhile is corrected."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import anyio
import pytest

from engine.api.meta import KUSTOMIZE_OWNER_NAME
from engine.cluster import watch
from engine.objects.ref import Object
from tests.support.fleet import Fleet, config_map, is_at, is_ready
from tests.support.proxy import Fault, FaultProxy, Passed, refuse

NAMES = ("edited", "removed", "unlabelled", "replaced", "untouched")
Break = Callable[[FaultProxy], Awaitable[None]]


def behind(proxy: FaultProxy, fleet: Fleet) -> Fleet:
    """The same world; engines that are started in it reach the API server through the proxy."""
    return replace(fleet, server=replace(fleet.server, kubeconfig=proxy.kubeconfig))


async def cut(proxy: FaultProxy) -> None:
    """No new watch may be opened for now, either."""
    proxy.faults.append(Fault(refuse(503, "ServiceUnavailable"), path="watch=true"))
    assert proxy.cut_watches() > 3


async def half_open(proxy: FaultProxy) -> None:
    assert proxy.deaden_watches() > 3


async def torn(proxy: FaultProxy) -> None:
    assert proxy.tear_watches() > 3


async def nothing(proxy: FaultProxy) -> None:
    """It is found by itself."""


async def allow(proxy: FaultProxy) -> None:
    proxy.faults.clear()


async def expire(proxy: FaultProxy) -> None:
    assert await proxy.expire_watches() > 3


@pytest.mark.parametrize(
    ("breaks", "ends", "period"),
    [
        pytest.param(cut, allow, watch.BOOKMARK_PERIOD, id="cut"),
        pytest.param(half_open, nothing, 1.0, id="half-open"),
        pytest.param(torn, nothing, watch.BOOKMARK_PERIOD, id="torn"),
        pytest.param(half_open, expire, watch.BOOKMARK_PERIOD, id="too old"),
    ],
)
async def test_what_was_done_while_watches_were_broken_is_found_and_corrected(
    fleet: Fleet,
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
    breaks: Break,
    ends: Break,
    period: float,
) -> None:
    monkeypatch.setattr(watch, "BOOKMARK_PERIOD", period)
    files = {f"app/{name}.yaml": config_map(name, color="blue") for name in NAMES}
    await fleet.app(files, interval="1h")
    async with behind(proxy, fleet).engine():
        await fleet.until("Kustomization", "app", is_ready)
        before = await objects(fleet)
        await breaks(proxy)
        broken_at = anyio.current_time()
        await meddle(fleet)
        commit = fleet.commit({"app/new.yaml": config_map("new", color="blue")})
        await fleet.request("GitRepository", "fleet", commit)
        await ends(proxy)
        await fleet.until("Kustomization", "app", is_at(commit))
        for name in (*NAMES, "new"):
            await fleet.until("ConfigMap", name, is_as_git_says)
        after, writes = await objects(fleet), managed(proxy.writes(since=broken_at))

    same = {name for name in NAMES if uid(before[name]) == uid(after[name])}
    assert same == {"edited", "unlabelled", "untouched"}
    assert before["untouched"] == after["untouched"]
    assert not [each for each in writes if each.method == "DELETE"]
    assert len(writes) <= 2 * len(NAMES)


async def meddle(fleet: Fleet) -> None:
    """Each object in its own way."""
    await fleet.patch("ConfigMap", "edited", {"data": {"color": "red"}})
    await fleet.delete("ConfigMap", "removed")
    unlabelled = {"metadata": {"labels": {KUSTOMIZE_OWNER_NAME: None}}}
    await fleet.patch("ConfigMap", "unlabelled", unlabelled)
    await fleet.delete("ConfigMap", "replaced")
    await fleet.put(config_map("replaced", color="red"), manager="somebody")


def is_as_git_says(obj: Object) -> bool:
    labels = obj["metadata"].get("labels") or {}
    return labels.get(KUSTOMIZE_OWNER_NAME) == "app" and obj.get("data") == {"color": "blue"}


async def objects(fleet: Fleet) -> Mapping[str, Object]:
    """The ConfigMaps of the fleet's namespace by name."""
    listed = await fleet.client.list(await fleet.resource("ConfigMap"), fleet.namespace)
    return {obj["metadata"]["name"]: obj for obj in listed.items}


def uid(obj: Object) -> Any:
    return obj["metadata"]["uid"]


def managed(writes: list[Passed]) -> list[Passed]:
    return [each for each in writes if "/configmaps" in each.path]
