"""Drift: told by a watch, corrected at once, and an unchanged object costs nothing."""

import re
from collections import Counter
from contextlib import aclosing
from random import Random
from typing import Any

import anyio
import pytest

from engine import app
from engine.cluster.watch import Watch
from engine.objects.ref import Object
from engine.runtime import SystemClock
from tests.support.fleet import Fleet, condition_of, config_map, is_ready

HOUR = "1h"


def has_color(color: str) -> Any:
    def check(obj: Object) -> bool:
        return bool((obj.get("data") or {}).get("color") == color)

    return check


async def test_a_manual_edit_is_corrected_without_anybody_asking(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("web", color="blue")}, interval=HOUR)

    async with fleet.engine():
        before = await fleet.until("Kustomization", "app", is_ready)
        await fleet.patch("ConfigMap", "web", {"data": {"color": "red", "size": "1"}})
        live = await fleet.until("ConfigMap", "web", has_color("blue"))
        told = await event(fleet, "drift of")
        after = await fleet.get("Kustomization", "app")

    assert live["data"] == {"color": "blue"}
    assert after is not None
    assert after["status"] == before["status"]
    lines = told["message"].splitlines()
    what = f"ConfigMap/{fleet.namespace}/web configured"  # all that `kubectl get events` shows
    assert lines[0] == f"{what} (drift: .data.color and 1 more field, by kubectl-patch)"
    assert re.sub("at [^)]*", "at TIME", lines[1]) == (
        f"drift of ConfigMap/{fleet.namespace}/web corrected (app/a.yaml:1): "
        '.data.color was "red" (written by kubectl-patch at TIME), now "blue" (app/a.yaml:3); '
        '.data.size was "1" (written by kubectl-patch at TIME), now removed (app/a.yaml:3)'
    )


async def test_a_deleted_object_comes_back(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("web", color="blue")}, interval=HOUR)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        old = await fleet.get("ConfigMap", "web")
        assert old is not None
        await fleet.delete("ConfigMap", "web")
        new = await fleet.until(
            "ConfigMap", "web", lambda obj: obj["metadata"]["uid"] != old["metadata"]["uid"]
        )

    assert new["data"] == {"color": "blue"}


async def test_an_object_that_lost_its_owner_label_gets_it_back(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("web", color="blue")}, interval=HOUR)
    label = "kustomize.toolkit.fluxcd.io/name"

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.patch("ConfigMap", "web", {"metadata": {"labels": {label: None}}})
        live = await fleet.until(
            "ConfigMap", "web", lambda obj: label in obj["metadata"].get("labels", {})
        )

    assert live["metadata"]["labels"][label] == "app"


async def test_nothing_is_corrected_while_suspended_and_all_of_it_afterwards(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("web", color="blue")}, interval=HOUR)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.patch("Kustomization", "app", {"spec": {"suspend": True}})
        await fleet.patch("ConfigMap", "web", {"data": {"color": "red"}})
        await fleet.reconcile("Kustomization", "app")  # answered, though it is suspended
        kept = await fleet.data("web")
        await fleet.patch("Kustomization", "app", {"spec": {"suspend": False}})
        await fleet.until("ConfigMap", "web", has_color("blue"))

    assert kept == {"color": "red"}


async def test_a_foreign_field_is_no_drift(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("web", color="blue")}, interval=HOUR)
    resource = await fleet.resource("ConfigMap")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        body = config_map("web", fleet.namespace, size="1")
        await fleet.client.apply(resource, body, manager="somebody")
        await fleet.patch("ConfigMap", "web", {"data": {"color": "red"}})  # told after the other
        live = await fleet.until("ConfigMap", "web", has_color("blue"))

    assert live["data"] == {"color": "blue", "size": "1"}


@pytest.mark.parametrize("kind", ["Kustomization", "GitRepository"])
async def test_an_unchanged_object_costs_no_request(fleet: Fleet, kind: str) -> None:
    await fleet.app({f"app/{n}.yaml": config_map(f"c{n}") for n in range(9)}, interval=HOUR)

    async with fleet.engine() as state:
        await fleet.until("Kustomization", "app", is_ready)
        before = asked(state)
        await fleet.reconcile(kind, "app" if kind == "Kustomization" else "fleet")
        new = asked(state) - before

    assert {key: count for key, count in new.items() if key[1] == "configmaps"} == (
        {("list", "configmaps"): 1} if kind == "Kustomization" else {}
    )


def asked(state: app.State) -> Counter[tuple[str, str]]:
    """The engine's requests by verb and resource."""
    assert state.client is not None
    return Counter(state.client.statistics().requests)


async def event(fleet: Fleet, text: str) -> Object:
    """The first event in the fleet's namespace whose message holds the text."""
    resource = await fleet.resource("Event")
    watch = Watch(fleet.client, resource, SystemClock(), Random(0), fleet.namespace)
    async with aclosing(watch.events()) as events:
        async for each in events:
            if text in each.obj.get("message", ""):
                return each.obj
    raise AssertionError("a watch never ends")


async def test_two_writers_of_a_field_are_named_and_slowed_down(fleet: Fleet) -> None:
    """A second controller that writes back whatever we write."""
    await fleet.app(
        {"app/a.yaml": config_map("web", color="blue"), "app/b.yaml": config_map("b", color="1")},
        interval=HOUR,
    )

    async def stubborn() -> None:
        async for obj in fleet.news("ConfigMap", "web"):
            if obj is not None and has_color("blue")(obj):
                await fleet.patch("ConfigMap", "web", {"data": {"color": "red"}})

    async with fleet.engine() as state, anyio.create_task_group() as tasks:
        await fleet.until("Kustomization", "app", is_ready)
        tasks.start_soon(stubborn)
        told = await event(fleet, "contention: ")
        ks = await fleet.until(
            "Kustomization", "app", lambda obj: "contended" in condition_of(obj)["message"]
        )
        before = asked(state)["patch", "configmaps"]
        await fleet.patch("ConfigMap", "b", {"data": {"color": "2"}})
        await fleet.until("ConfigMap", "b", has_color("1"))  # the others are corrected at once
        after = asked(state)["patch", "configmaps"]
        tasks.cancel_scope.cancel()

    assert told["type"] == "Warning"
    assert f"ConfigMap/{fleet.namespace}/web: .data.color (by kubectl-patch)" in told["message"]
    assert is_ready(ks)
    assert after - before <= 2  # of `b`: the contended object is left alone meanwhile
