from typing import Any

import pytest

from engine.cli.kinds import KINDS
from engine.cli.origins import Origin, report
from tests.support.scripted_api import ScriptedApi, json
from tests.unit.cli.conftest import Lockstep

KS = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations"
GIT = "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories"
OWNED = {
    "kustomize.toolkit.fluxcd.io/name": "apps",
    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
}


def resource(name: str, kind: str, *short: str) -> dict[str, Any]:
    return {
        "resource": name,
        "responseKind": {"kind": kind},
        "scope": "Namespaced",
        "singularResource": kind.lower(),
        "shortNames": list(short),
    }


@pytest.fixture
def cluster(api: ScriptedApi) -> ScriptedApi:
    """A Pod of a ReplicaSet of a Deployment that a Kustomization has applied."""

    def groups(**versions: list[dict[str, Any]]) -> Any:
        items = [
            {"metadata": {"name": group}, "versions": [{"version": "v1", "resources": resources}]}
            for group, resources in versions.items()
        ]
        return json({"kind": "APIGroupDiscoveryList", "items": items})

    api.on("GET", "/api", groups(**{"": [resource("pods", "Pod", "po")]}))
    apps = [
        resource("deployments", "Deployment", "deploy"),
        resource("replicasets", "ReplicaSet", "rs"),
    ]
    api.on("GET", "/apis", groups(apps=apps))
    above: dict[str, Any] = {}
    for path, kind, name in (
        ("/apis/apps/v1/namespaces/shop/deployments", "Deployment", "web"),
        ("/apis/apps/v1/namespaces/shop/replicasets", "ReplicaSet", "web-1"),
        ("/api/v1/namespaces/shop/pods", "Pod", "web-1-a"),
    ):
        metadata = {"name": name, "namespace": "shop", "labels": OWNED if not above else {}}
        metadata["ownerReferences"] = [above] if above else []
        api.on("GET", f"{path}/{name}", json({"kind": kind, "metadata": metadata}))
        above = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    metadata = {"name": "apps", "namespace": "flux-system"}
    reference = {"kind": "GitRepository", "name": "fleet"}
    ks = {"kind": "Kustomization", "metadata": metadata, "spec": {"sourceRef": reference}}
    api.on("GET", f"{KS}/apps", json(ks))
    url = {"url": "https://user:secret@git.example.com/fleet"}
    git = {"kind": "GitRepository", "metadata": {**metadata, "name": "fleet"}, "spec": url}
    api.on("GET", f"{GIT}/fleet", json(git))
    return api


@pytest.mark.parametrize("words", [("po", "web-1-a"), ("pod/web-1-a",), ("pods", "web-1-a")])
async def test_what_others_made_is_traced_to_what_they_made_it_for(
    cluster: ScriptedApi, lockstep: Lockstep, words: tuple[str, ...]
) -> None:
    ended = await lockstep("trace", "-n", "shop", *words)

    assert (ended.status, ended.err) == (0, "")
    assert "Object:          Pod/web-1-a\n" in ended.out
    assert "Kustomization:   apps\n" in ended.out
    assert "GitRepository:   fleet\n" in ended.out
    assert "Status:          Unknown\n" in ended.out
    assert "secret" not in ended.out
    assert "https://***@git.example.com/fleet" in ended.out


async def test_several_objects_are_told_apart(cluster: ScriptedApi, lockstep: Lockstep) -> None:
    ended = await lockstep("trace", "-n", "shop", "deploy/web", "rs/web-1")

    assert ended.out.count("\nObject: ") == 2
    assert "\n---\n\nObject:          ReplicaSet/web-1\n" in ended.out


async def test_one_that_cannot_be_traced_hides_no_other(
    cluster: ScriptedApi, lockstep: Lockstep
) -> None:
    ended = await lockstep("trace", "-n", "shop", "deploy", "gone", "web")

    assert ended.status == 1
    assert "Object:          Deployment/web\n" in ended.out
    assert ended.err == (
        "Error: failed to trace Deployment/gone: deployments.apps 'gone' not found in "
        '"shop" namespace; -n names another\n'
    )


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("deploy",), "which deploy? name it"),
        (("x", "--kind", "Pod"), "give both --kind and --api-version"),
        (("pod/a", "b"), "use RESOURCE/NAME for all"),
    ],
)
async def test_what_names_no_object_is_refused(
    cluster: ScriptedApi, lockstep: Lockstep, words: tuple[str, ...], problem: str
) -> None:
    ended = await lockstep("trace", *words)

    assert ended.status == 2
    assert problem in ended.err


def origin(kind: str, spec: dict[str, Any], **status: Any) -> Origin:
    metadata = {"name": "x", "namespace": "ns"}
    return Origin(KINDS[kind], {"kind": kind, "metadata": metadata, "spec": spec, "status": status})


def test_a_release_shows_chart_and_repository() -> None:
    chain = [
        origin("HelmRelease", {"chart": {"spec": {}}}, lastAttemptedRevision="1.2.3"),
        origin("HelmChart", {"chart": "web", "version": ">=1"}, artifact={"revision": "1.2.3"}),
        origin("HelmRepository", {"url": "https://charts.example.com"}),
    ]
    text = report({"kind": "Namespace", "metadata": {"name": "shop"}}, chain)

    assert text.splitlines()[1:9] == [
        "Object:         Namespace/shop",
        "Status:         Managed by Flux",
        "---",
        "HelmRelease:    x",
        "Namespace:      ns",
        "Revision:       1.2.3",
        "Status:         Unknown",
        "---",
    ]
    assert "Chart:          web\nVersion:        >=1\nRevision:       1.2.3\n" in text
    assert text.endswith("URL:            https://charts.example.com\nStatus:         Unknown")


@pytest.mark.parametrize(
    ("kind", "ref", "line"),
    [
        ("GitRepository", {"branch": "main", "tag": "v1"}, "Tag:             v1"),
        ("GitRepository", {"semver": ">=1"}, "Tag:             >=1"),
        ("OCIRepository", {"digest": "sha256:1"}, "Digest:          sha256:1"),
    ],
)
def test_what_is_asked_of_a_source_is_shown(kind: str, ref: dict[str, str], line: str) -> None:
    chain = [origin("Kustomization", {}), origin(kind, {"url": "ssh://git@h/x", "ref": ref})]
    text = report({"kind": "Pod", "metadata": {"name": "a"}}, chain)

    assert line in text.splitlines()
    assert "URL:             ssh://git@h/x" in text.splitlines()


def test_the_origin_of_an_image_is_shown() -> None:
    metadata = {
        "org.opencontainers.image.source": "https://git.example.com/fleet",
        "org.opencontainers.image.revision": "main@sha1:abc",
    }
    source = origin("OCIRepository", {}, artifact={"revision": "r", "metadata": metadata})
    text = report({"kind": "Pod", "metadata": {"name": "a"}}, [origin("Kustomization", {}), source])

    assert "Origin Revision: main@sha1:abc\nOrigin Source:   https://git.example.com/fleet" in text
