"""Fields of a Kustomization's `spec`, each seen to do what the contract says.

What a whole file of tests is about (health, dependencies, pruning, ...) has its proof there.
"""

from contextlib import aclosing
from random import Random
from typing import Any

import pytest

from engine.cluster.watch import Watch
from engine.objects.ref import Object
from engine.runtime import SystemClock
from tests.support.fleet import (
    Fleet,
    condition_of,
    config_map,
    has_reason,
    is_at,
    is_checking,
    is_ready,
)

IMAGE = "registry.example.com/web"
DIGEST = f"sha256:{'0' * 64}"


def deployment(name: str = "web") -> dict[str, Any]:
    labels = {"app": name}
    containers = [{"name": "web", "image": f"{IMAGE}:1"}, {"name": "side", "image": "side:1"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }


def role(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name},
    }


def scaler(name: str) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {"maxReplicas": 2, "scaleTargetRef": target},
    }


def marked(obj: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], **metadata}}


OBJECTS = [
    marked(config_map("one"), labels={"tier": "web"}, annotations={"team": "shop"}),
    marked(config_map("two"), labels={"tier": "db"}, annotations={"team": "other"}),
    marked(role("one"), labels={"tier": "db"}, annotations={"team": "other"}),
    marked(scaler("two"), labels={"tier": "db"}, annotations={"team": "other"}),
]
"""Any two of them are told apart by some field of a target."""
ALL = {("ConfigMap", "one"), ("ConfigMap", "two"), ("Role", "one"), (scaler("")["kind"], "two")}
SELECTED: dict[str, tuple[dict[str, str], set[tuple[str, str]]]] = {
    "kind": ({"kind": "Role"}, {("Role", "one")}),
    "name": ({"name": "t.*"}, {("ConfigMap", "two"), ("HorizontalPodAutoscaler", "two")}),
    "group": ({"group": "rbac.authorization.k8s.io"}, {("Role", "one")}),
    "version": ({"version": "v2"}, {("HorizontalPodAutoscaler", "two")}),
    "label": ({"labelSelector": "tier=web"}, {("ConfigMap", "one")}),
    "annotation": ({"annotationSelector": "team=shop"}, {("ConfigMap", "one")}),
    "elsewhere": ({"namespace": "nowhere"}, set()),
}
"""{what selects: (the target, which of OBJECTS it selects)}."""


async def annotations_of(fleet: Fleet, kind: str, name: str) -> dict[str, str]:
    obj = await fleet.get(kind, name)
    assert obj is not None
    return dict(obj["metadata"].get("annotations") or {})


@pytest.mark.covers(
    "Kustomization.spec.patches[].patch",
    "Kustomization.spec.patches[].target.annotationSelector",
    "Kustomization.spec.patches[].target.group",
    "Kustomization.spec.patches[].target.kind",
    "Kustomization.spec.patches[].target.labelSelector",
    "Kustomization.spec.patches[].target.name",
    "Kustomization.spec.patches[].target.namespace",
    "Kustomization.spec.patches[].target.version",
)
async def test_a_patch_changes_what_its_target_selects_and_nothing_else(fleet: Fleet) -> None:
    body = "apiVersion: v1\nkind: Any\nmetadata: {{name: any, annotations: {{by-{0}: 'yes'}}}}"
    here = {"namespace": fleet.namespace, "kind": "ConfigMap"}
    selected = {**SELECTED, "namespace": (here, {("ConfigMap", "one"), ("ConfigMap", "two")})}
    patches = [
        {"patch": body.format(what), "target": target} for what, (target, _) in selected.items()
    ]
    objects = [marked(each, namespace=fleet.namespace) for each in OBJECTS]
    await fleet.app({"app/all.yaml": objects}, patches=patches, targetNamespace=None)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)

    found = {each: await annotations_of(fleet, *each) for each in ALL}
    for what, (_, wanted) in selected.items():
        assert {each for each, marks in found.items() if f"by-{what}" in marks} == wanted, what


@pytest.mark.covers(
    "Kustomization.spec.ignore[].paths[]",
    "Kustomization.spec.ignore[].target.annotationSelector",
    "Kustomization.spec.ignore[].target.group",
    "Kustomization.spec.ignore[].target.kind",
    "Kustomization.spec.ignore[].target.labelSelector",
    "Kustomization.spec.ignore[].target.name",
    "Kustomization.spec.ignore[].target.namespace",
    "Kustomization.spec.ignore[].target.version",
)
async def test_a_rule_ignores_drift_of_what_its_target_selects_and_of_nothing_else(
    fleet: Fleet,
) -> None:
    here = {"namespace": fleet.namespace, "kind": "ConfigMap"}
    selected = {**SELECTED, "namespace": (here, {("ConfigMap", "one"), ("ConfigMap", "two")})}
    marks = {f"by-{what}": "git" for what in (*selected, "nothing")}
    files = {
        "app/all.yaml": [
            marked(each, annotations={**each["metadata"]["annotations"], **marks})
            for each in OBJECTS
        ]
    }
    ignore = [
        {"paths": [f"/metadata/annotations/by-{what}"], "target": target}
        for what, (target, _) in selected.items()
    ]
    await fleet.app(files, ignore=ignore)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        for each in ALL:
            edited = {"metadata": {"annotations": dict.fromkeys(marks, "edited")}}
            await fleet.patch(*each, edited)
            await fleet.until(*each, lambda obj: annotation(obj, "by-nothing") == "git")

    found = {each: await annotations_of(fleet, *each) for each in ALL}
    for what, (_, wanted) in selected.items():
        left = {each for each, marks in found.items() if marks[f"by-{what}"] == "edited"}
        assert left == wanted, what


def annotation(obj: Object, name: str) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(name))


@pytest.mark.covers(
    "Kustomization.spec.images[].name",
    "Kustomization.spec.images[].newName",
    "Kustomization.spec.images[].newTag",
    "Kustomization.spec.images[].digest",
)
async def test_images_are_renamed_tagged_and_pinned(fleet: Fleet) -> None:
    images = [
        {"name": IMAGE, "newName": "mirror.example.com/web", "newTag": "2"},
        {"name": "side", "digest": DIGEST},
    ]
    await fleet.app({"app/web.yaml": deployment()}, images=images)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)

    web = await fleet.get("Deployment", "web")
    assert web is not None
    containers = web["spec"]["template"]["spec"]["containers"]
    assert [each["image"] for each in containers] == ["mirror.example.com/web:2", f"side@{DIGEST}"]


@pytest.mark.covers("Kustomization.spec.namePrefix", "Kustomization.spec.nameSuffix")
async def test_names_get_a_prefix_and_a_suffix(fleet: Fleet) -> None:
    await fleet.app({"app/a.yaml": config_map("a", v="1")}, namePrefix="my-", nameSuffix="-x")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)

    assert await fleet.data("my-a-x") == {"v": "1"}
    assert await fleet.data("a") is None


@pytest.mark.covers("Kustomization.spec.targetNamespace", "Kustomization.spec.path")
async def test_objects_of_the_path_alone_go_to_the_target_namespace(fleet: Fleet) -> None:
    files = {"app/a.yaml": config_map("a", "elsewhere"), "other/b.yaml": config_map("b")}
    await fleet.app(files, targetNamespace=fleet.namespace)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)

    assert await fleet.get("ConfigMap", "a") is not None
    assert await fleet.get("ConfigMap", "b") is None


@pytest.mark.covers(
    "Kustomization.spec.commonMetadata.labels", "Kustomization.spec.commonMetadata.annotations"
)
async def test_common_metadata_wins_over_what_the_object_says(fleet: Fleet) -> None:
    one = marked(config_map("a"), labels={"team": "mine"})
    common = {"labels": {"team": "shop"}, "annotations": {"note": "x"}}
    await fleet.app({"app/a.yaml": one}, commonMetadata=common)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)

    live = await fleet.get("ConfigMap", "a")
    assert live is not None
    assert live["metadata"]["labels"]["team"] == "shop"
    assert live["metadata"]["annotations"]["note"] == "x"


@pytest.mark.covers("Kustomization.spec.components[]", "Kustomization.spec.ignoreMissingComponents")
async def test_components_work_on_the_build_and_one_that_is_missing_may_be(fleet: Fleet) -> None:
    component = (
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
        "generatorOptions: {disableNameSuffixHash: true}\n"
        "configMapGenerator: [{name: made, literals: [v=1]}]"
    )
    files = {"app/a.yaml": config_map("a")}
    fleet.commit({"extra/kustomization.yaml": component})
    await fleet.app(files, components=["../extra", "../not-there"])

    async with fleet.engine():
        failed = await fleet.until("Kustomization", "app", has_reason("BuildFailed"))
        await fleet.patch("Kustomization", "app", {"spec": {"ignoreMissingComponents": True}})
        await fleet.until("Kustomization", "app", is_ready)

    assert "not-there" in condition_of(failed)["message"]
    assert await fleet.data("made") == {"v": "1"}


@pytest.mark.covers(
    "Kustomization.spec.buildMetadata[]=originAnnotations",
    "Kustomization.spec.buildMetadata[]=transformerAnnotations",
)
async def test_objects_say_which_file_and_which_transformers_made_them(fleet: Fleet) -> None:
    metadata = ["originAnnotations", "transformerAnnotations"]
    await fleet.app({"app/a.yaml": config_map("a")}, buildMetadata=metadata, namePrefix="x-")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)

    found = await annotations_of(fleet, "ConfigMap", "x-a")
    assert found["config.kubernetes.io/origin"] == "path: a.yaml\n"
    assert "kind: PrefixTransformer" in found["alpha.config.kubernetes.io/transformations"]


@pytest.mark.covers(
    "Kustomization.spec.postBuild.substituteStrategy=WithVariables",
    "Kustomization.spec.postBuild.substituteStrategy=Always",
)
async def test_defaults_stand_in_for_variables_always_or_only_if_there_are_any(
    fleet: Fleet,
) -> None:
    post_build = {"postBuild": {"substituteStrategy": "WithVariables"}}
    await fleet.app({"app/a.yaml": config_map("a", v="${x:=default}")}, **post_build)

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        assert await fleet.data("a") == {"v": "${x:=default}"}
        always = {"spec": {"postBuild": {"substituteStrategy": "Always"}}}
        await fleet.patch("Kustomization", "app", always)
        await fleet.until("Kustomization", "app", is_ready)

    assert await fleet.data("a") == {"v": "default"}


@pytest.mark.covers(
    "Kustomization.spec.dependsOn[].name",
    "Kustomization.spec.dependsOn[].namespace",
    "Kustomization:DependencyNotReady",
)
async def test_a_dependency_is_looked_for_in_the_namespace_that_is_named(fleet: Fleet) -> None:
    commit = fleet.commit({"app/a.yaml": config_map("a"), "base/b.yaml": config_map("b")})
    await fleet.source()
    await fleet.kustomization("base", path="./base")
    await fleet.kustomization(
        "app", path="./app", dependsOn=[{"name": "base", "namespace": "not-there"}]
    )

    async with fleet.engine():
        waiting = await fleet.until("Kustomization", "app", has_reason("DependencyNotReady"))
        named = {"spec": {"dependsOn": [{"name": "base", "namespace": fleet.namespace}]}}
        await fleet.patch("Kustomization", "app", named)
        await fleet.until("Kustomization", "app", is_at(commit))

    assert "not-there/base" in condition_of(waiting)["message"]


@pytest.mark.covers(
    "Kustomization.spec.sourceRef.kind=GitRepository",
    "Kustomization.spec.sourceRef.name",
    "Kustomization.spec.sourceRef.namespace",
    "Kustomization.spec.sourceRef.apiVersion",
    "Kustomization:ArtifactFailed",
    "Kustomization:ReconciliationSucceeded",
)
async def test_the_source_is_the_one_that_is_named(fleet: Fleet) -> None:
    commit = fleet.commit({"app/a.yaml": config_map("a")})
    await fleet.source()
    reference = {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "name": "fleet",
        "namespace": "not-there",
    }
    await fleet.kustomization("app", path="./app", sourceRef=reference)

    async with fleet.engine():
        failed = await fleet.until("Kustomization", "app", has_reason("ArtifactFailed"))
        right = {"spec": {"sourceRef": {"namespace": fleet.namespace}}}
        await fleet.patch("Kustomization", "app", right)
        await fleet.until("Kustomization", "app", is_at(commit))

    assert "not-there" in condition_of(failed)["message"]


@pytest.mark.covers(
    "Kustomization.spec.postBuild.substitute",
    "Kustomization.spec.postBuild.substituteFrom[].kind=ConfigMap",
    "Kustomization.spec.postBuild.substituteFrom[].kind=Secret",
    "Kustomization.spec.postBuild.substituteFrom[].name",
    "Kustomization.spec.postBuild.substituteFrom[].optional",
    "Kustomization:BuildFailed",
)
async def test_variables_come_from_objects_in_order_and_the_spec_wins(fleet: Fleet) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "two"}}
    await fleet.put(config_map("one", a="one", b="one", c="one"))
    await fleet.put({**secret, "stringData": {"b": "two", "c": "two"}})
    sources = [
        {"kind": "ConfigMap", "name": "one"},
        {"kind": "Secret", "name": "two"},
        {"kind": "ConfigMap", "name": "none"},
    ]
    post_build = {"substituteFrom": sources, "substitute": {"c": "spec"}}
    await fleet.app({"app/x.yaml": config_map("x", v="${a} ${b} ${c}")}, postBuild=post_build)

    async with fleet.engine():
        failed = await fleet.until("Kustomization", "app", has_reason("BuildFailed"))
        may_lack = {"substituteFrom": [*sources[:2], {**sources[2], "optional": True}]}
        await fleet.patch("Kustomization", "app", {"spec": {"postBuild": may_lack}})
        await fleet.until("Kustomization", "app", is_ready)

    assert "ConfigMap/none" in condition_of(failed)["message"]
    assert await fleet.data("x") == {"v": "one two spec"}


@pytest.mark.covers("Kustomization.spec.interval")
async def test_at_its_interval_a_kustomization_is_reconciled_though_nobody_asks(
    fleet: Fleet,
) -> None:
    await fleet.app({"app/a.yaml": config_map("a")}, interval="1s")

    async with fleet.engine(status_heartbeat=True):
        await fleet.until("Kustomization", "app", has_reconciled(3))


def has_reconciled(times: int) -> Any:
    def check(obj: Object) -> bool:
        history = (obj.get("status") or {}).get("history") or []
        return bool(history) and history[0]["totalReconciliations"] >= times

    return check


@pytest.mark.covers("Kustomization.spec.retryInterval", "Kustomization:ProgressingWithRetry")
async def test_what_failed_is_tried_again_after_its_retry_interval(fleet: Fleet) -> None:
    sources = {"substituteFrom": [{"kind": "ConfigMap", "name": "later"}]}
    files = {"app/a.yaml": config_map("a", v="${v}")}
    await fleet.app(files, postBuild=sources, retryInterval="1s")

    async with fleet.engine():
        await fleet.until("Kustomization", "app", has_reason("BuildFailed"))
        await fleet.put(config_map("later", v="one"))
        await fleet.until("Kustomization", "app", is_ready)

    assert await fleet.data("a") == {"v": "one"}


@pytest.mark.covers("Kustomization.spec.timeout")
async def test_a_wait_for_health_says_how_long_it_may_take(fleet: Fleet) -> None:
    unfinished = {**deployment(), "spec": {**deployment()["spec"], "replicas": 1}}
    await fleet.app({"app/web.yaml": unfinished}, wait=True, timeout="42s")

    async with fleet.engine():
        waiting = await fleet.until("Kustomization", "app", is_checking)

    assert condition_of(waiting, "Reconciling")["message"].endswith("with a timeout of 42s")


@pytest.mark.covers("Kustomization.spec.serviceAccountName")
async def test_without_its_service_account_nothing_is_deleted_and_an_event_says_so(
    fleet: Fleet,
) -> None:
    await fleet.app({"app/a.yaml": config_map("a")})

    async with fleet.engine():
        await fleet.until("Kustomization", "app", is_ready)
        await fleet.patch("Kustomization", "app", {"spec": {"serviceAccountName": "gone"}})
        await fleet.delete("Kustomization", "app")
        await fleet.until_gone("Kustomization", "app")
        await warned(fleet, "unable to prune objects")

    assert await fleet.get("ConfigMap", "a") is not None


async def warned(fleet: Fleet, beginning: str) -> None:
    """Returns once there is an event of type Warning in the namespace that begins so."""
    events = await fleet.client.discovery.resource("", "v1", "Event")
    watch = Watch(fleet.client, events, SystemClock(), Random(0), fleet.namespace)
    async with aclosing(watch.events()) as heard:
        async for each in heard:
            is_warning = each.obj.get("type") == "Warning"
            if is_warning and each.obj["message"].startswith(beginning):
                return


@pytest.mark.covers(
    "Kustomization.spec.decryption.serviceAccountName", "Kustomization:FeatureGateDisabled"
)
async def test_a_service_account_for_keys_needs_its_gate(fleet: Fleet) -> None:
    decryption = {"provider": "sops", "serviceAccountName": "keys"}
    await fleet.app({"app/a.yaml": config_map("a")}, decryption=decryption)

    async with fleet.engine():
        stalled = await fleet.until("Kustomization", "app", has_reason("FeatureGateDisabled"))
        await fleet.patch("Kustomization", "app", {"spec": {"decryption": None}})
        await fleet.until("Kustomization", "app", is_ready)

    assert condition_of(stalled, "Stalled")["reason"] == "FeatureGateDisabled"
    assert "ObjectLevelWorkloadIdentity" in condition_of(stalled)["message"]


@pytest.mark.covers("Kustomization.spec.kubeConfig.secretRef.key")
async def test_the_kubeconfig_is_looked_for_under_the_key_that_is_named(fleet: Fleet) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "there"}}
    await fleet.put({**secret, "stringData": {"value": "[]", "mine": "{}"}})
    reference = {"secretRef": {"name": "there", "key": "other"}}
    await fleet.app({"app/a.yaml": config_map("a")}, kubeConfig=reference)

    async with fleet.engine():
        failed = await fleet.until("Kustomization", "app", has_reason("ReconciliationFailed"))

    assert "'other'" in condition_of(failed)["message"]
