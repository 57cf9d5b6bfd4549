"""The demo's repository holds together: all of it builds, but for the one mistake."""

from collections.abc import Callable, Mapping

import pytest

from engine.api.decode import decode
from engine.api.kustomize import Kustomization
from engine.demo import fleet
from engine.errors import BuildFailed
from engine.objects.manifests import parse
from engine.render import Rendered, Request, render
from engine.source.tree import MemoryTree

URL = "http://127.0.0.1:3000/fleet.git"
Change = Callable[[Mapping[str, str]], Mapping[str, str | None]]


def after(*changes: Change) -> dict[str, str]:
    files: dict[str, str] = fleet.first_files(URL)
    for change in changes:
        merged = {**files, **change(files)}
        files = {path: text for path, text in merged.items() if text is not None}
    return files


def built(files: Mapping[str, str], cluster: str, name: str) -> Rendered:
    """What one Kustomization of a cluster applies."""
    tree = MemoryTree({path: text.encode() for path, text in files.items()})
    file = f"{cluster}/{name}.yaml" if name != fleet.ROOT else f"{cluster}/{name}/gotk-sync.yaml"
    documents = parse(files[f"clusters/{file}"].encode(), file)
    ks = decode(Kustomization, documents[-1].obj)
    variables = ks.spec.post_build.substitute if ks.spec.post_build else None
    return render(tree, Request.of(ks, variables))


def names(rendered: Rendered) -> list[str]:
    return [str(each.ref) for each in rendered.objects]


@pytest.mark.parametrize("cluster", ["staging", "prod"])
@pytest.mark.parametrize("name", fleet.KUSTOMIZATIONS)
def test_every_kustomization_of_each_cluster_builds(cluster: str, name: str) -> None:
    assert built(after(), cluster, name).objects


@pytest.mark.parametrize("cluster", ["staging", "prod"])
def test_the_root_brings_itself_its_source_and_the_others(cluster: str) -> None:
    brought = names(built(after(), cluster, fleet.ROOT))

    wanted = {f"Kustomization/flux-system/{name}" for name in fleet.KUSTOMIZATIONS}
    assert set(brought) == {*wanted, "GitRepository/flux-system/flux-system"}
    assert [
        each.obj
        for each in built(after(), cluster, fleet.ROOT).objects
        if "url" in each.obj["spec"]
    ]
    assert URL in fleet.sync_of(after())


def test_clusters_differ_by_their_overlays_and_variables() -> None:
    prod, staging = names(built(after(), "prod", "apps")), names(built(after(), "staging", "apps"))

    assert "Deployment/shop/reports" in prod
    assert "Deployment/shop/reports" not in staging
    hosts = [
        each.obj["spec"]["rules"][0]["host"]
        for cluster in ("prod", "staging")
        for each in built(after(), cluster, "monitoring").objects
        if each.ref.kind == "Ingress"
    ]
    assert hosts == ["grafana.example.com", "grafana.staging.example.com"]


@pytest.mark.parametrize("name", fleet.KUSTOMIZATIONS)
def test_every_kustomization_builds_at_the_end_of_the_story(name: str) -> None:
    files = after(fleet.release, fleet.removal, fleet.mistake, fleet.repair)

    assert built(files, "prod", name).objects


def test_a_removed_app_is_gone_from_the_repository_and_the_build() -> None:
    files = after(fleet.removal)

    assert [path for path in files if "reports" in path] == []
    assert [name for name in names(built(files, "prod", "apps")) if "reports" in name] == []


def test_the_mistake_is_named_with_its_line_and_concerns_one_kustomization() -> None:
    files = after(fleet.release, fleet.removal, fleet.mistake)
    line = fleet.line_of(files[fleet.BROKEN_FILE], "paused")

    with pytest.raises(BuildFailed, match=f"{fleet.BROKEN_FILE}:{line}: malformed YAML"):
        built(files, "prod", "apps")
    assert built(files, "prod", "monitoring").digest != built(after(), "prod", "monitoring").digest


def test_a_change_that_finds_its_place_gone_says_so() -> None:
    with pytest.raises(ValueError, match="stands 0 times in the file, not once"):
        fleet.release(after(fleet.release))
