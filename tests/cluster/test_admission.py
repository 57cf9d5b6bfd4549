"""Admission policies that alter what the engine applies: neither fought over nor pruned.

Policies hold for the test's own namespace only, as the API server is shared.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

from engine import app
from engine.cluster import Client
from engine.cluster.live import OWNED
from engine.cluster.mirror import version
from engine.objects.ref import Object
from tests.support.fleet import Fleet, config_map, is_ready

GROUP = "admissionregistration.k8s.io"
ONLY_REAL = "the embedded API server has no admission policies"


@dataclass(frozen=True)
class Mutation:
    """What is done to owned ConfigMaps: a condition and a JSON patch in CEL, and a probe of it."""

    condition: str
    patch: str
    probe: Object

    def is_done(self, answer: Object) -> bool:
        """Whether the answer to the probe is another object than was sent."""
        is_altered = (answer.get("data") or {}) != self.probe["data"]
        return is_altered or OWNED not in (answer["metadata"].get("labels") or {})


def probe(**data: str) -> Object:
    obj = config_map("probe", **data)
    obj["metadata"]["labels"] = {OWNED: "probe"}
    return obj


_LABELS = "(has(object.metadata.labels) ? object.metadata.labels : {})"
_ESCAPED = f"jsonpatch.escapeKey('{OWNED}')"
STRIPPED = Mutation(
    f"'{OWNED}' in {_LABELS}",
    f"[JSONPatch{{op: 'remove', path: '/metadata/labels/' + {_ESCAPED}}}]",
    probe(),
)
ALTERED = Mutation(
    "has(object.data) && 'color' in object.data",
    "[JSONPatch{op: 'replace', path: '/data/color', value: 'forced'}]",
    probe(color="blue"),
)


@pytest.mark.real(ONLY_REAL)
async def test_a_value_that_admission_alters_is_no_drift_and_costs_no_second_apply(
    fleet: Fleet,
) -> None:
    await fleet.app({"app/a.yaml": config_map("web", color="blue", size="1")}, interval="1h")
    async with mutating(fleet, ALTERED):
        async with fleet.engine() as state:
            await fleet.until("Kustomization", "app", is_ready)
            first = asked(state)
            edited = await write(fleet, {"data": {"size": "2"}})
            await becomes(fleet, {"color": "forced", "size": "1"}, since=edited)
            await fleet.reconcile("Kustomization", "app")
            corrected = asked(state)
            await write(fleet, {"metadata": {"annotations": {"by": "me"}}})
            await fleet.reconcile("Kustomization", "app")
            afterwards = asked(state)
        async with fleet.engine() as second:
            await fleet.reconcile("Kustomization", "app")
            started = asked(second)
            await fleet.reconcile("Kustomization", "app")
            looked_again = asked(second)
        data = await fleet.data("web")

    assert data == {"color": "forced", "size": "1"}
    assert first["patch"] == 1
    assert corrected["patch"] == 2
    assert afterwards["patch"] == 2
    assert started["patch"] == 1  # a dry-run: what is live is not what Git says
    assert looked_again["patch"] == 1


@pytest.mark.real(ONLY_REAL)
async def test_admission_that_begins_to_alter_a_value_later_is_met_by_one_apply(
    fleet: Fleet,
) -> None:
    await fleet.app({"app/a.yaml": config_map("web", color="blue")}, interval="1h")
    async with fleet.engine() as state:
        await fleet.until("Kustomization", "app", is_ready)
        before = asked(state)
        async with mutating(fleet, ALTERED):
            await write(fleet, {"metadata": {"annotations": {"by": "me"}}})
            altered = await fleet.data("web")
            await fleet.reconcile("Kustomization", "app")
            await fleet.reconcile("Kustomization", "app")
            after = asked(state)
            ready = is_ready(await fleet.get("Kustomization", "app") or {})

    assert altered == {"color": "forced"}
    assert after["patch"] - before["patch"] == 1
    assert ready


@pytest.mark.real(ONLY_REAL)
async def test_an_object_whose_label_a_policy_strips_is_followed_by_name(fleet: Fleet) -> None:
    """No watch by label tells of it: it has one of its own, and is read where a person asks."""
    async with mutating(fleet, STRIPPED):
        await fleet.app({"app/a.yaml": config_map("web", color="blue")}, interval="1h")
        async with fleet.engine() as state:
            await fleet.until("Kustomization", "app", is_ready)
            await fleet.reconcile("Kustomization", "app")
            settled = asked(state)
            await fleet.reconcile("Kustomization", "app")
            again = asked(state)
            edited = await write(fleet, {"data": {"color": "red"}})
            await becomes(fleet, {"color": "blue"}, since=edited)
        web = await fleet.get("ConfigMap", "web") or {}

    assert {verb: again[verb] - settled[verb] for verb in again} == {"get": 1, "patch": 0}
    assert OWNED not in (web["metadata"].get("labels") or {})


@pytest.mark.real(ONLY_REAL)
async def test_an_object_whose_label_is_stripped_later_is_kept_corrected_and_never_pruned(
    fleet: Fleet,
) -> None:
    files = {"app/a.yaml": config_map("web", color="blue"), "app/b.yaml": config_map("other")}
    await fleet.app(files, interval="1h")
    async with fleet.engine() as state:
        await fleet.until("Kustomization", "app", is_ready)
        old = await fleet.get("ConfigMap", "web")
        before = asked(state)
        async with mutating(fleet, STRIPPED):
            # The watch tells that it is gone: it left the selector.
            edited = await write(fleet, {"data": {"color": "red"}})
            await becomes(fleet, {"color": "blue"}, since=edited)
            await fleet.reconcile("Kustomization", "app")
            corrected = asked(state)
            ks = await fleet.goes_live({"app/b.yaml": None})
            kept, other = await fleet.get("ConfigMap", "web"), await fleet.get("ConfigMap", "other")

    assert old is not None
    assert kept is not None
    assert kept["metadata"]["uid"] == old["metadata"]["uid"]
    assert OWNED not in (kept["metadata"].get("labels") or {})
    assert corrected["patch"] - before["patch"] == 1
    assert other is None
    assert [each["id"] for each in ks["status"]["inventory"]["entries"]] == [
        f"{fleet.namespace}_web__ConfigMap"
    ]


async def write(fleet: Fleet, patch: Object) -> int:
    """The version after an edit; not by kubectl, whose fields cost a patch of their own."""
    resource = await fleet.resource("ConfigMap")
    written = await fleet.client.merge_patch(
        resource, fleet.namespace, "web", patch, field_manager="somebody"
    )
    return version(written)


async def becomes(fleet: Fleet, data: dict[str, str], since: int) -> None:
    """Returns once the object holds that, after that version."""
    await fleet.until("ConfigMap", "web", lambda obj: version(obj) > since and obj["data"] == data)


def asked(state: app.State) -> dict[str, int]:
    """The engine's requests on single ConfigMaps, by verb."""
    assert state.client is not None
    requests = state.client.statistics().requests
    return {verb: requests.get((verb, "configmaps"), 0) for verb in ("get", "patch")}


@asynccontextmanager
async def mutating(fleet: Fleet, mutation: Mutation) -> AsyncIterator[None]:
    """Inside, owned ConfigMaps of the fleet's namespace are stored as the policy makes them."""
    client, name = fleet.client, f"policy-{fleet.namespace}"
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["configmaps"],
    }
    own = {"matchLabels": {"kubernetes.io/metadata.name": fleet.namespace}}
    policy = {
        "matchConstraints": {"namespaceSelector": own, "resourceRules": [rule]},
        "matchConditions": [{"name": "meant", "expression": mutation.condition}],
        "failurePolicy": "Fail",
        "reinvocationPolicy": "IfNeeded",
        "mutations": [
            {"patchType": "JSONPatch", "jsonPatch": {"expression": mutation.patch}},
        ],
    }
    kinds: dict[str, dict[str, Any]] = {
        "MutatingAdmissionPolicy": policy,
        "MutatingAdmissionPolicyBinding": {"policyName": name},
    }
    for kind, spec in kinds.items():
        resource = await client.discovery.resource(GROUP, None, kind)
        body = {"apiVersion": resource.api_version, "kind": kind, "metadata": {"name": name}}
        await client.create(resource, {**body, "spec": spec})
    try:
        await _until_done(client, fleet.namespace, mutation)
        yield
    finally:
        for kind in reversed(kinds):
            resource = await client.discovery.resource(GROUP, None, kind)
            await client.delete(resource, "", name)


async def _until_done(client: Client, namespace: str, mutation: Mutation) -> None:
    """A policy holds a moment after it was made."""
    resource = await client.discovery.resource("", "v1", "ConfigMap")
    with anyio.fail_after(20):
        while True:
            answer = await client.create(resource, mutation.probe, namespace, dry_run=True)
            if mutation.is_done(answer):
                return
            await anyio.sleep(0.1)
