import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.api import decode
from engine.api.kustomize import Kustomization
from engine.cli.comparing import Compared, compared
from engine.cli.places import Place, folder_at
from engine.cli.rendering import How, made, reading_nothing
from engine.cluster import Forbidden, Resource, UnknownKind
from engine.objects.manifests import dump
from engine.objects.ref import Object, Ref
from engine.plan.policy import Owner, labelled
from engine.plan.tolerance import ANNOTATION
from engine.settings import Settings
from engine.source.author import commit_files, create_repository
from engine.source.folder import FolderTree
from engine.source.tree import MemoryTree
from tests.support.checkouts import write
from tests.support.memory_client import MemoryClient

OWNER = Owner("app", "flux")
EMPTY = Place(MemoryTree({}), ".")


class Serving(MemoryClient):
    """Serves each kind in the one version of its table."""

    async def resource(self, group: str, version: str | None, kind: str) -> Resource:
        found = await super().resource(group, version, kind)
        if version not in (None, found.version):
            raise UnknownKind(f"no kind {kind!r} in {group}/{version}")
        return found

    async def existing(self, group: str, version: str, kind: str) -> Resource:
        return await self.resource(group, None, kind)


def deployment(name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"x": 1}}


def kustomization(name: str, *inventory: Object, version: str = "v1", **spec: Any) -> Object:
    entries = [{"id": Ref.of(each).id, "v": version} for each in inventory]
    wanted = {
        "interval": "1m",
        "prune": True,
        "path": ".",
        "sourceRef": {"kind": "GitRepository", "name": "fleet"},
        **spec,
    }
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "flux"},
        "spec": wanted,
        "status": {"inventory": {"entries": entries}},
    }


async def told(client: MemoryClient, live: Object, place: Place) -> Compared:
    """What applying a folder would do."""
    one = await made(decode(Kustomization, live), place, reading_nothing, How())
    return await compared(one, live, client.as_client())


async def said(client: MemoryClient, live: Object, *desired: Object) -> list[str]:
    """What applying the objects would do, a line each."""
    files = {f"{number}.yaml": dump(obj).encode() for number, obj in enumerate(desired)}
    found = await told(client, live, Place(MemoryTree(files), "."))
    return [str(each) for each in found.predictions]


async def test_what_was_applied_in_a_version_not_served_any_more_hides_nothing() -> None:
    stays, goes = deployment("stays"), deployment("goes")
    client = Serving(*(labelled(each, OWNER) for each in (stays, goes)))
    live = kustomization("app", goes, version="v1beta1")

    told = await said(client, live, stays)

    assert [line.rpartition(" (")[0] or line for line in told] == [
        "Deployment/ns/stays configured",
        "Deployment/ns/goes deleted",
    ]


async def test_what_a_kustomization_of_another_cluster_has_holds_nothing_here() -> None:
    goes, stays = deployment("goes"), deployment("stays")
    elsewhere = {"secretRef": {"name": "kubeconfig"}}
    client = Serving(
        *(labelled(each, OWNER) for each in (goes, stays)),
        kustomization("remote", goes, kubeConfig=elsewhere),
        kustomization("local", stays, sourceRef={"kind": "GitRepository", "name": "another"}),
    )

    assert await said(client, kustomization("app", goes, stays)) == [
        "Deployment/ns/stays kept (in the inventory of Kustomization/flux/local)",
        "Deployment/ns/goes deleted",
    ]


def config_map(name: str, annotations: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": "ns"}
    metadata |= {"annotations": annotations} if annotations else {}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


async def live_at(folder: Path, name: str, *objects: Object) -> dict[str, Any]:
    """A Kustomization that has applied what its folder holds in a clone; commits it."""
    write(folder, {f"{name}/{Ref.of(each).name}.yaml": dump(each) for each in objects})
    if not (folder / ".git").exists():
        create_repository(folder / ".git")
    files = {f"{name}/{Ref.of(each).name}.yaml": dump(each).encode() for each in objects}
    commit = commit_files(folder / ".git", files, "what is live")
    ks = dict(kustomization(name, *objects, path=f"./{name}"))
    here = folder_at(folder / name, folder)
    built = await made(decode(Kustomization, ks), here, reading_nothing, How())
    success = {
        "digest": built.rendered.digest,
        "firstReconciled": "2026-11-23T12:00:00Z",
        "lastReconciled": "2026-11-23T12:00:00Z",
        "lastReconciledDuration": "1s",
        "lastReconciledStatus": "ReconciliationSucceeded",
        "totalReconciliations": 1,
    }
    applied = {"lastAppliedRevision": f"main@sha1:{commit}", "history": [success]}
    return {**ks, "status": {**ks["status"], **applied}}


async def after(client: MemoryClient, live: Object, folder: Path) -> tuple[list[str], list[str]]:
    """(what applying the folder as it is now would do, what is doubtful)."""
    found = await told(client, live, folder_at(folder / live["metadata"]["name"], folder))
    return [str(each) for each in found.predictions], list(found.warnings)


class Unreadable(FolderTree):
    """A folder of which one part cannot be read."""

    def __init__(self, folder: Path, part: str) -> None:
        super().__init__(folder)
        self.part = part

    def read(self, path: str) -> bytes:
        if path.startswith(self.part):
            raise PermissionError(13, "Permission denied", path)
        return super().read(path)


WARN, IGNORE = {ANNOTATION: "warn"}, {ANNOTATION: "ignore"}
LEFT = "skipped (its drift is left as it is, because of the annotation gitops.lockstep/drift)"


async def drifted(folder: Path) -> tuple[MemoryClient, Object]:
    """Three objects that somebody has edited since they were applied."""
    objects = [config_map("a", WARN, x="1"), config_map("b", IGNORE, x="1"), config_map("c", x="1")]
    live = await live_at(folder, "app", *objects)
    edited = ({**labelled(each, OWNER), "data": {"x": "2"}} for each in objects)
    return MemoryClient(live, *edited), live


async def test_drift_is_left_where_the_annotation_says_so(tmp_path: Path) -> None:
    client, live = await drifted(tmp_path)

    assert await after(client, live, tmp_path) == (
        [f"ConfigMap/ns/a {LEFT}", "ConfigMap/ns/b unchanged", "ConfigMap/ns/c configured"],
        [],
    )


async def test_drift_is_left_until_git_changes_the_object_itself(tmp_path: Path) -> None:
    client, live = await drifted(tmp_path)
    write(tmp_path, {"app/b.yaml": dump(config_map("b", IGNORE, x="3"))})

    assert await after(client, live, tmp_path) == (
        [f"ConfigMap/ns/a {LEFT}", "ConfigMap/ns/b configured", "ConfigMap/ns/c configured"],
        [],
    )


async def test_where_the_last_commit_is_not_here_the_doubt_is_said(tmp_path: Path) -> None:
    client, live = await drifted(tmp_path)
    write(tmp_path, {"app/c.yaml": dump(config_map("c", x="3"))})
    shutil.rmtree(tmp_path / ".git")

    predictions, doubts = await after(client, live, tmp_path)

    assert predictions == [f"ConfigMap/ns/{name} configured" for name in "abc"]
    (doubt,) = doubts
    assert doubt.startswith("whether ConfigMap/ns/a, ConfigMap/ns/b would change is not known:")


async def test_an_annotation_of_the_kustomization_holds_for_all(tmp_path: Path) -> None:
    client, live = await drifted(tmp_path)
    tolerant = {**live, "metadata": {**live["metadata"], "annotations": WARN}}

    predictions, _ = await after(client, tolerant, tmp_path)

    assert predictions[2] == f"ConfigMap/ns/c {LEFT}"


async def test_what_another_one_applied_since_is_left_alone(tmp_path: Path) -> None:
    mine, ours = config_map("mine", x="1"), config_map("ours", x="1")
    live = await live_at(tmp_path, "app", mine, ours)
    source = {"kind": "GitRepository", "name": "another"}
    taken = labelled(ours, Owner("other", "flux"))
    client = MemoryClient(live, kustomization("other", ours, sourceRef=source), taken)
    client.put(labelled(mine, OWNER))

    same, _ = await after(client, live, tmp_path)
    write(tmp_path, {"app/ours.yaml": dump(config_map("ours", x="2"))})
    changed, _ = await after(client, live, tmp_path)

    assert "ConfigMap/ns/ours unchanged" in same
    assert "ConfigMap/ns/ours configured" in changed


async def test_what_moves_to_another_folder_is_not_deleted(tmp_path: Path) -> None:
    moves, goes = config_map("moves", x="1"), config_map("goes", x="1")
    live = await live_at(tmp_path, "app", moves, goes)
    other = await live_at(tmp_path, "other", config_map("there"))
    (tmp_path / "app" / "moves.yaml").rename(tmp_path / "other" / "moves.yaml")
    (tmp_path / "app" / "goes.yaml").unlink()
    client = MemoryClient(live, other, *(labelled(each, OWNER) for each in (moves, goes)))

    assert await after(client, live, tmp_path) == (
        [
            "ConfigMap/ns/moves kept (wanted by Kustomization/flux/other)",
            "ConfigMap/ns/goes deleted",
        ],
        [],
    )


async def test_one_that_cannot_be_built_may_want_what_goes(tmp_path: Path) -> None:
    goes = config_map("goes", x="1")
    live = await live_at(tmp_path, "app", goes)
    other = await live_at(tmp_path, "other", config_map("there"))
    (tmp_path / "app" / "goes.yaml").unlink()
    write(tmp_path, {"other/there.yaml": "kind: ["})
    client = MemoryClient(live, other, labelled(goes, OWNER))

    assert await after(client, live, tmp_path) == (
        ["ConfigMap/ns/goes deleted"],
        ["Kustomization/flux/other cannot be built: it may want what is shown as deleted"],
    )


async def test_what_goes_with_a_kustomization_is_told_and_counts_for_the_brake() -> None:
    inner = [config_map(f"c{number}") for number in range(25)]
    child = kustomization("child", *inner)
    orphans = kustomization("orphans", *inner[:2], deletionPolicy="Orphan")
    live = kustomization("app", child, orphans)
    client = MemoryClient(live, *(labelled(each, OWNER) for each in (child, orphans)))
    found = await told(client, live, Place(MemoryTree({}), "."))

    assert [str(each) for each in found.predictions] == [
        "Kustomization/flux/orphans deleted (its 2 objects stay)",
        "Kustomization/flux/child deleted (with it go its 25 objects that no other one wants)",
    ]
    (warning,) = found.warnings
    assert "the engine would stop and ask for approval: " in warning
    assert "27 of 27 objects would be deleted" in warning


async def test_what_a_namespace_holds_beside_counts_for_the_brake() -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}}
    live = kustomization("app", namespace)
    other = kustomization(
        "other", config_map("kept"), sourceRef={"kind": "GitRepository", "name": "x"}
    )
    volumes = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", namespaced=True)
    client = MemoryClient(live, other, labelled(namespace, OWNER), kinds=[volumes])
    found = await told(client, live, Place(MemoryTree({}), "."))

    (warning,) = found.warnings
    assert "Namespace 'ns' would be deleted, but it holds ConfigMap/ns/kept" in warning


async def unshared(folder: Path) -> tuple[Object, list[Object]]:
    """A Kustomization from whose folder an object goes, and that object as it is live."""
    goes = config_map("goes", x="1")
    live = await live_at(folder, "app", goes, config_map("stays", x="1"))
    (folder / "app" / "goes.yaml").unlink()
    return live, [labelled(each, OWNER) for each in (goes, config_map("stays", x="1"))]


async def test_a_relative_of_another_cluster_is_not_contacted(tmp_path: Path) -> None:
    live, objects = await unshared(tmp_path)
    elsewhere = {"secretRef": {"name": "kubeconfig"}}
    others = [kustomization(f"far{n}", path="./app", kubeConfig=elsewhere) for n in range(3)]
    client = MemoryClient(live, *others, *objects)

    predictions, doubts = await after(client, live, tmp_path)

    assert (predictions[-1], doubts) == ("ConfigMap/ns/goes deleted", [])
    assert not [call for call in client.calls if "kubeconfig" in call]


@pytest.mark.parametrize("is_pruned", [True, False])
async def test_others_are_only_built_for_what_would_be_deleted(
    is_pruned: bool, tmp_path: Path
) -> None:
    live, objects = await unshared(tmp_path)
    live = {**live, "spec": {**live["spec"], "prune": is_pruned}}
    other = await live_at(tmp_path, "other", config_map("there"))
    write(tmp_path, {"other/there.yaml": "kind: ["})
    client = MemoryClient(live, other, *objects)

    _, doubts = await after(client, live, tmp_path)

    assert bool(doubts) is is_pruned


async def test_what_a_relative_has_is_shared_though_it_is_not_built(tmp_path: Path) -> None:
    ours = config_map("ours", x="1")
    live, other = await live_at(tmp_path, "app", ours), await live_at(tmp_path, "other", ours)
    write(tmp_path, {"other/ours.yaml": "kind: ["})
    client = MemoryClient(live, other, labelled(ours, Owner("other", "flux")))

    assert await after(client, live, tmp_path) == (["ConfigMap/ns/ours unchanged"], [])


@pytest.mark.parametrize("refusals", [1, 2])
async def test_who_may_not_list_all_kustomizations_is_told_the_doubt(
    refusals: int, tmp_path: Path
) -> None:
    live, objects = await unshared(tmp_path)
    client = MemoryClient(live, *objects)
    error = Forbidden(403, "Forbidden", "no right")
    client.refuse("list Kustomization", *[error] * refusals)

    predictions, (doubt,) = await after(client, live, tmp_path)

    assert predictions[-1] == "ConfigMap/ns/goes deleted"
    unseen = "Kustomizations outside of the namespace 'flux'"
    assert (f"you may not list {unseen}: " in doubt) is (refusals == 1)
    assert ("you may not list other Kustomizations: " in doubt) is (refusals == 2)


async def test_a_relative_whose_files_cannot_be_read_may_want_what_goes(tmp_path: Path) -> None:
    live, objects = await unshared(tmp_path)
    other = await live_at(tmp_path, "other", config_map("there"))
    client = MemoryClient(live, other, *objects)
    place = folder_at(tmp_path / "app", tmp_path)
    found = await told(client, live, replace(place, tree=Unreadable(tmp_path, "other/")))

    assert str(found.predictions[-1]) == "ConfigMap/ns/goes deleted"
    (doubt,) = found.warnings
    assert doubt.startswith("Kustomization/flux/other cannot be built")


async def test_what_a_kustomization_takes_along_elsewhere_counts_for_the_brake() -> None:
    inner = [config_map(f"c{number}") for number in range(25)]
    child = kustomization("child", *inner, kubeConfig={"secretRef": {"name": "kubeconfig"}})
    live = kustomization("app", child)
    client = MemoryClient(live, labelled(child, OWNER))
    found = await told(client, live, Place(MemoryTree({}), "."))

    (warning,) = found.warnings
    assert "26 of 26 objects would be deleted" in warning


async def test_without_a_brake_nobody_looks_what_a_namespace_holds() -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}}
    live = kustomization("app", namespace)
    client = MemoryClient(live, labelled(namespace, OWNER))
    one = await made(decode(Kustomization, live), EMPTY, reading_nothing, How())
    found = await compared(one, live, client.as_client(), settings=Settings(prune_brake=False))

    assert found.warnings == ()
    assert "list PersistentVolumeClaim" not in client.calls


async def test_a_kustomization_by_another_name_takes_nothing_along() -> None:
    inner = [config_map(f"c{number}") for number in range(25)]
    source = {"kind": "GitRepository", "name": "another"}
    old = kustomization("old", *inner, path="./x", sourceRef=source)
    new = kustomization("new", path="x/", sourceRef=source)
    live = kustomization("app", old)
    client = MemoryClient(live, labelled(old, OWNER))
    files = {"new.yaml": dump({**new, "status": {}}).encode()}
    found = await told(client, live, Place(MemoryTree(files), "."))

    assert found.warnings == ()
