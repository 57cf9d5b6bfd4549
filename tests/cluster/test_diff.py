"""What `lockstep diff kustomization` says is what the engine does: field by field."""

import base64
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from anyio import to_thread
from hypothesis import HealthCheck, Phase, given, settings

from engine.apply.prediction import Prediction, Prospect
from engine.cli.comparing import Compared, compared
from engine.cli.places import folder_at
from engine.cli.rendering import How, decoded, live_kustomization, made, reading
from engine.cluster import Client, NotFound, UnknownKind
from engine.objects.ref import Object, Ref
from engine.plan.drift import differences, is_owned_alike
from tests.support.apiserver import ApiServer, namespace_at
from tests.support.commits import COMMITS, EDITS, SPECS, group_of, placed, tolerates_edits
from tests.support.fleet import (
    Content,
    Files,
    Fleet,
    condition_of,
    config_map,
    content,
    is_at,
    is_ready,
)
from tests.unit.cli.conftest import Ended, run_here


def config(name: str, data: dict[str, str]) -> Object:
    return config_map(name, **data)


def secret(name: str, data: dict[str, str]) -> Object:
    metadata = {"name": name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def workload(name: str, replicas: int | None, images: dict[str, str]) -> Object:
    containers = [{"name": key, "image": value} for key, value in images.items()]
    labels = {"app": name}
    spec: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    metadata = {"name": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


class Checkout:
    """What a person has on disk before it is committed."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet, self.folder = fleet, folder
        folder.mkdir()
        (folder / ".git").symlink_to(fleet.folder / "repositories" / "fleet")
        self.files: dict[str, Content] = {}
        self.spec: Object = {}

    def change(self, files: Files) -> Files:
        """Writes the files; those of them that differ from what was there."""
        changed = {name: new for name, new in files.items() if self.files.get(name) != new}
        for name, new in changed.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            self.files.pop(name, None)
            if new is not None:
                path.write_bytes(content(new) or b"")
                self.files[name] = new
        return changed

    async def edit(self, edits: Mapping[str, Mapping[str, str]]) -> None:
        """Somebody writes these data into the live objects of files, where that is tolerated."""
        resource = await self.fleet.resource("ConfigMap")
        for file, data in edits.items():
            obj = self.files.get(file)
            if isinstance(obj, Mapping) and tolerates_edits(obj):
                ref = Ref.of(obj)
                with suppress(NotFound):  # marks may have kept it from being applied
                    await self.fleet.client.merge_patch(
                        resource, ref.namespace, ref.name, {"data": data}, field_manager="kubectl"
                    )

    async def reshape(self, spec: Object) -> None:
        """Somebody changes fields of the Kustomization, which is reconciled then."""
        if spec != self.spec:
            self.spec = spec
            await self.fleet.patch("Kustomization", "app", {"spec": dict(spec)})
            await self.fleet.reconcile("Kustomization", "app")

    async def diff(self, client: Client | None = None) -> Compared:
        fleet = self.fleet
        fleet.client.discovery.invalidate()  # a command of its own would know nothing
        live = await live_kustomization(fleet.client, fleet.namespace, "app")
        assert live is not None
        place = folder_at(self.folder / "app", self.folder)
        one = await made(decoded(live), place, reading(fleet.client), How())
        return await compared(one, live, client or fleet.client)


async def seen(fleet: Fleet, refs: set[Ref]) -> dict[Ref, Object]:
    """The objects as the API server has them."""
    found = {}
    fleet.client.discovery.invalidate()
    for ref in refs:
        try:
            resource = await fleet.client.discovery.resource(ref.group, None, ref.kind)
        except UnknownKind:
            continue
        obj = await fleet.client.get(resource, ref.namespace, ref.name)
        if obj is not None:
            found[ref] = _unnumbered(obj)
    return found


def _unnumbered(obj: Object) -> Object:
    """Without the annotation that Kubernetes' own controller writes in between."""
    metadata = dict(obj["metadata"])
    notes = dict(metadata.get("annotations") or {})
    notes.pop(REVISION, None)
    return {**obj, "metadata": {**metadata, "annotations": notes}}


REVISION = "deployment.kubernetes.io/revision"  # of Kubernetes' own controller
Told: TypeAlias = tuple[Prospect, list[Any]]


def recorded(before: Object | None, after: Object | None) -> Told:
    """What happened to an object, by what the API server says of it."""
    if before is None:
        return (Prospect.CREATED if after is not None else Prospect.UNCHANGED), []
    if after is None:
        return Prospect.DELETED, []
    found = list(differences(before, after))
    if before["metadata"]["uid"] != after["metadata"]["uid"]:
        return Prospect.RECREATED, found
    is_same = not found and is_owned_alike(before, after, "kustomize-controller")
    return (Prospect.UNCHANGED if is_same else Prospect.CONFIGURED), found


def said(one: Prediction) -> Told:
    """What was foretold of an object, in the same words."""
    if one.is_change and one.prospect is not Prospect.REFUSED:
        return one.prospect, [each for each in one.differences if REVISION not in each.steps]
    return Prospect.UNCHANGED, []


@pytest.fixture
async def elsewhere(api_server: ApiServer) -> AsyncIterator[str]:
    async with namespace_at(api_server, "elsewhere") as namespace:
        yield namespace


@pytest.fixture
async def checkout(fleet: Fleet, tmp_path: Path) -> AsyncIterator[Checkout]:
    """One of a fleet whose engine has applied the first commit."""
    checkout = Checkout(fleet, tmp_path / "checkout")
    await fleet.app(checkout.change({"app/keep.yaml": config_map("keep", v="1")}), prune=True)
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        yield checkout


@pytest.fixture
async def free_checkout(fleet: Fleet, tmp_path: Path) -> AsyncIterator[Checkout]:
    """The same where objects say their namespaces themselves."""
    checkout = Checkout(fleet, tmp_path / "checkout")
    files = checkout.change({"app/keep.yaml": config_map("keep", fleet.namespace, v="1")})
    commit = fleet.commit(files)
    await fleet.source()
    ks = fleet.described("app", path="./app", prune=True)
    del ks["spec"]["targetNamespace"]
    await fleet.put(ks)
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_at(commit))
        yield checkout
    definitions = await fleet.resource("CustomResourceDefinition")
    await fleet.client.delete(definitions, "", f"widgets.{group_of(fleet.namespace)}")


async def goes_live(fleet: Fleet, files: Files) -> None:
    commit = fleet.commit(files)
    await fleet.request("GitRepository", "fleet", commit)
    await fleet.until("Kustomization", "app", is_at(commit))


def has_tried(commit: str) -> Callable[[Object], bool]:
    """That commit is applied, or could not be."""

    def check(obj: Object) -> bool:
        attempted = str((obj.get("status") or {}).get("lastAttemptedRevision", ""))
        has_failed = condition_of(obj).get("reason") == "ReconciliationFailed"
        return is_at(commit)(obj) or (attempted.endswith(commit) and has_failed)

    return check


MASTERS = {"Impersonate-Group": "system:masters"}
EXAMPLES = int(os.environ.get("LOCKSTEP_COMMITS", "6"))


@settings(
    max_examples=EXAMPLES,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize="LOCKSTEP_COMMITS" not in os.environ,
)
@given(commit=COMMITS, edits=EDITS, spec=SPECS)
@pytest.mark.limit(120 + 5 * EXAMPLES)  # a busy machine
async def test_what_diff_says_is_what_the_api_server_then_records(
    free_checkout: Checkout,
    elsewhere: str,
    commit: Files,
    edits: Mapping[str, Mapping[str, str]],
    spec: Object,
) -> None:
    fleet = free_checkout.fleet
    await free_checkout.edit(edits)
    await free_checkout.reshape(spec)
    changed = free_checkout.change(placed(commit, fleet.namespace, elsewhere))
    told = await free_checkout.diff()
    refs = {one.ref for one in told.predictions}
    before = await seen(fleet, refs)
    is_redefined = any(
        one.is_change and one.ref.kind == "CustomResourceDefinition" for one in told.predictions
    )
    is_open = is_redefined and any(one.ref.kind == "Widget" for one in told.predictions)
    if changed:
        revision = fleet.commit(changed)
        await fleet.request("GitRepository", "fleet", revision)
        ks = await fleet.until("Kustomization", "app", has_tried(revision))
        if not is_open:
            assert is_ready(ks) == (not told.refusals), (told.refusals, condition_of(ks))
    after = await seen(fleet, refs)

    wrong = []
    for one in told.predictions:
        done = recorded(before.get(one.ref), after.get(one.ref))
        if is_redefined and one.ref.kind == "Widget":
            continue
        is_left = (told.refusals or is_open) and done == (
            Prospect.UNCHANGED,
            [],
        )  # as what is beside a refusal
        if done != said(one) and not is_left:
            wrong.append(f"{one}: {said(one)}; in truth: {done}")
    assert not wrong, "\n".join(wrong)


async def test_what_other_tools_left_is_foretold_too(checkout: Checkout) -> None:
    """Fields that kubectl wrote are taken over, and go if Git has not got them."""
    fleet = checkout.fleet
    await fleet.patch("Kustomization", "app", {"spec": {"suspend": True}})
    await fleet.put(config_map("old", x="1", y="2"), manager="kubectl-create")
    workload_there = workload("there", 3, {"web": "i:1", "log": "i:1"})
    await fleet.put(workload_there, manager="kubectl-create")
    changed = checkout.change(
        {
            "app/old.yaml": config_map("old", x="1", z="3"),
            "app/there.yaml": workload("there", None, {"web": "i:2"}),
        }
    )
    told = await checkout.diff()
    refs = {one.ref for one in told.predictions}
    before = await seen(fleet, refs)
    await fleet.patch("Kustomization", "app", {"spec": {"suspend": False}})
    await goes_live(fleet, changed)
    after = await seen(fleet, refs)

    assert [str(one) for one in told.refusals] == []
    said = {one.ref: list(one.differences) for one in told.predictions if one.differences}
    assert said == {
        ref: list(differences(before[ref], after[ref]))
        for ref in refs
        if ref.name in ("old", "there")
    }


async def test_the_command_compares_with_the_cluster_and_says_so_by_its_status(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = checkout.fleet
    monkeypatch.setenv("KUBECONFIG", str(fleet.server.kubeconfig))

    async def diff(*more: str) -> Ended:
        where = ("--path", str(checkout.folder / "app"), "-n", fleet.namespace)
        return await to_thread.run_sync(
            run_here, "diff", "kustomization", "app", *where, "--progress-bar=false", *more
        )

    same = await diff()
    checkout.change(
        {
            "app/keep.yaml": config_map("keep", v="2"),
            "app/login.yaml": secret("login", {"password": "hunter2"}),
        }
    )
    changed, brief, flux = await diff(), await diff("-o", "brief"), await diff("-o", "flux")
    (checkout.folder / "app/broken.yaml").write_text("kind: [")
    broken = await diff()

    n = fleet.namespace
    assert (same.status, same.out) == (0, f"Kustomization/{n}/app\n  1 unchanged\n")
    assert changed.status == 1, changed
    assert changed.out == (
        f"Kustomization/{n}/app\n"
        f"  ~ ConfigMap/{n}/keep configured (app/keep.yaml:1)\n"
        '      .data.v: "1" → "2" (app/keep.yaml:3)\n'
        f"  + Secret/{n}/login created (app/login.yaml:1)\n"
        "  1 created, 1 configured\n"
    )
    assert brief.out == f"ConfigMap/{n}/keep configured\nSecret/{n}/login created\n"
    assert flux.out == (
        f"► ConfigMap/{n}/keep drifted\n\ndata.v\n± value change\n- 1\n+ 2\n\n"
        f"► Secret/{n}/login created\n"
    )
    assert (broken.status, broken.out) == (2, "")
    assert "app/broken.yaml" in broken.err


def holds(commit: str) -> Any:
    """A source whose artifact is of that commit."""

    def check(obj: Object) -> bool:
        artifact = (obj.get("status") or {}).get("artifact") or {}
        return str(artifact.get("revision", "")).endswith(commit)

    return check


async def test_without_a_path_it_is_compared_with_what_the_source_holds(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = checkout.fleet
    monkeypatch.setenv("KUBECONFIG", str(fleet.server.kubeconfig))
    await fleet.patch("Kustomization", "app", {"spec": {"suspend": True}})
    commit = fleet.commit({"app/keep.yaml": config_map("keep", v="2")})
    await fleet.request("GitRepository", "fleet", commit)
    await fleet.until("GitRepository", "fleet", holds(commit))
    words = ["diff", "ks", "app", "-n", fleet.namespace, "-o", "json"]
    ended = await to_thread.run_sync(partial(run_here, *words))

    told = json.loads(ended.out)
    assert ended.status == 1
    assert told[0]["warnings"] == ["it is suspended: nothing is applied until it is resumed"]
    assert told[0]["objects"] == [
        {
            "group": "",
            "kind": "ConfigMap",
            "namespace": fleet.namespace,
            "name": "keep",
            "action": "configured",
            "why": "",
            "origin": "app/keep.yaml:1",
            "fields": [
                {"path": ".data.v", "before": "1", "after": "2", "origin": "app/keep.yaml:3"}
            ],
        }
    ]


async def test_new_kustomizations_and_those_in_them_are_compared_too(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = checkout.fleet
    monkeypatch.setenv("KUBECONFIG", str(fleet.server.kubeconfig))
    inner = fleet.described("inner", path="./inner")
    inner["metadata"]["namespace"] = fleet.namespace
    checkout.change(
        {
            "outer.yaml": fleet.described("outer", path="./outer"),
            "outer/inner.yaml": inner,
            "inner/a.yaml": config_map("a", x="1"),
        }
    )
    words = ["diff", "ks", "outer", "-n", fleet.namespace, "-o", "brief", "--recursive"]
    words += ["--path", str(checkout.folder / "outer"), "--ignore-not-found"]
    words += ["--kustomization-file", str(checkout.folder / "outer.yaml")]
    unknown = await to_thread.run_sync(partial(run_here, *words))
    words += ["--local-sources", f"GitRepository/{fleet.namespace}/fleet={checkout.folder}"]
    ended = await to_thread.run_sync(partial(run_here, *words))

    n = fleet.namespace
    assert (unknown.status, unknown.out) == (2, "")
    assert f"--local-sources GitRepository/{n}/fleet=FOLDER" in unknown.err
    assert ended.out == f"Kustomization/{n}/inner created\nConfigMap/{n}/a created\n", ended
    assert ended.status == 1


async def test_a_kubeconfig_that_leads_back_to_the_same_cluster_is_followed(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = checkout.fleet
    monkeypatch.setenv("KUBECONFIG", str(fleet.server.kubeconfig))
    config = base64.b64encode(fleet.server.kubeconfig.read_bytes()).decode()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "back"}}
    await fleet.put({**secret, "data": {"value": config}})
    await fleet.source("twin", url=f"{fleet.git_url}/twin")
    others = fleet.described("other", path="./app", kubeConfig={"secretRef": {"name": "back"}})
    others["spec"]["sourceRef"]["name"] = "twin"
    fleet.commit({"app/keep.yaml": config_map("keep", v="1")}, repository="twin")
    await fleet.put(others)
    await fleet.until("Kustomization", "other", is_ready)
    checkout.change({"app/keep.yaml": None, "app/new.yaml": config_map("new", v="1")})

    async def diff(name: str) -> Ended:
        words = ["diff", "ks", name, "-n", fleet.namespace, "--path", str(checkout.folder / "app")]
        return await to_thread.run_sync(partial(run_here, *words, "--progress-bar=false"))

    own, back = await diff("app"), await diff("other")

    n = fleet.namespace
    left = f"= ConfigMap/{n}/keep kept: it belongs to another owner"
    held = f"= ConfigMap/{n}/keep kept: in the inventory of Kustomization/{n}/"
    assert left in own.out or left in back.out, (own, back)
    assert held in own.out or held in back.out, (own, back)


@pytest.mark.real("the embedded one lets everybody do everything")
@pytest.mark.covers("Kustomization.spec.serviceAccountName")
async def test_what_its_service_account_may_not_do_is_foretold(checkout: Checkout) -> None:
    fleet = checkout.fleet
    await fleet.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "poor"}})
    await fleet.patch("Kustomization", "app", {"spec": {"serviceAccountName": "poor"}})
    checkout.change({"app/keep.yaml": None, "app/new.yaml": config_map("new", v="1")})
    told = await checkout.diff()
    as_somebody = await checkout.diff(fleet.client.impersonating("system:admin", MASTERS))

    new, gone = told.refusals
    assert (new.ref.name, gone.ref.name) == ("new", "keep")
    for refused in (new, gone):
        assert f"system:serviceaccount:{fleet.namespace}:poor" in refused.why
    assert "delete failed (Forbidden)" in gone.why
    assert told.warnings == ()
    assert as_somebody.refusals == []
    (warning,) = as_somebody.warnings
    assert warning.startswith("it is compared as system:admin, but applied as system:service")
