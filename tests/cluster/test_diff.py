"""What `lockstep diff kustomization` says is what the engine does: field by field."""

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engine.apply.prediction import Prospect
from engine.cli.comparing import Compared, compared
from engine.cli.places import folder_at
from engine.cli.rendering import How, decoded, live_kustomization, made, reading
from engine.objects.ref import Object, Ref
from engine.plan.drift import differences, is_owned_alike
from tests.support.fleet import Content, Files, Fleet, config_map, content, is_at, is_ready
from tests.unit.cli.conftest import Ended, run_here


def config(name: str, data: dict[str, str]) -> Object:
    return config_map(name, **data)


def secret(name: str, data: dict[str, str]) -> Object:
    metadata = {"name": name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def service(name: str, ports: list[int]) -> Object:
    ported = [{"name": f"p{port}", "port": port} for port in ports]
    spec = {"selector": {"app": name}, "ports": ported}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


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


VALUES = st.dictionaries(st.sampled_from(["x", "y", "z"]), st.sampled_from(["1", "2", "3"]))
IMAGES = st.dictionaries(
    st.sampled_from(["web", "log"]), st.sampled_from(["i:1", "i:2"]), min_size=1
)
PORTS = st.lists(st.sampled_from([80, 81, 82]), min_size=1, unique=True)


def optional(built: Any) -> Any:
    return st.none() | built


COMMITS = st.fixed_dictionaries(
    {
        "app/c.yaml": optional(st.builds(config, st.just("conf"), VALUES)),
        "app/d.yaml": optional(st.builds(config, st.just("more"), VALUES)),
        "app/s.yaml": optional(st.builds(secret, st.just("login"), VALUES)),
        "app/v.yaml": optional(st.builds(service, st.just("web"), PORTS)),
        "app/w.yaml": optional(
            st.builds(workload, st.just("web"), st.none() | st.integers(0, 3), IMAGES)
        ),
    }
)


class Checkout:
    """What a person has on disk before it is committed."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet, self.folder = fleet, folder
        (folder / ".git").mkdir(parents=True)
        self.files: dict[str, Content] = {}

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

    async def diff(self) -> Compared:
        fleet = self.fleet
        live = await live_kustomization(fleet.client, fleet.namespace, "app")
        assert live is not None
        place = folder_at(self.folder / "app", self.folder)
        one = await made(decoded(live), place, reading(fleet.client), How())
        return await compared(one, live, fleet.client)


async def seen(fleet: Fleet, refs: set[Ref]) -> dict[Ref, Object]:
    """The objects as the API server has them."""
    found = {ref: await fleet.get(ref.kind, ref.name) for ref in refs}
    return {ref: _unnumbered(obj) for ref, obj in found.items() if obj is not None}


def _unnumbered(obj: Object) -> Object:
    """Without the annotation that Kubernetes' own controller writes in between."""
    metadata = dict(obj["metadata"])
    notes = dict(metadata.get("annotations") or {})
    notes.pop("deployment.kubernetes.io/revision", None)
    return {**obj, "metadata": {**metadata, "annotations": notes}}


def recorded(before: Object | None, after: Object | None) -> tuple[Prospect, list[Any]]:
    """What happened to an object, by what the API server says of it."""
    if before is None:
        return Prospect.CREATED, []
    if after is None:
        return Prospect.DELETED, []
    if before["metadata"]["uid"] != after["metadata"]["uid"]:
        return Prospect.RECREATED, []
    found = list(differences(before, after))
    is_same = not found and is_owned_alike(before, after, "kustomize-controller")
    return (Prospect.UNCHANGED if is_same else Prospect.CONFIGURED), found


@pytest.fixture
async def checkout(fleet: Fleet, tmp_path: Path) -> AsyncIterator[Checkout]:
    """One of a fleet whose engine has applied the first commit."""
    checkout = Checkout(fleet, tmp_path / "checkout")
    await fleet.app(checkout.change({"app/keep.yaml": config_map("keep", v="1")}), prune=True)
    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        yield checkout


async def goes_live(fleet: Fleet, files: Files) -> None:
    commit = fleet.commit(files)
    await fleet.request("GitRepository", "fleet", commit)
    await fleet.until("Kustomization", "app", is_at(commit))


@settings(
    max_examples=8,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(commit=COMMITS)
@pytest.mark.limit(120)  # a busy machine
async def test_what_diff_says_is_what_the_api_server_then_records(
    checkout: Checkout, commit: Files
) -> None:
    changed = checkout.change(commit)
    told = await checkout.diff()
    refs = {one.ref for one in told.predictions}
    before = await seen(checkout.fleet, refs)
    if changed:
        await goes_live(checkout.fleet, changed)
    after = await seen(checkout.fleet, refs)

    done = {ref: recorded(before.get(ref), after.get(ref)) for ref in refs}
    said = {one.ref: (one.prospect, list(one.differences)) for one in told.predictions}
    assert said == done


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
